"""Contenders: the profiles of a dataset that can win under some weighting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightfit.ranking.applications.utility import Floats, Ints, score_metrics
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.contest.pareto import find_pareto_front

_LEAST_SCORE = float(np.finfo(np.float64).tiny)  # stands for 0 in logarithms


@dataclass(frozen=True)
class Contenders:
    """Feasible profiles of one dataset that no other dominates in the scores.

    Args:
        worth: What is summed with the weights: the scores, or their logarithms where the
            application multiplies them; shape (n_objectives, n_profiles).
        candidate: Candidate number of each profile, ascending, shape (n_profiles,).
    """

    worth: Floats
    candidate: Ints


def find_contenders(contest: Contest, dataset: int) -> Contenders:
    """Find a dataset's contenders, with every serving configuration."""
    table = contest.table
    rows = np.flatnonzero(contest.judgement.feasible & (table.dataset_of_row == dataset))
    metrics = contest.application.weighted()
    values = {name: table.values(name)[rows] for name in metrics}
    scores = np.array(score_metrics(values, contest.application))
    utility = contest.judgement.utility[rows]
    best = utility.max(initial=0.0)  # kept even if dominated by less than the utility's rounding
    kept = find_pareto_front(scores.T) | (utility == best)
    worth = scores[:, kept]
    if contest.application.aggregation == "geometric":
        worth = np.log(np.maximum(worth, _LEAST_SCORE))
    return Contenders(worth, np.searchsorted(table.starts, rows[kept], side="right") - 1)
