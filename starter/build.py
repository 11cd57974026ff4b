"""Build a Kedro starter from this repository: ``python starter/build.py dist/starter``.

The starter is the repository itself, with the names of package and project replaced by what
``kedro new`` asks for. It is built, never committed, so there is nothing to keep in step.

Template marks are ``[@ … @]`` in place of Jinja's braces (``cookiecutter.json`` says so), because
braces are all over the sources and these marks are nowhere.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
HERE = "starter/"
LEFT_OUT = (HERE, "tests/starter/", "docs/decisions/0011-built-starter.md", "CHANGELOG.md")
NAMES = {
    "rightfit": "[@ cookiecutter.python_package @]",
    "Rightfit": "[@ cookiecutter.project_name @]",
    "RIGHTFIT": "[@ cookiecutter.python_package.upper() @]",
}
NAME = re.compile("|".join(NAMES))
HERE_ONLY_LINE = re.compile(r"^starter/ .*\n", re.MULTILINE)  # of the README's layout
ONLY_HERE = re.compile(r"^[^\n]*starter:begin.*?starter:end[^\n]*\n\n?", re.MULTILINE | re.DOTALL)
CHANGELOG = "# Changelog\n\n## 0.1.0 (unreleased)\n\n- Started from the Rightfit starter.\n"


def build_starter(repository: Path, target: Path) -> None:
    """Write a starter.

    Args:
        repository: A git checkout of the project; its tracked files as they are, committed or not.
        target: Folder to write; replaced if it is there.

    Raises:
        ValueError: If a file holds a template mark, or parts for the template alone do not end.
    """
    shutil.rmtree(target, ignore_errors=True)
    project = target / "[@ cookiecutter.repo_name @]"
    project.mkdir(parents=True)
    for name in ("cookiecutter.json", "prompts.yml"):
        shutil.copy(repository / HERE / name, target)
    for name in list_files(repository):
        write_file(repository / name, project / rename(name))
    (project / "CHANGELOG.md").write_text(CHANGELOG)


def list_files(repository: Path) -> list[str]:
    """Return the tracked files that are there and belong into a project, as relative paths."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True)  # noqa: S603
    names = listed.stdout.rstrip("\0").split("\0")
    return [n for n in names if not n.startswith(LEFT_OUT) and (repository / n).is_file()]


def rename(name: str) -> str:
    """Put the template's marks into a path; a sample table exists only where it is wanted."""
    folder, _, file = name.rpartition("/")
    if file.endswith(".parquet"):
        file = f"[@% if cookiecutter.__has_samples %@]{file}[@% endif %@]"
    return replace_names(f"{folder}/{file}" if folder else file)


def write_file(source: Path, target: Path) -> None:
    """Copy a file; in a text, replace the names and leave out what is for the template alone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    if b"\0" not in content:
        text = content.decode()
        if "[@" in text or "@]" in text:
            raise ValueError(f"{source} holds a template mark, [@ or @]; the starter needs others.")
        text = HERE_ONLY_LINE.sub("", ONLY_HERE.sub("", text))
        if "starter:begin" in text:
            raise ValueError(f"{source} has a part starter:begin without starter:end.")
        content = replace_names(text).encode()
    target.write_bytes(content)
    shutil.copymode(source, target)


def replace_names(text: str) -> str:
    """Put marks in place of the package's and the project's name.

    >>> replace_names("import rightfit")
    'import [@ cookiecutter.python_package @]'
    """
    return NAME.sub(lambda found: NAMES[found[0]], text)


if __name__ == "__main__":
    build_starter(REPOSITORY, Path(sys.argv[1]))
