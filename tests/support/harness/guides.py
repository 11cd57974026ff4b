"""Blocks of a guide that name a file, and adding them to a project as the guide says."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

# Pages whose blocks together make one project of the apples, in this order.
GUIDE = ("table", "own_parts", "model_file", "application")
FENCE = re.compile(r'^```(\w+) title="(.+?)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: YAML to append, a new Python file, or a diff of lines to insert."""

    language: str
    file: str
    text: str

    @property
    def added(self) -> list[str]:
        lines = self.text.splitlines()
        return [line for line in lines if line.startswith("+")] if self.is_diff else lines

    @property
    def is_diff(self) -> bool:
        return self.language == "diff"

    @property
    def is_whole(self) -> bool:
        """Whether it names its parameters from the top, and so continues no block of the guide."""
        is_parameters = self.file.startswith("conf/base/parameters_")
        return is_parameters and not self.is_diff and not self.text.startswith(" ")

    def apply(self, project: Path) -> None:
        path = project / self.file
        if self.is_diff:
            path.write_text(insert_lines(path.read_text(), self.text))
        elif self.language == "yaml":
            path.write_text(path.read_text() + self.text)
        else:
            assert not path.exists(), f"{path} is there already"
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.text)


def read_blocks(guide: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(guide.read_text())]


def read_guide(project: Path) -> list[Block]:
    """Return the blocks of all pages of the guide, in the order in which they are followed."""
    pages = [project / "docs" / "howto" / f"{name}.md" for name in GUIDE]
    return [block for page in pages for block in read_blocks(page) if not block.is_whole]


def insert_lines(text: str, diff: str) -> str:
    """Insert the + lines of a diff where the lines around them stand."""
    lines = diff.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line.startswith(" "))
    after = "".join(f"{line[1:]}\n" for line in lines)
    assert text.count(before) == 1, f"{before!r} must stand there once"
    return text.replace(before, after)


def copy_project(project: Path, folder: Path) -> Path:
    """Copy what a run needs, without results."""
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
    for name in ("conf", "src"):
        shutil.copytree(project / name, folder / name, ignore=ignored)
    shutil.copy(project / "pyproject.toml", folder)
    (folder / "data" / "01_raw").mkdir(parents=True)
    return folder
