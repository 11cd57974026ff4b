"""Limit effects: what loosening, tightening or removing a limit changes.

Table ``limit_effects``: rows per application, dataset and limit, ``change`` being ``loosened`` or
``tightened`` (by a percentage; not for limits on counts) or ``removed``; with several limits one
row more where all of them are removed, its ``metric``, ``kind`` and ``limit`` null. ``limit`` and
``changed_limit`` (null: removed) are as in the YAML. ``n_feasible``, ``winner`` (candidate; null:
none qualifies) with its ``serving`` configuration, ``utility``, ``quality_raw`` (on rows not used
for the choice, where there are any), ``throughput_rows_per_s`` and ``value`` (of the limited
metric) hold under the limits as they are, the same names with ``_changed`` after the change.
``flips`` tells whether another candidate wins then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from rightfit._core.typed_tables import write_rows
from rightfit.measuring.metrics import METRICS
from rightfit.ranking.application_ranking import (
    ApplicationRanking,
    change_limits,
    find_winning_rows,
)
from rightfit.ranking.applications.applications import (
    THREADS,
    THROUGHPUT,
    Application,
    Constraint,
    LimitKind,
)
from rightfit.ranking.applications.utility import Floats
from rightfit.ranking.assessment.assessment import Assessment

Direction = Literal["loosened", "tightened"]
DIRECTIONS: tuple[Direction, ...] = ("loosened", "tightened")
REMOVED: Literal["removed"] = "removed"
COUNTS = (THREADS, *(metric.column for metric in METRICS if metric.is_count))


@dataclass(frozen=True, kw_only=True)
class LimitEffect:
    """A row of the table ``limit_effects``; see the module."""

    application: str
    dataset: str
    metric: str | None = None
    kind: LimitKind | None = None
    change: Literal["loosened", "tightened", "removed"]
    limit: float | None = None
    changed_limit: float | None = None
    n_feasible: int
    n_feasible_changed: int
    winner: str | None = None
    winner_changed: str | None = None
    serving: str | None = None
    serving_changed: str | None = None
    utility: float | None = None
    utility_changed: float | None = None
    quality_raw: float | None = None
    quality_raw_changed: float | None = None
    throughput_rows_per_s: float | None = None
    throughput_rows_per_s_changed: float | None = None
    value: float | None = None
    value_changed: float | None = None
    flips: bool


def tabulate_limit_effects(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Change every limit by itself, then remove all of them, and find the winners."""
    return write_rows((row for one in ranked for row in list_limit_effects(one)), LimitEffect)


def list_limit_effects(ranking: ApplicationRanking) -> list[LimitEffect]:
    """List the effects of an application's limits, change after change."""
    assessment = ranking.assessment
    before = find_winning_rows(assessment, ranking.order)
    effects = []
    for constraints, columns in _list_changes(
        assessment.application, assessment.rules.limit_change_pct
    ):
        changed, after = change_limits(assessment, constraints)
        for position, dataset in enumerate(assessment.table.datasets):
            metric = columns.get("metric")
            old = _describe(assessment, before[position], position, metric)
            new = _describe(changed, after[position], position, metric)
            effects.append(
                LimitEffect(
                    application=assessment.name,
                    dataset=dataset,
                    flips=old.get("winner") != new.get("winner"),
                    **columns,
                    **old,
                    **{f"{name}_changed": value for name, value in new.items()},
                )
            )
    return effects


def change_limit(
    value: float, kind: LimitKind, *, direction: Direction, change_pct: float
) -> float:
    """Loosen or tighten a limit by a percentage of its size.

    >>> change_limit(20.0, "min", direction="loosened", change_pct=10)
    18.0
    """
    raises = (direction == "tightened") == (kind == "min")
    return value + (1 if raises else -1) * abs(value) * change_pct / 100


def _list_changes(
    application: Application, change_pct: float
) -> Iterator[tuple[dict[str, Constraint], dict[str, Any]]]:
    """Yield the constraints after each change, and the columns of the table that describe it."""
    constraints, limits = application.constraints, application.list_limits()
    for metric, kind, limit in limits:
        columns: dict[str, Any] = {"metric": metric, "kind": kind, "limit": limit}
        for direction in DIRECTIONS if metric not in COUNTS else ():
            moved = change_limit(limit, kind, direction=direction, change_pct=change_pct)
            other = constraints[metric].model_copy(update={kind: moved})
            changed = {"change": direction, "changed_limit": moved}
            yield {**constraints, metric: other}, columns | changed
        rest = {name: value for name, value in constraints.items() if name != metric}
        other_limits = {
            name: value for name, value in constraints[metric].limits().items() if name != kind
        }
        rest |= {metric: Constraint(**other_limits)} if other_limits else {}
        yield rest, columns | {"change": REMOVED}
    if len(limits) > 1:
        yield {}, {"change": REMOVED}


def _describe(
    assessment: Assessment, row: int | None, dataset: int, metric: str | None
) -> dict[str, Any]:
    """Describe a dataset's winner, by the columns of the table without their ending."""
    n_feasible = int(assessment.feasible[assessment.table.candidate_slices[dataset]].sum())
    if row is None:
        return {"n_feasible": n_feasible}
    table, key = assessment.table, assessment.table.read_key(row)

    def read(values: Floats) -> float | None:
        return None if np.isnan(values[row]) else float(values[row])

    return {
        "n_feasible": n_feasible,
        "winner": key.candidate,
        "serving": key.serving.label,
        "utility": float(assessment.judgement.utility[row]),
        "quality_raw": read(table.values("quality_raw")),
        THROUGHPUT: read(table.values(THROUGHPUT)),
        "value": metric and read(table.values(metric)),
    }
