from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rightfit.profiling.measuring.lock import machine_lock

HOLD = """
import sys
from pathlib import Path
from rightfit.profiling.measuring.lock import machine_lock
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


def test_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold_in_process(path) as holder:
        holder.kill()
        holder.communicate()

    with machine_lock(path) as waited_s:
        pass

    assert waited_s < 60


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
