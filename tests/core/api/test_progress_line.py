"""No call of the public API is silent in a terminal or a notebook."""

from __future__ import annotations

import io
import itertools
import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import rightfit as rf
from rightfit._core.progress import WAITING, Progress, report_progress, report_trials
from rightfit.api import progress_line
from rightfit.api.progress_line import ProgressLine, showing_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_line_counts_trials_of_all_cells_and_the_time_of_a_wait() -> None:
    clock, texts = Clock(), list[str]()
    line = ProgressLine(texts.append, clock_s=clock)

    line.note(Progress("searching"))
    clock.now_s = 5.0
    line.note(Progress("searching", "data.forest", 3))
    clock.now_s = 6.0
    line.note(Progress("searching", "data.linear", 9))
    clock.now_s = 60.0
    line.note(Progress(WAITING, "process 7, python train.py"))
    clock.now_s = 68.0
    line.note(Progress(WAITING, "process 7, python train.py"))

    assert texts == [
        "rightfit 0 s: searching",
        "rightfit 5 s: searching, trials: forest 3",
        "rightfit 6 s: searching, trials: forest 3, linear 9",
        "rightfit 1 min 00 s: waits for process 7, python train.py",
        "rightfit 1 min 08 s: waited 8 s, waits for process 7, python train.py",
    ]


def test_line_adds_up_all_waits_of_a_call_and_keeps_the_profiles() -> None:
    clock, texts = Clock(), list[str]()
    line = ProgressLine(texts.append, clock_s=clock)
    steps = [Progress("measuring", "forest", 1, 10), Progress(WAITING, "process 7, kedro run")]

    for at_s, step in zip((0.0, 10.0, 20.0, 30.0), steps * 2, strict=True):
        clock.now_s = at_s
        line.note(step)
    clock.now_s = 35.0
    line.show()

    assert texts[-3:] == [
        "rightfit 20 s: waited 10 s, measuring, 1 of 10 profiles: forest",
        "rightfit 30 s: 1 of 10 profiles, waited 10 s, waits for process 7, kedro run",
        "rightfit 35 s: 1 of 10 profiles, waited 15 s, waits for process 7, kedro run",
    ]


@pytest.mark.parametrize("stage", ["preparing", "searching", "measuring", WAITING])
def test_line_is_never_silent_for_five_seconds(stage: str) -> None:
    clock, drawn_s = Clock(), list[float]()
    line = ProgressLine(lambda _: drawn_s.append(clock.now_s), clock_s=clock)

    line.note(Progress(stage, "forest"))
    for tick in range(1, 61):
        clock.now_s = tick * progress_line.TICK_S
        line.tick()

    assert max(b - a for a, b in itertools.pairwise([*drawn_s, clock.now_s])) < 5


def test_clock_does_not_redraw_the_line_between_the_steps_of_a_measurement() -> None:
    clock, texts = Clock(), list[str]()
    line = ProgressLine(texts.append, clock_s=clock)

    for tick in range(10):
        clock.now_s = tick * progress_line.TICK_S
        line.note(Progress("measuring", "forest"))
        clock.now_s += 0.5
        line.tick()

    assert len(texts) == 10


def test_line_passes_time_though_nothing_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(progress_line, "TICK_S", 0.01)
    with showing_progress():
        report_progress("searching")
        n_drawn = terminal.getvalue().count("searching")
        give_up_s = time.monotonic() + 60.0
        while terminal.getvalue().count("searching") == n_drawn and time.monotonic() < give_up_s:
            time.sleep(0.01)
        n_ticked = terminal.getvalue().count("searching")

    assert n_ticked > n_drawn


@pytest.mark.parametrize(
    ("verbose", "is_terminal", "is_shown"),
    [
        (None, True, True),
        (None, False, False),
        (1, False, True),
        (0, True, False),
    ],
)
def test_progress_is_shown_where_somebody_looks_or_asks(
    verbose: bool | None, is_terminal: bool, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)

    with showing_progress(verbose):
        report_trials("data.forest", 3, None)

    assert ("searching" in stream.getvalue()) is is_shown


def test_a_display_around_a_call_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with showing_progress(verbose=False):
        pass
    with showing_progress():
        before = len(terminal.getvalue())
        with showing_progress(verbose=True):
            pass
        after = len(terminal.getvalue())

    assert before == after


def test_notebook_gets_one_output_that_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []

    def update(data: dict[str, str], *, raw: bool) -> None:
        texts.append(data["text/plain"])

    ipython: Any = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=None),
        display=SimpleNamespace(display=lambda *_, **__: SimpleNamespace(update=update)),
    )
    monkeypatch.setitem(sys.modules, "IPython", ipython)

    with showing_progress():
        report_progress("measuring", "forest", 1, 2)

    assert texts[-2:] == ["rightfit 0 s: measuring, 1 of 2 profiles: forest", ""]


@pytest.mark.whole
@pytest.mark.long
def test_measure_reports_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    steps: list[rf.Progress] = []

    rf.measure(lambda rows: rows[:, 0], np.zeros((100, 3)), on_progress=steps.append)

    assert {"measuring"} <= {step.stage for step in steps}
    assert "s: measuring" in terminal.getvalue()
