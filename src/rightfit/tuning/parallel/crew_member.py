"""A process that works on a search, as the run that gives it cores and timings sees it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rightfit.families.registry import get_family
from rightfit.families.runtimes import NATIVE
from rightfit.profiling.measuring.worker_pool import WorkerKind
from rightfit.tuning.parallel.agenda import SearchTask
from rightfit.tuning.parallel.messages import AwaitsTiming, Channel
from rightfit.tuning.steering.demand import Demand

State = Literal["trains", "awaits core", "awaits timing", "rests"]


@dataclass
class CrewMember:
    """A process that works on a search.

    Args:
        task: What it works on.
        channel: To it.
        stops_file: Where it reads for how long it was stopped.
        pid: Its process id, and that of its process group; ``None`` before it has said so.
        state: What it does, see :meth:`enter`.
        since_s: Since when, on the monotonic clock.
        trained_s: For how long it had a core before that.
        wish: The measurement it waits for.
        stopped_ns: For how long it was stopped.
    """

    task: SearchTask
    channel: Channel
    stops_file: Path
    pid: int | None = None
    state: State = "trains"
    since_s: float = field(default_factory=time.monotonic)
    trained_s: float = 0.0
    wish: AwaitsTiming | None = None
    stopped_ns: int = 0

    @property
    def demand(self) -> Demand:
        """What is asked of a search whose models are measured."""
        demand = self.task.search.settings.demand
        assert demand is not None  # noqa: S101 - it asks for timings
        return demand

    @property
    def measuring_kind(self) -> WorkerKind:
        """Kind of process that measures what it waits for."""
        assert self.wish is not None  # noqa: S101 - it waits
        serving = self.wish.serving
        imports: tuple[str, ...] = ("onnxruntime",)
        if serving.runtime == NATIVE:
            imports = get_family(self.task.search.cell.family).native_imports
        return WorkerKind(imports, serving.n_threads)

    def enter(self, state: State) -> None:
        """Note what it does from now on."""
        now_s = time.monotonic()
        if self.state == "trains":
            self.trained_s += now_s - self.since_s
        self.state, self.since_s = state, now_s

    def signal(self, number: int) -> None:
        """Signal it and all that it has started."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def choose_to_train(members: Sequence[CrewMember], n_at_once: int) -> list[CrewMember]:
    """Return who gets a core: of those that wait for one, those that have trained least.

    So searches of equal budgets are over at about the same time, and none trains at the end alone.

    Args:
        members: All that work.
        n_at_once: How many may train at the same time.
    """
    n_free = n_at_once - sum(one.state == "trains" for one in members)
    waiting = [one for one in members if one.state == "awaits core"]
    return sorted(waiting, key=lambda one: one.trained_s)[: max(0, n_free)]
