"""What a terminal shows of a run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rightfit._core.progress import WAITING, Progress, report_trials
from rightfit_kedro.progress import RunDisplay, RunStep

pytestmark = pytest.mark.whole

STEPS = (
    RunStep("data_engineering", "landsat"),
    RunStep("training", "landsat.forest"),
    RunStep("training", "landsat.net"),
    RunStep("evaluation", "landsat"),
    RunStep("evaluation", "flights"),
    RunStep("evaluation", ""),
    RunStep("ranking", ""),
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def display(clock: Clock) -> RunDisplay:
    return RunDisplay(STEPS, clock_s=clock)


def read(display: RunDisplay, n_lines: int = 40) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    console.print(display.render(n_lines))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def carry_out(display: RunDisplay, clock: Clock, step: RunStep, seconds: float) -> None:
    display.begin(step)
    clock.now_s += seconds
    display.end(step)


def test_display_shows_stages_of_cells_trials_and_what_is_done_now(
    display: RunDisplay, clock: Clock
) -> None:
    carry_out(display, clock, STEPS[0], 5)
    before = read(display)[-1]
    display.begin(STEPS[1])
    display.expect_search(60)
    clock.now_s += 20
    display.note(Progress("searching", "landsat.forest", 12))
    display.note(Progress("searching", "landsat.net", 3, 16))

    assert before == "5 s; time left is not known yet"
    assert read(display) == [
        "cell prepared searched measured",
        "landsat.forest done 12 trials -",
        "landsat.net done 3 of 16 trials -",
        "flights done done -",  # its searches are over
        "0 of 3 cells done",
        "25 s; now searching all cells; at least 40 s left",  # nothing is measured yet
    ]


def test_time_left_is_that_of_the_finished_steps_of_each_stage(
    display: RunDisplay, clock: Clock
) -> None:
    for step, seconds in zip(STEPS[:4], (5, 1, 1, 30), strict=True):
        carry_out(display, clock, step, seconds)
    display.begin(STEPS[4])

    assert display.estimate_left_s() == (30, True)
    assert read(display)[1:] == [
        "flights done done now",
        "2 of 3 cells done",
        "37 s; now measuring flights; about 30 s left",
    ]


def test_budget_of_running_searches_is_the_least_time_left(clock: Clock) -> None:
    training = RunDisplay([RunStep("training", "landsat.forest")], clock_s=clock)

    training.expect_search(60)
    searching = training.estimate_left_s()
    training.expect_search(None)

    assert searching == (60, False)


def test_cells_beyond_the_height_of_the_terminal_wait(display: RunDisplay) -> None:
    shown = [line.partition(" ")[0] for line in read(display, n_lines=7)]

    assert shown == ["cell", "landsat.forest", "0", "0"]


def test_display_names_what_is_measured_and_counts_up_what_it_waits_for(
    display: RunDisplay, clock: Clock
) -> None:
    display.begin(STEPS[3])
    display.note(Progress("measuring", "forest-003 onnx", 3, 12))
    measuring = read(display)[-1]
    display.note(Progress(WAITING, "process 7, python train.py"))
    clock.now_s += 8
    display.note(Progress(WAITING, "process 7, python train.py"))

    assert "; now measuring landsat: forest-003 onnx, 3 of 12 profiles;" in measuring
    waiting = "; waiting for another measurement on this machine: process 7, python train.py (8 s);"
    assert waiting in " ".join(read(display))


def test_progress_reaches_the_display_that_is_shown_and_nobody_else(display: RunDisplay) -> None:
    with display.shown(Console(file=io.StringIO(), force_terminal=True)):
        report_trials("landsat.net", 1, None)
    report_trials("landsat.net", 2, None)

    assert "landsat.net - 1 trial -" in read(display)
