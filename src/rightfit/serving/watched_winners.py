"""Winners measured again, and the figures that have left their intervals since."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rightfit.naming import format_metric, metric_name
from rightfit.processes.json_store import JsonStore
from rightfit.ranking.applications.applications import Application, Applications
from rightfit.serving.baseline import Baseline, KeptWinner, compare_baselines

DISTURBED = "other processes took the cores meanwhile: watch again on a quiet machine"
KEY = "latest"
"""Of the latest watch in its store."""


@dataclass(frozen=True)
class WatchedWinner:
    """A winner that was measured again."""

    application: str
    dataset: str
    candidate: str
    is_disturbed: bool
    changes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """All that is to be said, in words."""
        warning = (DISTURBED,) if self.is_disturbed and self.changes else ()
        return (*self.changes, *self.notes, *warning)


@dataclass(frozen=True)
class Watch:
    """All winners of a ranking, measured again."""

    watched_at: str
    ranked_in: str
    winners: tuple[WatchedWinner, ...]

    @property
    def changed(self) -> list[WatchedWinner]:
        """Winners of which something has changed for the worse."""
        return [one for one in self.winners if one.changes]


def load_watch(store: JsonStore) -> Watch | None:
    """Return the latest watch, ``None`` without one."""
    return store.get_record(KEY, Watch)


def compare_winners(
    before: Baseline,
    now: Baseline,
    applications: Applications,
    *,
    margin_pct: float,
    disturbed: Collection[tuple[str, str]] = (),
) -> tuple[WatchedWinner, ...]:
    """Compare the winners' stored figures with those just measured."""
    found = []
    for one in compare_baselines(before, now, margin_pct=margin_pct):
        kept = now.winners[one.application][one.dataset]
        if kept is not None:
            broken = _list_broken(kept, applications.root[one.application])
            found.append(
                WatchedWinner(
                    one.application,
                    one.dataset,
                    kept.candidate,
                    is_disturbed=(one.application, one.dataset) in disturbed,
                    changes=(*one.faults, *broken),
                    notes=one.notes,
                )
            )
    return tuple(found)


def _list_broken(winner: KeptWinner, application: Application) -> list[str]:
    """Describe the limits that a winner's figures break by now."""
    broken = []
    for metric, constraint in application.constraints.items():
        figure, bound = winner.metrics.get(metric), None
        if figure is None:
            continue
        if constraint.max is not None and figure.value > constraint.max:
            bound = constraint.max
        elif constraint.min is not None and figure.value < constraint.min:
            bound = constraint.min
        if bound is not None:
            broken.append(
                f"{metric_name(metric)} is {format_metric(metric, figure.value)}: the limit is "
                f"{format_metric(metric, bound)}"
            )
    return broken
