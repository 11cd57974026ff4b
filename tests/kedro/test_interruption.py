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
from rightfit_kedro import command_line
from rightfit_kedro.command_line import ending_on_interrupt
from rightfit._core.processes.leftovers import temporary_folder
command_line.GRACE_S = float(sys.argv[1])
with ending_on_interrupt(), temporary_folder("test"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                             start_new_session=True)
    while True:
        try:
            print(child.pid, flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            continue
"""
HEEDFUL = """
from rightfit_kedro.command_line import ending_on_interrupt
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
    ("how", "n_signals", "grace_s"),
    [(signal.SIGINT, 1, 0.2), (signal.SIGINT, 2, 600.0), (signal.SIGTERM, 1, 0.2)],
)
def test_command_ends_after_its_grace_or_with_the_second_signal(
    how: signal.Signals, n_signals: int, grace_s: float, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF, str(grace_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert process.stdout
    child = int(process.stdout.readline())

    for _ in range(n_signals):
        process.send_signal(how)
        process.stdout.readline()  # two that wait together are one to the kernel
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 128 + how
    assert b"the same command continues" in errors
    end_s = time.monotonic() + 60
    while is_alive(child):  # killed, but the kernel takes its time
        assert time.monotonic() < end_s
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_it_stays_after_the_block() -> None:
    ended = run_python("-c", HEEDFUL)

    assert ended.stdout.startswith("-1 <built-in function default_int_handler> ")
    assert ended.stdout.endswith(" 0\n")  # the default
