"""The display of a run in a terminal: cells and stages, trials, the present step, the time left.

It is drawn when something happens and by no clock, so that it takes no turn from a timing.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from rightfit._core.formatting import count, format_seconds
from rightfit._core.progress import WAITING, Progress, listening

# Stages with a column of their own; what the others take does not count for the time left.
COLUMNS = {"data_engineering": "prepared", "training": "searched", "evaluation": "measured"}
NOW = {
    "data_engineering": "preparing",
    "training": "searching",
    "evaluation": "measuring",
    "http_load": "loading winners' servers",
}
SLOW = ("training", "evaluation", "http_load")  # but for what collects their results
LEAST_S = 0.25  # between two drawings for trials
N_OTHER_LINES = 6  # of the display, beside cells


class RunStep(NamedTuple):
    """A node of the run: its stage, and its dataset, its cell or nothing."""

    stage: str
    place: str

    @property
    def is_slow(self) -> bool:
        """Whether it may take more than seconds."""
        if self.stage == "training":
            return "." in self.place
        return self.stage in SLOW and bool(self.place or self.stage != "evaluation")


class RunDisplay:
    """The display of one run.

    Args:
        steps: All that will run.
        clock_s: Monotonic clock.
    """

    def __init__(self, steps: Sequence[RunStep], clock_s: Callable[[], float] = time.monotonic):
        self._clock_s = clock_s
        self._all, self._done = Counter(steps), Counter[RunStep]()
        self._took_s: dict[str, list[float]] = {}
        self._trials: dict[str, str] = {}
        self._now: RunStep | None = None
        self._last = Progress("")
        self._waits_since_s = 0.0
        self._started_s = self._begun_s = self._drawn_s = clock_s()
        self._search_ends_s: float | None = None
        self._draw: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def shown(self, console: Console) -> Iterator[None]:
        """Show it in a terminal while the block runs; the log scrolls above it."""
        live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # a log in a file stays there
            get_renderable=lambda: self.render(console.height),
        )
        with live, listening(self.note):
            self._draw = live.refresh
            yield

    def begin(self, step: RunStep) -> None:
        """Note that a step begins."""
        self._now, self._last, self._begun_s = step, Progress(""), self._clock_s()
        self._draw()

    def end(self, step: RunStep) -> None:
        """Note that a step is over."""
        self._done[step] += 1
        if step.is_slow:
            self._took_s.setdefault(step.stage, []).append(self._clock_s() - self._begun_s)
        self._now = None
        self._draw()

    def expect_search(self, wall_s: float | None) -> None:
        """Note how long training in the searches may take; ``None``: they are over."""
        self._begun_s = self._clock_s()
        self._search_ends_s = None if wall_s is None else self._begun_s + wall_s

    def note(self, progress: Progress) -> None:
        """Note the trials of a search, what is measured, or what is waited for."""
        if progress.stage == WAITING and self._last.stage != WAITING:
            self._waits_since_s = self._clock_s()
        self._last = progress
        if progress.stage == "searching" and progress.n_done is not None:
            n_all = f" of {progress.n_all}" if progress.n_all else ""
            self._trials[progress.subject] = f"{progress.n_done}{n_all}"
        if self._clock_s() - self._drawn_s >= LEAST_S:
            self._drawn_s = self._clock_s()
            self._draw()

    def estimate_left_s(self) -> tuple[float, bool]:
        """Return the seconds left, and whether all slow stages are in them.

        A stage takes as long a step as its finished steps took; of one without any nothing is
        known. Of searches that run their budgets are, which leave out starting workers, final
        trainings and exports.
        """
        left_s, is_whole = 0.0, self._search_ends_s is None
        if self._search_ends_s is not None:
            left_s = max(0.0, self._search_ends_s - self._clock_s())
        for step, n_left in (self._all - self._done).items():
            took_s = self._took_s.get(step.stage)
            if step.is_slow and took_s:
                left_s += n_left * sum(took_s) / len(took_s)
            elif step.is_slow:
                is_whole = False
        return left_s, is_whole

    def render(self, n_lines: int) -> RenderableType:
        """Return a line per unfinished cell, as far as there is room, and what is done now."""
        cells = list(dict.fromkeys(step.place for step in self._all if "." in step.place))
        searched = {cell.partition(".")[0] for cell in cells}
        cells += dict.fromkeys(
            step.place for step in self._all if step.place and step.place not in {*cells, *searched}
        )
        open_cells = [
            cell for cell in cells if {self._mark(stage, cell) for stage in COLUMNS} != {"done"}
        ]
        table = Table("cell", *COLUMNS.values(), box=None, pad_edge=False)
        for cell in open_cells[: max(1, n_lines - N_OTHER_LINES)]:
            table.add_row(cell, *(self._mark(stage, cell) for stage in COLUMNS))
        passed = format_seconds(self._clock_s() - self._started_s)
        left_s, is_whole = self.estimate_left_s()
        if is_whole or left_s >= 1:
            time_left = f"{'about' if is_whole else 'at least'} {format_seconds(left_s)} left"
        else:
            time_left = "time left is not known yet"
        now = ""
        if self._now is not None:
            is_all = self._search_ends_s is not None
            label = "all cells" if is_all else self._now.place
            last = self._last
            if last.stage == "searching" and last.subject not in ("", label) and not is_all:
                label = f"{last.subject} ({self._trials[last.subject]})"
            elif last.stage == "measuring":
                label = f"{label}: {last.subject}, {last.n_done} of {last.n_all} profiles"
            activity = NOW.get(self._now.stage, self._now.stage.replace("_", " "))
            now = f"; now {activity} {label}".rstrip()
            if last.stage == WAITING:
                waited_s = self._clock_s() - self._waits_since_s
                now = f"; {last} ({format_seconds(waited_s)})"
        progress = f"{len(cells) - len(open_cells)} of {count(len(cells), 'cell')} done"
        return Group(table, progress, f"{passed}{now}; {time_left}")

    def _mark(self, stage: str, cell: str) -> str:
        label = cell if stage == "training" else cell.partition(".")[0]
        steps = [step for step in self._all if step == (stage, label)]
        if not steps or all(self._done[step] == self._all[step] for step in steps):
            return "done"
        trials = self._trials.get(cell)
        if stage == "training" and trials:
            return f"{trials} {'trial' if trials == '1' else 'trials'}"
        return "now" if self._now in steps else "-"
