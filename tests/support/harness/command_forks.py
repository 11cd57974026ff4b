"""Commands in forks of one process that has imported the large libraries already.

A command spends seconds on imports. A fork spares them, and is a process of its own like any other:
with its own working directory, environment, arguments, output and exit code.
"""

from __future__ import annotations

import atexit
import gc
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.forks import FORKS


def run_module(
    name: str, *words: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m NAME WORDS`` in a folder, to its end.

    Args:
        name: A module, such as ``kedro``.
        words: Its arguments.
        folder: The working directory.
        environment: Variables beside those of this process.
    """
    return _run(name, words, folder, environment)


def run_script(script: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``python SCRIPT WORDS`` in a folder, to its end; see :func:`run_module`."""
    return _run(str(script), words, folder, {})


def _run(
    name: str, words: tuple[str, ...], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    given = os.environ | {"KEDRO_DISABLE_TELEMETRY": "1", "COLUMNS": "160"} | dict(environment)
    with tempfile.TemporaryDirectory() as place:
        written = [Path(place) / stream for stream in ("stdout", "stderr")]
        fork = FORKS.Process(target=_become, args=(name, words, folder, given, written))
        fork.start()
        fork.join()
        stdout, stderr = (path.read_text(errors="replace") for path in written)
    return subprocess.CompletedProcess([name, *words], fork.exitcode or 0, stdout, stderr)


def _become(
    name: str,
    words: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    written: list[Path],
) -> None:
    """Be the command, in the fork."""
    gc.freeze()  # what was imported need not be looked through in each fork
    for number, path in enumerate(written, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [name, *words]
    try:
        if name.endswith(".py"):
            sys.path.insert(0, str(Path(name).parent))
            runpy.run_path(name, run_name="__main__")
        else:
            sys.path.insert(0, str(folder))
            runpy.run_module(name, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # a fork ends without them
