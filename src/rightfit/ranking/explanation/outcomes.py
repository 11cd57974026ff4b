"""Outcomes: what became of each candidate in a contest, and through which metric or rival.

Outcomes are ``winner``; ``unmeasured`` (a metric the application needs is missing); ``violates``
(breaks a limit); ``undecided`` (breaks limits only by timings that other work on the machine
disturbed); ``tied`` (feasible, and none beats it significantly); ``dominated`` (a feasible
rival is at least as good in every objective and better in one); ``outscored`` (all others).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.ranking.applications.constraints import measure_excess, relate_excess
from rightfit.ranking.applications.tie_rules import UTILITY
from rightfit.ranking.applications.utility import Bools, Floats, Ints, score_metrics
from rightfit.ranking.contest.contest import Contest, tie_preference
from rightfit.ranking.contest.pareto import find_dominators
from rightfit.ranking.rank_candidates import Ranked, place_in_objectives

Names = npt.NDArray[np.object_]

NO_RIVAL = -1
KEPT = "kept"  # in place of a tie rule's key


@dataclass(frozen=True)
class Outcomes:
    """What became of each candidate; every array has the shape (n_candidates,).

    Args:
        outcome: One of the words above.
        is_tied: Feasible and, within the measuring errors, best like another feasible candidate.
        rival: Number of the candidate it is tied with, lost to or, for a winner, is ahead of; -1
            for none.
        tie_key: Key of the tie rule that decides against the rival, if tied, or that an earlier
            winner is kept; else empty.
        metric: Metric that is missing, that breaks its limit the most, or on which the most
            utility is lost against the rival (for a winner: gained).
        limit: Bound that is broken, NaN otherwise.
        excess: Amount by which it is broken, in the metric's unit.
    """

    outcome: npt.NDArray[np.str_]
    is_tied: Bools
    rival: Ints
    tie_key: Names
    metric: Names
    limit: Floats
    excess: Floats


def find_outcomes(ranked: Ranked) -> Outcomes:
    """Find what became of each candidate."""
    contest = ranked.contest
    feasible, is_winner = contest.feasible, (ranked.rank == 1) & contest.feasible
    rival, is_tied, is_dominated = _find_rivals(ranked)
    missing = _find_missing(contest)
    broken, limit, excess = _find_broken(contest)
    outcome = np.select(
        [
            *(is_winner, missing != "", contest.undecided[contest.chosen], ~feasible),
            *(is_tied, is_dominated),
        ],
        ["winner", "unmeasured", "undecided", "violates", "tied", "dominated"],
        "outscored",
    )
    has_broken = np.isin(outcome, ("undecided", "violates"))
    decisive = _find_decisive(contest, rival, is_winner=is_winner)
    return Outcomes(
        outcome=outcome,
        is_tied=is_tied,
        rival=rival,
        tie_key=np.where(is_tied, _find_tie_keys(contest, rival), ""),
        metric=np.where(missing != "", missing, np.where(feasible, decisive, broken)),
        limit=np.where(has_broken, limit, np.nan),
        excess=np.where(has_broken, excess, np.nan),
    )


def _find_rivals(ranked: Ranked) -> tuple[Ints, Bools, Bools]:
    """Return each candidate's rival, whether it is tied for the first place, or dominated."""
    n = len(ranked.rank)
    rival: Ints = np.full(n, NO_RIVAL, dtype=np.int64)
    tied, dominated = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    for part in ranked.contest.table.candidate_slices:
        places = ranked.order[part]
        places = places[ranked.contest.feasible[places]]
        if len(places) < 2:
            continue
        possible = ranked.rank_low[places] == 1
        tied[places] = possible & (possible.sum() > 1)
        dominator = find_dominators(
            place_in_objectives(ranked.contest, places), -np.arange(len(places), dtype=float)
        )
        lost = (dominator >= 0) & ~possible
        dominated[places] = lost
        rival[places] = places[np.where(lost, dominator, 0)]
        others = np.flatnonzero(tied[places[1:]])
        rival[places[0]] = places[1 + (others[0] if len(others) else 0)]
    return rival, tied, dominated


def _find_tie_keys(contest: Contest, rival: Ints) -> Names:
    """Name the first key of the tie rule in which each candidate differs from its rival."""
    other = np.maximum(rival, 0)
    deciding: Names = np.full(len(rival), "name", dtype=object)
    for key in reversed(contest.tie_rule):
        if key.by == UTILITY:
            value = contest.utility
        else:
            value = tie_preference(contest.table, key, contest.chosen)
        deciding[value != value[other]] = f"{key.prefer} {key.by}"
    gap = np.abs(contest.utility - contest.utility[other])
    deciding[gap > contest.rules.ties.max_utility_loss] = f"higher {UTILITY}"
    for position in contest.kept:
        deciding[contest.table.candidate_slices[position]] = KEPT
    return deciding


def _find_missing(contest: Contest) -> Names:
    """Name the first unmeasured metric of each candidate that the application needs."""
    missing = np.full(len(contest.chosen), "", dtype=object)
    for metric in reversed(contest.application.needed_metrics()):
        missing[np.isnan(contest.table.values(metric)[contest.chosen])] = metric
    return missing


def _find_broken(contest: Contest) -> tuple[Names, Floats, Floats]:
    """Find the limit each candidate breaks the most: metric, bound and excess."""
    rows, n = contest.chosen, len(contest.chosen)
    metric = np.full(n, "", dtype=object)
    bound, excess, worst = np.full(n, np.nan), np.zeros(n), np.zeros(n)
    for limit in (limit.at(rows) for limit in contest.limits):
        amount = measure_excess(contest.table.values(limit.metric)[rows], limit)
        related = relate_excess(amount, limit)
        more = related > worst
        metric[more] = limit.metric
        bound = np.where(more, limit.bound, bound)
        excess = np.where(more, amount, excess)
        worst = np.where(more, related, worst)
    return metric, bound, excess


def _find_decisive(contest: Contest, rival: Ints, *, is_winner: Bools) -> Names:
    """Name the objective on which a candidate loses (a winner: gains) most against its rival."""
    goals = list(contest.application.weighted())
    rows = contest.chosen
    values = {metric: contest.table.values(metric)[rows] for metric in goals}
    scores = np.array(score_metrics(values, contest.application))
    if contest.application.aggregation == "geometric":
        scores = np.log(np.maximum(scores, np.finfo(np.float64).tiny))
    worth = contest.application.shares()[:, None] * scores
    lost = (worth[:, np.maximum(rival, 0)] - worth) * np.where(is_winner, -1.0, 1.0)
    decisive: Names = np.array(goals, dtype=object)[np.nan_to_num(lost).argmax(axis=0)]
    return decisive
