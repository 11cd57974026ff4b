"""Near misses: where no candidate qualifies, who comes nearest and which limits are in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightfit.ranking.applications.constraints import Limit, measure_excess
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.ranked import Ranked


@dataclass(frozen=True)
class Relaxation:
    """A limit to relax so that a certain profile qualifies.

    Args:
        metric: Limited metric.
        kind: As written in the YAML.
        limit: The limit as written in the YAML.
        needed: The limit, in the same terms, that the profile would meet.
        excess: The difference, in the metric's unit.
    """

    metric: str
    kind: str
    limit: float
    needed: float
    excess: float


def find_nearest_miss(ranked: Ranked, dataset: int) -> int | None:
    """Find the candidate that breaks its limits by the least share of them in sum.

    Returns:
        Its number; ``None`` if every candidate lacks a metric the application needs.
    """
    contest = ranked.contest
    places = ranked.order[contest.table.candidate_slices[dataset]]
    excess = np.where(
        np.isnan(contest.utility[places]), np.inf, contest.judgement.excess[contest.chosen[places]]
    )
    return int(places[excess.argmin()]) if np.isfinite(excess).any() else None


def find_relaxations(contest: Contest, dataset: int) -> tuple[int, list[Relaxation]] | None:
    """Find the fewest limits whose relaxing lets some profile of a dataset qualify.

    Of several equally small sets, the one that is broken by the least.

    Returns:
        The row of the profile that would qualify, and what to relax; ``None`` if every profile
        lacks a metric the application needs.
    """
    table, judgement = contest.table, contest.judgement
    judgeable = np.isfinite(judgement.excess) & ~np.isnan(judgement.utility)
    rows = np.flatnonzero(judgeable & (table.dataset_of_row == dataset))
    if not len(rows):
        return None
    limits = [limit.at(rows) for limit in contest.limits]
    excess = np.array([measure_excess(table.values(one.metric)[rows], one) for one in limits])
    nearest = int(np.lexsort((judgement.excess[rows], (excess > 0).sum(axis=0)))[0])
    broken = np.flatnonzero(excess[:, nearest] > 0)
    return int(rows[nearest]), [
        _relax(contest, limits[position], float(excess[position, nearest])) for position in broken
    ]


def _relax(contest: Contest, limit: Limit, excess: float) -> Relaxation:
    written = contest.application.constraints[limit.metric].limits()[limit.kind]
    needed = written - excess if limit.kind == "min" else written + excess
    return Relaxation(limit.metric, limit.kind, written, needed, excess)
