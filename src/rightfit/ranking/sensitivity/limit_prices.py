"""Limit prices: what each limit costs, by who would win without it.

Table ``limit_prices``: one row per application, dataset and limit, and where there are several
limits one for all of them together, its ``metric``, ``kind`` and ``limit`` null. ``winner`` and
``winner_without`` are candidates with their serving configuration (null: none qualifies);
``quality_raw`` (on rows not used for the choice, where there are any), ``throughput_rows_per_s``
and ``value`` (of the limited metric) are the winner's, the same names with ``_without`` those of
the one that would win. ``decides`` tells whether the
winning candidate is another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import THROUGHPUT, Constraint
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.contest.profile_table import SERVING_KEYS
from rightfit.ranking.rank_candidates import Ranked, change_limits, find_winners
from rightfit.typed_tables import write_rows

QUALITY = "quality_raw"


@dataclass(frozen=True)
class LimitPrice:
    """A row of the table ``limit_prices``; see the module."""

    application: str
    dataset: str
    metric: str | None
    kind: str | None
    limit: float | None
    winner: str | None
    winner_without: str | None
    quality_raw: float | None
    quality_raw_without: float | None
    throughput_rows_per_s: float | None
    throughput_rows_per_s_without: float | None
    value: float | None
    value_without: float | None
    decides: bool


def tabulate_limit_prices(ranked: list[Ranked]) -> pl.DataFrame:
    """Take every limit away by itself, then all of them, and find the winners."""
    rows = [price for one in ranked for price in _find_prices(one.contest)]
    return write_rows(rows, LimitPrice)


def _find_prices(contest: Contest) -> Iterator[LimitPrice]:
    before = find_winners(contest)
    constraints = contest.application.constraints
    cases: list[tuple[str | None, str | None, float | None, Mapping[str, Constraint]]] = [
        (metric, kind, limit, _drop(constraints, metric, kind))
        for metric, constraint in constraints.items()
        for kind, limit in constraint.limits().items()
    ]
    if len(cases) > 1:
        cases.append((None, None, None, {}))
    for metric, kind, limit, left in cases:
        after_all, after = change_limits(contest, left)
        for dataset, old, new in zip(contest.table.datasets, before, after, strict=True):
            yield LimitPrice(
                application=contest.name,
                dataset=dataset,
                metric=metric,
                kind=kind,
                limit=limit,
                winner=_write_label(contest, old),
                winner_without=_write_label(after_all, new),
                quality_raw=_read_quality(contest, old),
                quality_raw_without=_read_quality(after_all, new),
                throughput_rows_per_s=_read(contest, THROUGHPUT, old),
                throughput_rows_per_s_without=_read(after_all, THROUGHPUT, new),
                value=_read(contest, metric, old),
                value_without=_read(after_all, metric, new),
                decides=_identify(contest, old) != _identify(after_all, new),
            )


def _drop(constraints: Mapping[str, Constraint], metric: str, kind: str) -> dict[str, Constraint]:
    """Return the constraints without one limit."""
    left = dict(constraints)
    rest = {other: value for other, value in left.pop(metric).limits().items() if other != kind}
    return left | ({metric: Constraint(**rest)} if rest else {})


def _identify(contest: Contest, row: int | None) -> tuple[str, str] | None:
    """Return a candidate's model and name."""
    if row is None:
        return None
    model, candidate = contest.table.frame.select("model", "candidate").row(row)
    return str(model), str(candidate)


def _write_label(contest: Contest, row: int | None) -> str | None:
    found = _identify(contest, row)
    if found is None or row is None:
        return None
    runtime, n_threads, device = contest.table.frame.select(SERVING_KEYS).row(row)
    return f"{found[1]} ({Serving(str(runtime), int(n_threads), str(device)).label})"


def _read_quality(contest: Contest, row: int | None) -> float | None:
    if row is None or QUALITY not in contest.table.frame.columns:
        return None
    value = float(contest.table.seen_quality()[row])
    return None if np.isnan(value) else value


def _read(contest: Contest, metric: str | None, row: int | None) -> float | None:
    if metric is None or row is None or metric not in contest.table.frame.columns:
        return None
    value = float(contest.table.values(metric)[row])
    return None if np.isnan(value) else value
