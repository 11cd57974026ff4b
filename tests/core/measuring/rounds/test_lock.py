from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness.python_programs import run_python

from rightfit._core.processes.file_locks import acquire
from rightfit._core.progress import WAITING, Progress, listening
from rightfit.measuring.rounds import lock
from rightfit.measuring.rounds.lock import LOCK_PATH, STOPPED_MAX_S, WAIT_MAX_S, machine_lock

HOLD = """
import sys
from pathlib import Path
from rightfit.measuring.rounds.lock import LOCK_PATH, machine_lock
with machine_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold_in_process(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_lock_waits_until_the_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    waits = []

    with hold_in_process(path) as holder:

        def release_at_third_look(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                holder.communicate()

        with machine_lock(path, sleep=release_at_third_look):
            pass

    assert len(waits) >= 3


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux")
def test_wait_says_once_for_whom_and_since_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(lock.logger, "warning", lambda text, *of: told.append(text % of))
    path = tmp_path / "lock"
    steps: list[Progress] = []

    with hold_in_process(path) as holder:
        for is_last in (False, True):  # each waits for the same process
            ticks_s = iter([0.0, 1.0, 6.0, 9.0, 40.0])
            waits: list[float] = []

            def release_at_fourth(
                seconds: float, waits: list[float] = waits, is_last: bool = is_last
            ) -> None:
                waits.append(seconds)
                if len(waits) == 4:
                    if not is_last:
                        raise TimeoutError
                    holder.communicate()

            with (
                contextlib.suppress(TimeoutError),
                listening(steps.append),
                machine_lock(path, clock_s=ticks_s.__next__, sleep=release_at_fourth),
            ):
                pass

    [text] = told
    assert f": process {holder.pid}, {sys.executable} -c … in {Path.cwd()}, since " in text
    assert re.search(r", since \d\d:\d\d:\d\d\. .* end that process", text)
    shown = {step.subject for step in steps if step.stage == WAITING}
    assert all(subject.startswith(f"process {holder.pid}, ") for subject in shown)
    assert len([step for step in steps if step.stage == WAITING]) == 8
    assert steps[-1].stage != WAITING


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux")
def test_a_stopped_holder_loses_the_lock_and_others_time_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "lock"
    seconds = itertools.count(0.0, 10.0)
    with hold_in_process(path) as holder:
        holder.send_signal(signal.SIGSTOP)
        try:
            with machine_lock(path, clock_s=lambda: next(seconds), sleep=lambda _: None):
                waited_s = next(seconds)
            with machine_lock(path, clock_s=lambda: next(seconds), sleep=lambda _: None):
                waited_again_s = next(seconds) - waited_s
        finally:
            holder.send_signal(signal.SIGCONT)
            holder.communicate()
    with machine_lock(path), path.open() as file:
        is_back = not acquire(file, waits=False)

    assert STOPPED_MAX_S < waited_s < 2 * STOPPED_MAX_S
    assert waited_again_s < STOPPED_MAX_S
    assert is_back
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    [message] = [text for text in warnings if "does not measure" in text]
    assert f"process {holder.pid}" in message


def test_nobody_waits_for_ever_for_a_holder_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    seconds = itertools.count(0.0, 600.0)
    with hold_in_process(path) as holder:
        with machine_lock(path, clock_s=lambda: next(seconds), sleep=lambda _: os.utime(path)):
            waited_s = next(seconds)
        holder.communicate()

    assert WAIT_MAX_S < waited_s < 2 * WAIT_MAX_S


def test_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold_in_process(path) as holder:
        holder.kill()
        holder.communicate()

    waits: list[float] = []
    with machine_lock(path, sleep=waits.append):
        pass

    assert waits == []


def test_lock_can_be_taken_again_after_an_error(tmp_path: Path) -> None:
    try:
        with machine_lock(tmp_path / "lock"):
            raise KeyError("measuring failed")
    except KeyError:
        pass
    slept: list[float] = []

    with machine_lock(tmp_path / "lock", sleep=slept.append):
        pass

    assert slept == []


def test_lock_is_the_same_whatever_a_user_calls_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = "from rightfit.measuring.rounds.lock import LOCK_PATH; print(LOCK_PATH)"

    elsewhere = run_python("-c", command, check=True)

    assert elsewhere.stdout.strip() == str(LOCK_PATH)


def test_lock_carries_no_name_that_a_project_made_from_the_starter_replaces() -> None:
    assert "rightfit" not in str(LOCK_PATH).lower()


def test_lock_can_be_taken_with_read_access_and_changes_no_mode(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    path.chmod(0o444)

    with hold_in_process(path) as holder:
        slept: list[float] = []

        def release(seconds: float) -> None:
            slept.append(seconds)
            holder.communicate()

        with machine_lock(path, sleep=release):
            pass

    assert len(slept) == 1
    assert path.stat().st_mode & 0o777 == 0o444


def test_created_lock_is_open_to_other_users_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with machine_lock(tmp_path / "lock"):
            pass
    finally:
        os.umask(before)

    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_foreign_thing_at_the_path_is_left_alone_and_named_once(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, target = tmp_path / "lock", tmp_path / "target"
    target.touch(mode=0o600)
    make = {"folder": path.mkdir, "link": lambda: path.symlink_to(target)}
    make.get(kind, lambda: os.mkfifo(path))()
    n_run = 0

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with machine_lock(path):
                n_run += 1

    assert n_run == 2
    [message] = [record.getMessage() for record in caplog.records]
    assert f"{path}: it must be a regular file" in message
    assert target.stat().st_mode & 0o777 == 0o600
