"""A process that works on a search, as the run that gives it cores sees it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rightfit.tuning.parallel.agenda import SearchTask
from rightfit.tuning.parallel.messages import Channel

State = Literal["trains", "awaits core", "rests"]


@dataclass
class CrewMember:
    """A process that works on a search.

    Args:
        task: What it works on.
        channel: To it.
        state: What it does, see :meth:`enter`.
        since_s: Since when, on the monotonic clock.
        trained_s: For how long it had a core before that.
    """

    task: SearchTask
    channel: Channel
    state: State = "trains"
    since_s: float = field(default_factory=time.monotonic)
    trained_s: float = 0.0

    def enter(self, state: State) -> None:
        """Note what it does from now on."""
        now_s = time.monotonic()
        if self.state == "trains":
            self.trained_s += now_s - self.since_s
        self.state, self.since_s = state, now_s


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
