"""Programs in a Python process of their own, run to their end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 1_500  # less than pytest's, so that the program's output is shown


def run_python(
    *words: str | Path,
    folder: Path | None = None,
    text: str | None = None,
    check: bool = False,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run ``python WORDS`` and return what it printed and its exit status.

    Args:
        words: Its arguments.
        folder: The working directory; ``None``: the tests' own.
        text: Its standard input; ``None``: the tests' own.
        check: Whether another exit status than 0 is an error.
        environment: Variables beside those of this process.
    """
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        input=text,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=check,
        timeout=TIMEOUT_S,
    )
