"""Uncertainty: how far measuring errors reach into utilities.

Metrics come with 95 % intervals. They are carried to the utility one objective at a time and added
in quadrature, each side for itself ("method of variance estimates recovery", Zou and Donner 2008);
errors of different metrics count as independent.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from rightfit.ranking.applications.utility import (
    Floats,
    aggregate_scores,
    place_between_bounds,
)
from rightfit.ranking.assessment.assessment import Assessment

Z_OF_INTERVALS = NormalDist().inv_cdf(0.975)  # the profiles' intervals are 95 % ones


def bound_utilities(assessment: Assessment, confidence_level: float) -> tuple[Floats, Floats]:
    """Carry the metrics' intervals to the utilities of the candidates, at a level of confidence.

    Returns:
        Lower and upper ends within [0, 1], NaN where an objective was not measured; shape
        (n_candidates,) each.
    """
    factor = NormalDist().inv_cdf((1 + confidence_level) / 2) / Z_OF_INTERVALS
    table, application, rows = assessment.table, assessment.application, assessment.chosen
    scores, utility = assessment.scores(rows), assessment.utility
    squared_below, squared_above = np.zeros(len(rows)), np.zeros(len(rows))
    for position, (metric, goal) in enumerate(application.weighted().items()):
        interval = table.interval(metric)
        if interval is None:
            continue
        score = place_between_bounds(table.values(metric)[rows], goal)
        moves = [factor * (place_between_bounds(end[rows], goal) - score) for end in interval]
        worse, better = (
            aggregate_scores(
                [*scores[:position], np.clip(end, 0.0, 1.0), *scores[position + 1 :]],
                application.shares(),
                application.aggregation,
            )
            for end in (score + np.fmin(*moves), score + np.fmax(*moves))
        )
        squared_below += (worse - utility) ** 2
        squared_above += (better - utility) ** 2
    below, above = (np.nan_to_num(np.sqrt(side)) for side in (squared_below, squared_above))
    return np.maximum(utility - below, 0.0), np.minimum(utility + above, 1.0)
