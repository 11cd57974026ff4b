"""Output that cannot be written is lost, and nothing fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from rightfit_kedro.command_line import tolerate_lost_output
tolerate_lost_output()
print("é" * 9_000)
print("é done", file=sys.stderr)
"""


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-", "| head -c 0", "2>/dev/full", "2>&-"])
def test_process_succeeds_without_its_output(redirect: str) -> None:
    command = f'set -o pipefail; "$0" -c "$1" {redirect}'

    done = subprocess.run(
        ["/bin/bash", "-c", command, sys.executable, PROGRAM],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip

    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_letters_that_the_terminal_lacks_are_replaced(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True, check=False, timeout=600, env={"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip

    assert done.returncode == 0
    assert done.stdout.startswith(b"???")
    assert done.stderr == b"? done\n"
