"""The guide's Python runs as it stands, but for a smaller budget, and its types are right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def blocks(project_path: Path) -> list[str]:
    return PYTHON.findall((project_path / "docs" / "python.md").read_text())


def test_models_are_measured_compared_and_ranked(blocks: list[str], tmp_path: Path) -> None:
    program = tmp_path / "guide.py"
    text = "".join(block for block in blocks if "open_project" not in block)
    assert "budget_cpu_s=10)" in text
    program.write_text(text.replace("budget_cpu_s=10)", "budget_cpu_s=1)"))

    done = subprocess.run(
        [sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.endswith(" ms") or first.startswith("not measured: needs")  # on a busy machine
    assert "for interactive" in done.stdout
    assert (tmp_path / "report.html").is_file()


def test_types_of_the_examples_are_right(
    blocks: list[str], project_path: Path, tmp_path: Path
) -> None:
    program = tmp_path / "guide.py"
    program.write_text("".join(blocks))

    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(program)],
        cwd=project_path,  # with the settings and the cache of `make types`
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
