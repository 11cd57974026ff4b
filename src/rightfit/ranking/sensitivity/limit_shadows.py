"""Limit shadows: what loosening or tightening one limit changes.

Table ``limit_shadows``: two rows per application, dataset and limit, ``direction`` being
``loosened`` or ``tightened``: ``metric``, ``kind``, ``limit`` and ``changed_limit`` as in the YAML,
``n_feasible`` and ``n_feasible_changed`` candidates, ``winner`` and ``winner_changed`` (candidates;
null: none qualifies), ``utility`` and ``utility_changed`` of the winners, and ``flips``: whether
the winner changes. Limits on counts, of which a percentage makes no sense, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from rightfit.profiling.metrics import METRICS
from rightfit.ranking.applications.applications import Application, Constraint, LimitKind
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.rank_candidates import Ranked, change_limits, find_winners
from rightfit.typed_tables import write_rows

Direction = Literal["loosened", "tightened"]
DIRECTIONS: tuple[Direction, ...] = ("loosened", "tightened")
COUNTS = ("n_threads", *(metric.column for metric in METRICS if metric.is_count))


@dataclass(frozen=True)
class LimitShadow:
    """A row of the table ``limit_shadows``; see the module."""

    application: str
    dataset: str
    metric: str
    kind: LimitKind
    direction: Direction
    limit: float
    changed_limit: float
    n_feasible: int
    n_feasible_changed: int
    winner: str | None
    winner_changed: str | None
    utility: float | None
    utility_changed: float | None
    flips: bool


@dataclass(frozen=True)
class _First:
    """First candidate of a dataset; no name and utility if it is not feasible."""

    n_feasible: int
    winner: str | None
    utility: float | None


def tabulate_limit_shadows(ranked: list[Ranked]) -> pl.DataFrame:
    """Loosen and tighten every limit a little, and find the winners."""
    rows = [row for one in ranked for row in _find_shadows(one.contest)]
    return write_rows(rows, LimitShadow)


def change_limit(
    value: float, kind: LimitKind, *, direction: Direction, change_pct: float
) -> float:
    """Loosen or tighten a limit by a percentage of its size.

    >>> change_limit(20.0, "min", direction="loosened", change_pct=10)
    18.0
    """
    raises = (direction == "tightened") == (kind == "min")
    return value + (1 if raises else -1) * abs(value) * change_pct / 100


def _find_shadows(contest: Contest) -> Iterator[LimitShadow]:
    before = _find_first(contest, find_winners(contest))
    pct = contest.rules.limit_change_pct
    for metric, kind, limit, direction in _list_changes(contest.application):
        changed = change_limit(limit, kind, direction=direction, change_pct=pct)
        constraints = _replace_limit(contest.application, metric, kind, changed)
        after = _find_first(*change_limits(contest, constraints))
        for dataset, old, new in zip(contest.table.datasets, before, after, strict=True):
            yield LimitShadow(
                application=contest.name,
                dataset=dataset,
                metric=metric,
                kind=kind,
                direction=direction,
                limit=limit,
                changed_limit=changed,
                n_feasible=old.n_feasible,
                n_feasible_changed=new.n_feasible,
                winner=old.winner,
                winner_changed=new.winner,
                utility=old.utility,
                utility_changed=new.utility,
                flips=old.winner != new.winner,
            )


def _list_changes(application: Application) -> Iterator[tuple[str, LimitKind, float, Direction]]:
    for metric, constraint in application.constraints.items():
        for kind, limit in constraint.limits().items() if metric not in COUNTS else ():
            for direction in DIRECTIONS:
                yield metric, kind, limit, direction


def _find_first(contest: Contest, winners: list[int | None]) -> list[_First]:
    names = contest.table.frame["candidate"]
    return [
        _First(
            n_feasible=int(contest.feasible[part].sum()),
            winner=None if row is None else names[row],
            utility=None if row is None else float(contest.judgement.utility[row]),
        )
        for part, row in zip(contest.table.candidate_slices, winners, strict=True)
    ]


def _replace_limit(
    application: Application, metric: str, kind: LimitKind, value: float
) -> dict[str, Constraint]:
    constraint = application.constraints[metric].model_copy(update={kind: value})
    return {**application.constraints, metric: constraint}
