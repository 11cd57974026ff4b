from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from attack import run_suite
from outcomes import KINDS, Outcome, Tally
from watching import try_all

pytestmark = [pytest.mark.whole, pytest.mark.long]


def test_suite_in_which_nothing_runs_is_a_fault() -> None:
    [outcome] = run_suite("tests/attack/no_such_file.py", "hangs")

    assert outcome.kind == "tracebacks"
    assert "no_such_file" in outcome.detail


def test_case_that_hangs_or_crashes_ends_itself_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally()

    try_all(
        "fakes.attempts", {"first": range(6), "second": [0, 5]}, tally,
        folder=tmp_path, n_processes=2,
    )  # fmt: skip

    assert dict(tally.counts) == {"clear": 5, "losses": 1, "hangs": 1, "tracebacks": 2}
    assert not tally.is_clean
    below = psutil.Process().children(recursive=True)
    assert [one for one in below if "spawn_main" in " ".join(one.cmdline())] == []
    told = capsys.readouterr().err
    assert "hangs: first: hang" in told
    assert "tracebacks: first: crash: its process ended with 3" in told
    assert "ZeroDivisionError" in told
    assert "losses: end_badly: a file" in told
    assert "9 cases, 4 bad (first 6/6, second 2/2)" in told


def test_outcomes_are_one_line_of_json() -> None:
    tally = Tally()
    tally.add(Outcome("a", "clear"))
    tally.add(Outcome("sequence 5", "clear"))

    assert tally.is_clean
    assert json.loads(tally.to_json()) == {
        "cases": 2, "sequences": 1, "is_whole": True, **dict.fromkeys(KINDS, 0), "clear": 2,
        "cpu_s": {},
    }  # fmt: skip


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_attack_writes_its_json(signal_number: int) -> None:
    script = Path(__file__).with_name("attack.py")
    attack = subprocess.Popen(
        [sys.executable, str(script), "--only", "blocks", "--processes", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert attack.stderr
    next(line for line in attack.stderr if " cases, " in line)  # before, it lists its cases
    attack.send_signal(signal_number)
    out, _ = attack.communicate(timeout=120)

    assert json.loads(out)["is_whole"] is False
    assert attack.returncode == 1


def test_contacts_are_null_where_nothing_can_be_traced() -> None:
    assert json.loads(Tally(is_traced=False).to_json())["connections_outside"] is None


def test_no_case_at_all_is_not_clean() -> None:
    assert not Tally().is_clean
