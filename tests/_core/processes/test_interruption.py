from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from harness.python_programs import run_python

# A main thread that does not heed Ctrl-C, as in a library's code, and a child that does not either.
DEAF = """
import subprocess, sys, time
from pathlib import Path
from rightfit.kedro_project.command_line import ending_on_interrupt
from rightfit._core.processes.leftovers import temporary_folder
with ending_on_interrupt(), temporary_folder("test"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                             start_new_session=True)
    Path(sys.argv[1]).write_text(str(child.pid))
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            continue
"""
HEEDFUL = """
from rightfit.kedro_project.command_line import ending_on_interrupt
import signal
with ending_on_interrupt():
    pass
print(signal.set_wakeup_fd(-1), *map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)))
"""


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("how", "n_signals", "within_s"),
    [(signal.SIGINT, 1, 3.0), (signal.SIGINT, 2, 1.5), (signal.SIGTERM, 1, 3.0)],
)
def test_command_ends_soon_after_a_signal_and_at_once_after_two(
    how: signal.Signals, n_signals: int, within_s: float, tmp_path: Path
) -> None:
    note, temporary = tmp_path / "note", tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF, note],
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    while not (note.exists() and note.read_text()):
        time.sleep(0.02)

    for _ in range(n_signals):
        process.send_signal(how)
        time.sleep(0.1)
    _, errors = process.communicate(timeout=within_s)

    assert process.returncode == 128 + how
    assert b"the same command continues" in errors
    assert not is_alive(int(note.read_text()))
    assert list(temporary.iterdir()) == []


def test_nothing_of_it_stays_after_the_block() -> None:
    ended = run_python("-c", HEEDFUL)

    assert ended.stdout.startswith("-1 <built-in function default_int_handler> ")
    assert ended.stdout.endswith(" 0\n")  # the default
