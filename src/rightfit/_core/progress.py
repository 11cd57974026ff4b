"""How far a call is: the working code reports it, and a display or a callback listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

REPEAT_S = 1.0
WAITING = "waiting for another measurement on this machine"
WHAT_IS_COUNTED = {"labelling": "rows", "searching": "trials", "measuring": "profiles"}


@dataclass(frozen=True)
class Progress:
    """A step of a call.

    Args:
        stage: ``preparing``, ``labelling``, ``searching``, ``forecasting``, ``training on more
            rows``, ``exporting``, ``measuring``, ``refitting``, or ``waiting for another
            measurement on this machine``.
        subject: Cell, candidate, or the process that is waited for; may be empty.
        n_done: Rows labelled, trials begun or profiles finished; ``None``: they are not counted.
        n_all: The number at which the stage ends; ``None``: it ends otherwise.

    >>> print(Progress("measuring", "forest (onnx ×1)", 3, 12))
    measuring, 3 of 12 profiles: forest (onnx ×1)
    >>> print(Progress("searching", "data.forest", 7))
    searching, 7 trials: data.forest
    """

    stage: str
    subject: str = ""
    n_done: int | None = None
    n_all: int | None = None

    def __str__(self) -> str:
        counted = ""
        if self.n_done is not None:
            of_all = "" if self.n_all is None else f" of {self.n_all}"
            counted = f", {self.n_done}{of_all} {WHAT_IS_COUNTED.get(self.stage, '')}".rstrip()
        subject = f": {self.subject}" if self.subject else ""
        return f"{self.stage}{counted}{subject}"


Listener = Callable[[Progress], None]

# Of a context, as two threads may each have a call under way.
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())
_step: ContextVar[Progress] = ContextVar("step")  # the last one
_told_s: ContextVar[float] = ContextVar("told_s", default=0.0)  # when listeners heard it


@contextmanager
def listening(*listeners: Listener) -> Iterator[None]:
    """Call the listeners with each step that is reported while the block runs."""
    token = _listeners.set((*_listeners.get(), *listeners))
    try:
        yield
    finally:
        _listeners.reset(token)


def is_listened() -> bool:
    """Tell whether anybody listens."""
    return bool(_listeners.get())


def report_progress(
    stage: str, subject: str = "", n_done: int | None = None, n_all: int | None = None
) -> None:
    """Report a step, see :class:`Progress`."""
    step = Progress(stage, subject, n_done, n_all)
    _step.set(step)
    _tell(step)


def repeat_progress() -> None:
    """Report the last step again if a second has passed: it shows that time passes."""
    step = _step.get(None)
    if step is not None and time.monotonic() - _told_s.get() >= REPEAT_S:
        _tell(step)


@contextmanager
def waiting() -> Iterator[Callable[[str], None]]:
    """Give a function that reports whom the call waits for; report the earlier step again after it.

    Without a call of that function nothing is reported.
    """
    has_waited = False

    def report(subject: str) -> None:
        nonlocal has_waited
        has_waited = True
        _tell(Progress(WAITING, subject))

    try:
        yield report
    finally:
        if has_waited:
            _tell(_step.get(Progress("preparing")))


def _tell(step: Progress) -> None:
    _told_s.set(time.monotonic())
    for listener in _listeners.get():
        listener(step)


def report_trials(cell: str, n_begun: int, n_trials: int | None) -> None:
    """Report the trials of a cell's search."""
    report_progress("searching", cell, n_begun, n_trials)
