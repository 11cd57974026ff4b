"""Order of a dataset's candidates: feasible ones first, then by utility, then by the tie rule."""

from __future__ import annotations

import numpy as np

from rightfit.ranking.applications.tie_rules import UTILITY
from rightfit.ranking.applications.utility import Bools, Floats, Ints
from rightfit.ranking.assessment.assessment import Assessment, tie_preference


def fold_feasibility(utility: Floats, feasible: Bools) -> Floats:
    """Fold feasibility and utility into one number that is higher for the better candidate.

    >>> utility = np.array([0.2, 0.9, np.nan])
    >>> fold_feasibility(utility, np.array([True, False, False])).tolist()
    [0.2, -1.1, -4.0]
    """
    folded = np.where(feasible, utility, utility - 2.0)
    return np.where(np.isnan(folded), -4.0, folded)


def order_candidates(assessment: Assessment) -> Ints:
    """Order candidates within their datasets, best first.

    Between exactly equal candidates the tie rule decides, and last family and name.

    Returns:
        Candidate numbers, shape (n_candidates,): dataset after dataset, best first.
    """
    level = fold_feasibility(assessment.utility, assessment.feasible)
    parts = [
        part.start + np.argsort(-level[part])  # equal ones are settled next
        for part in assessment.table.candidate_slices
    ]
    return _break_equal(assessment, np.concatenate(parts), level)


def promote_by_rule(assessment: Assessment, order: Ints, rank_low: Ints) -> Ints:
    """Put the candidate that the tie rule prefers first among those tied with the best.

    That is the kept winner of an earlier ranking, where there is one. Else tied are the feasible
    candidates that no other significantly beats and whose utility is within ``max_utility_loss`` of
    the highest. The others keep their order.

    Returns:
        The new order.
    """
    promoted = order.copy()
    for position, part in enumerate(assessment.table.candidate_slices):
        places = order[part]
        allowed = assessment.feasible[places] & (rank_low[places] == 1)
        if position in assessment.kept:
            (winner,) = np.flatnonzero(places == assessment.kept[position].candidate)
        else:
            (winner,) = choose_winners(
                assessment, places, assessment.utility[None, places], allowed
            )
        if winner > 0:
            promoted[part] = [places[winner], *np.delete(places, winner)]
    return promoted


def choose_winners(
    assessment: Assessment, candidates: Ints, utility: Floats, allowed: Bools
) -> Ints:
    """Choose the winner among candidates by the tie rule, once for each of several measurements.

    Args:
        assessment: The candidates.
        candidates: Numbers of those of one dataset.
        utility: As measured, shape (n_measurements, n_candidates).
        allowed: Feasible and not significantly beaten, of a shape that goes with ``utility``.

    Returns:
        Positions in ``candidates``, of equal ones the first; -1 where none is allowed.
    """
    reached = np.where(allowed, utility, -np.inf)
    least = reached.max(axis=1, keepdims=True) - assessment.rules.ties.max_utility_loss
    tied = allowed & (utility >= least)
    for key in assessment.tie_rule:
        preference = (
            utility * (1 if key.prefer == "higher" else -1)
            if key.by == UTILITY
            else tie_preference(assessment.table, key, assessment.chosen[candidates])
        )
        among = np.where(tied, preference, -np.inf)
        tied &= among == among.max(axis=1, keepdims=True)
    return np.where(tied.any(axis=1), tied.argmax(axis=1), -1)


def number_places(assessment: Assessment, order: Ints) -> Ints:
    """Number an order from 1 in each dataset; return ranks by candidate number."""
    ranks = np.empty(len(order), dtype=np.int64)
    for part in assessment.table.candidate_slices:
        ranks[order[part]] = np.arange(1, part.stop - part.start + 1)
    return ranks


def _break_equal(assessment: Assessment, order: Ints, level: Floats) -> Ints:
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(level[order]) != 0) | (
        np.diff(assessment.table.dataset_of_candidate[order]) != 0
    )
    run = np.cumsum(new)
    tied = np.flatnonzero(np.bincount(run)[run] > 1)
    if not len(tied):
        return order
    candidates = order[tied]
    rows = assessment.chosen[candidates]
    keys = [
        -tie_preference(assessment.table, k, rows) for k in assessment.tie_rule if k.by != UTILITY
    ]
    settled = order.copy()
    settled[tied] = candidates[np.lexsort((candidates, *reversed(keys), run[tied]))]
    return settled
