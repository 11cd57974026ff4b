from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from outcomes import KINDS, Outcome, Tally
from watching import try_all

pytestmark = [pytest.mark.whole, pytest.mark.long]


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
        "cases": 2, "sequences": 1, **dict.fromkeys(KINDS, 0), "clear": 2,
    }  # fmt: skip


def test_contacts_are_null_where_nothing_can_be_traced() -> None:
    assert json.loads(Tally(is_traced=False).to_json())["connections_outside"] is None


def test_no_case_at_all_is_not_clean() -> None:
    assert not Tally().is_clean
