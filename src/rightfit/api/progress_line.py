"""The line that shows how far a call is: in a terminal, in a notebook, or in a log file."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from rightfit._core.arguments import require_type
from rightfit._core.errors import RightfitError
from rightfit._core.formatting import clean_text, format_seconds
from rightfit._core.kedro_logs import log_as_written
from rightfit._core.progress import WAITING, Listener, Progress, is_listened, listening

TICK_S = 1.0
REDRAW_S = 0.1  # at most this often in place
LONGEST_SILENCE_S = 3.0  # while something is measured; with a tick less than five seconds
LOG_S = 5.0  # between two lines of a file or a pipe


class ProgressLine:
    """The step under way, and how long the call and the step have taken.

    A clock redraws it once a second. While anything is measured steps redraw it, between two
    timings; the clock does so only after three seconds without a step, as one slow call may take.

    Args:
        draw: Shows a text.
        every_s: Seconds between two texts at least; a new stage is shown at once.
        clock_s: Monotonic clock.
    """

    def __init__(
        self,
        draw: Callable[[str], None],
        *,
        every_s: float = REDRAW_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._draw, self._every_s, self._clock_s = draw, every_s, clock_s
        self._start_s = self._stage_s = self._drawn_s = clock_s()
        self._step = Progress("")
        self._counts: dict[str, int] = {}  # trials begun by cell
        self._waited_s = 0.0  # in all waits that are over
        self._measured = ""  # profiles of the call

    def note(self, step: Progress) -> None:
        """Take a step, and show it."""
        is_new = step.stage != self._step.stage
        if is_new:
            self._waited_s = self._count_waited_s()
            self._stage_s = self._clock_s()
        if step.stage == "measuring":
            self._measured = f" {step.n_done} of {step.n_all} profiles,"
        if step.stage == "searching" and step.n_done is not None:
            self._counts[step.subject.rpartition(".")[2]] = step.n_done
        self._step = step
        self.show(at_once=is_new)

    def tick(self) -> None:
        """Show the time that has passed."""
        reports_itself = self._step.stage in ("measuring", WAITING)
        if not reports_itself or self._clock_s() - self._drawn_s >= LONGEST_SILENCE_S:
            self.show()

    def show(self, *, at_once: bool = False) -> None:
        """Draw the line unless it was drawn just now."""
        now_s = self._clock_s()
        if at_once or now_s - self._drawn_s >= self._every_s:
            self._drawn_s = now_s
            self._draw(self.text)

    @property
    def text(self) -> str:
        """The line, such as ``rightfit 12 s: searching, trials: forest 3, linear 9``."""
        step = str(self._step)
        if self._step.stage == "searching" and self._counts:
            counts = ", ".join(f"{cell} {n}" for cell, n in self._counts.items())
            step = f"searching, trials: {counts}"
        passed = format_seconds(self._clock_s() - self._start_s)
        waited_s = self._count_waited_s()
        if self._step.stage == WAITING:  # a narrow terminal cuts the end
            step = f"waits for {self._step.subject}"
        waited = f" waited {format_seconds(waited_s)}," if waited_s >= 1 else ""
        waited = f"{self._measured}{waited}" if self._step.stage == WAITING else waited
        return clean_text(f"rightfit {passed}:{waited} {step}")

    def _count_waited_s(self) -> float:
        """Return the seconds that the call has waited for others, in all."""
        is_waiting = self._step.stage == WAITING
        return self._waited_s + (self._clock_s() - self._stage_s if is_waiting else 0.0)


@contextmanager
def showing_progress(
    verbose: bool | int | None = None, on_progress: Listener | None = None
) -> Iterator[None]:
    """Show how far a call is while the block runs, unless a display around it does.

    Args:
        verbose: ``None``: in a terminal or a notebook; true: in a log file or a pipe too, a line
            every five seconds; false: not at all.
        on_progress: Called with each step too.
    """
    require_type("verbose", verbose, int | None)  # 0 and 1 too
    if on_progress is not None and not callable(on_progress):
        raise RightfitError(f"on_progress must be a function, but got {on_progress!r:.80}.")
    log_as_written()
    with ExitStack() as stack:
        draw = None
        if (verbose is None or verbose) and not is_listened():
            draw, every_s = stack.enter_context(_open_output(bool(verbose)))
        if draw is not None:
            line = ProgressLine(draw, every_s=every_s)
            stack.enter_context(_ticking(line.tick))
            stack.enter_context(listening(line.note))
            line.note(Progress("preparing"))
        if on_progress is not None:
            stack.enter_context(listening(on_progress))
        yield


@contextmanager
def _open_output(is_asked_for: bool) -> Iterator[tuple[Callable[[str], None] | None, float]]:
    """Give a function that shows a text, or ``None``, and the seconds between two texts."""
    console = Console(stderr=True)
    if is_notebook():
        handle = sys.modules["IPython"].display.display(_as_plain(""), raw=True, display_id=True)
        try:
            yield lambda text: handle.update(_as_plain(text), raw=True), REDRAW_S
        finally:
            handle.update(_as_plain(""), raw=True)
    elif console.is_terminal:
        live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # a result in a file stays there
        )

        def draw(text: str) -> None:
            line = Text(text, no_wrap=True, overflow="ellipsis")  # a second would scroll
            live.update(line, refresh=True)

        with live:
            yield draw, REDRAW_S
    elif is_asked_for:
        yield lambda text: print(text, file=sys.stderr, flush=True), LOG_S  # noqa: T201
    else:
        yield None, 0.0


def is_notebook() -> bool:
    """Tell whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _as_plain(text: str) -> dict[str, Any]:
    return {"text/plain": text}


@contextmanager
def _ticking(tick: Callable[[], None]) -> Iterator[None]:
    """Call a function each second while the block runs."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(TICK_S):
            tick()

    # a notebook's output goes to the cell that the context names
    thread = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
