from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

# A main thread that does not heed Ctrl-C, as in a library's code, and a child that does not either.
DEAF = """
import subprocess, sys, time
from pathlib import Path
from rightfit.processes.interruption import ending_on_interrupt
with ending_on_interrupt():
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
from rightfit.processes.interruption import ending_on_interrupt
import signal
with ending_on_interrupt():
    pass
before = signal.getsignal(signal.SIGINT)
print(signal.set_wakeup_fd(-1), before is signal.default_int_handler)
"""


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("n_interrupts", "within_s"), [(1, 3.0), (2, 1.5)])
def test_command_ends_soon_after_an_interrupt_and_at_once_after_two(
    n_interrupts: int, within_s: float, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    process = subprocess.Popen([sys.executable, "-c", DEAF, note], stderr=subprocess.PIPE)
    while not (note.exists() and note.read_text()):
        time.sleep(0.02)

    for _ in range(n_interrupts):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, errors = process.communicate(timeout=within_s)

    assert process.returncode == 130
    assert b"the same command continues" in errors
    assert not is_alive(int(note.read_text()))


def test_nothing_of_it_stays_after_the_block() -> None:
    ended = subprocess.run([sys.executable, "-c", HEEDFUL], capture_output=True, text=True)

    assert ended.stdout == "-1 True\n"
