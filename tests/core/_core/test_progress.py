from __future__ import annotations

import pytest

from rightfit._core import progress
from rightfit._core.progress import (
    WAITING,
    Progress,
    listening,
    repeat_progress,
    report_progress,
    waiting,
)


def test_steps_reach_all_that_listen_while_they_do() -> None:
    outer: list[Progress] = []
    inner: list[Progress] = []

    with listening(outer.append):
        with listening(inner.append):
            report_progress("measuring", "forest", 1, 2)
        report_progress("refitting")
    report_progress("searching")

    assert inner == [Progress("measuring", "forest", 1, 2)]
    assert outer == [*inner, Progress("refitting")]


def test_after_a_wait_the_earlier_step_is_reported_again() -> None:
    steps: list[Progress] = []

    with listening(steps.append):
        report_progress("measuring", "forest")
        with waiting():
            pass
        with waiting() as report:
            report("process 7")

    forest = Progress("measuring", "forest")
    assert steps == [forest, Progress(WAITING, "process 7"), forest]


def test_an_error_of_a_listener_ends_the_call() -> None:
    def stop(step: Progress) -> None:
        raise InterruptedError(step.stage)

    with pytest.raises(InterruptedError, match="searching"), listening(stop):
        report_progress("searching")


def test_a_step_is_repeated_once_time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Progress] = []
    with listening(steps.append):
        report_progress("measuring", "forest")
        repeat_progress()
        monkeypatch.setattr(progress, "REPEAT_S", 0.0)
        repeat_progress()

    assert steps == [Progress("measuring", "forest")] * 2
