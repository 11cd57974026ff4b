"""Near misses: which candidate comes nearest where none qualifies, and the limits it breaks."""

from __future__ import annotations

import numpy as np

from rightfit.ranking.applications.constraints import Limit, measure_excess
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.explanation.decisions import Relaxation
from rightfit.ranking.rank_candidates import Ranked


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
    """Find the fewest limits to relax so that some profile of a dataset qualifies.

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
    return Relaxation(
        metric=limit.metric, kind=limit.kind, limit=written, needed=needed, excess=excess
    )
