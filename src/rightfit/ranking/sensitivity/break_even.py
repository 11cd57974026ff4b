"""Break-even: after how many predictions a model that is slower to train pays back.

Computing time is what counts: training once, then serving one row after the other. Serving time a
row is 1 / ``throughput_rows_per_s`` for an offline application, else ``latency_p50_ms``.

Table ``break_even``: one row per application, dataset and feasible candidate whose times are known:
``application``, ``dataset``, ``model``, ``candidate``, ``rank``, ``fit_time_s``, ``serve_us`` (a
row, in microseconds), ``fastest_to_train`` (candidate), ``pays_back_after_rows`` against that one
(0 for itself; null: never), and ``cheapest_from_rows`` to ``cheapest_to_rows``, the numbers of
predictions between which its training and serving together take the least time of all (both null:
never; only the second null: from there on).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rightfit._core.typed_tables import write_rows
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.applications.utility import Floats
from rightfit.ranking.sensitivity.weights import walk_envelope

S_PER_MS = 1e-3
US_PER_S = 1e6


@dataclass(frozen=True)
class BreakEven:
    """A row of the table ``break_even``; see the module."""

    application: str
    dataset: str
    model: str
    candidate: str
    rank: int
    fit_time_s: float
    serve_us: float
    fastest_to_train: str
    pays_back_after_rows: float | None
    cheapest_from_rows: float | None
    cheapest_to_rows: float | None


def tabulate_break_even(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Weigh training time against serving time for every application and dataset."""
    rows = [
        row
        for ranking in ranked
        for position in range(len(ranking.assessment.table.datasets))
        for row in _compare(ranking, position)
    ]
    return write_rows(rows, BreakEven)


def pay_back_rows(fit_s: Floats, serve_s: Floats, reference: int) -> Floats:
    """Return after how many predictions each candidate has made up for its longer training.

    Returns:
        Numbers of predictions; 0 where the training is no longer than the reference's, inf where
        the serving is not faster either.

    >>> pay_back_rows(np.array([1.0, 11.0]), np.array([0.2, 0.1]), 0).tolist()
    [0.0, 100.0]
    """
    saved, extra = serve_s[reference] - serve_s, fit_s - fit_s[reference]
    late = np.where(saved > 0, extra / np.where(saved > 0, saved, 1.0), np.inf)
    paid: Floats = np.where(extra <= 0, 0.0, late)
    return paid


def find_cheapest_ranges(fit_s: Floats, serve_s: Floats) -> dict[int, tuple[float, float]]:
    """Return for each candidate that is ever the cheapest from and to how many predictions.

    >>> find_cheapest_ranges(np.array([1.0, 11.0, 12.0]), np.array([0.2, 0.1, 0.3]))
    {0: (0.0, 100.0), 1: (100.0, inf)}
    """
    first = int(np.lexsort((serve_s, fit_s))[0])
    ranges, line, start = {}, first, 0.0
    for distance, following in walk_envelope(-fit_s, -serve_s, first):
        ranges[line] = (start, distance)
        line, start = following, distance
    ranges[line] = (start, np.inf)
    return ranges


def _compare(ranked: ApplicationRanking, dataset: int) -> list[BreakEven]:
    assessment, table = ranked.assessment, ranked.assessment.table
    candidates = ranked.order[table.candidate_slices[dataset]]
    candidates = candidates[assessment.feasible[candidates]]
    rows = assessment.chosen[candidates]
    fit_s = table.values("fit_time_s")[rows]
    if assessment.application.scenario == "offline":
        serve_s = 1.0 / table.values("throughput_rows_per_s")[rows]
    else:
        serve_s = table.values("latency_p50_ms")[rows] * S_PER_MS
    is_known = ~np.isnan(fit_s + serve_s)
    if not is_known.any():
        return []
    candidates, fit_s, serve_s = candidates[is_known], fit_s[is_known], serve_s[is_known]
    fastest = int(np.lexsort((serve_s, fit_s))[0])
    paid = pay_back_rows(fit_s, serve_s, fastest)
    ranges = find_cheapest_ranges(fit_s, serve_s)
    frame = table.frame[assessment.chosen[candidates]]
    return [
        BreakEven(
            application=assessment.name,
            dataset=table.datasets[dataset],
            model=frame["model"][i],
            candidate=frame["candidate"][i],
            rank=int(ranked.rank[candidate]),
            fit_time_s=float(fit_s[i]),
            serve_us=float(serve_s[i]) * US_PER_S,
            fastest_to_train=frame["candidate"][fastest],
            pays_back_after_rows=_finite(paid[i]),
            cheapest_from_rows=_finite(ranges[i][0]) if i in ranges else None,
            cheapest_to_rows=_finite(ranges[i][1]) if i in ranges else None,
        )
        for i, candidate in enumerate(candidates)
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
