"""How far the metrics' 95 % intervals reach in utility.

They are carried to the utility one objective at a time and added in quadrature, each side for
itself ("method of variance estimates recovery", Zou and Donner 2008); errors of different metrics
count as independent.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from rightfit.ranking.applications.applications import Application
from rightfit.ranking.applications.utility import (
    Floats,
    Ints,
    aggregate_scores,
    place_between_bounds,
    score_metrics,
)
from rightfit.ranking.assessment.profile_table import ProfileTable


def carry_intervals(
    table: ProfileTable,
    application: Application,
    rows: Ints,
    *,
    factor: float = 1.0,
    without: Collection[str] = (),
) -> tuple[Floats, Floats]:
    """Carry the metrics' intervals to the utilities of some profiles.

    Args:
        table: The profiles.
        application: Whose utility counts.
        rows: Rows of the profiles.
        factor: By which the intervals are widened.
        without: Metrics that count as exact.

    Returns:
        Distances below and above the utility, 0 where an objective was not measured; shape
        (n_rows,) each.
    """
    goals = application.weighted()
    scores = score_metrics({name: table.values(name)[rows] for name in goals}, application)
    utility = aggregate_scores(scores, application.shares(), application.aggregation)
    squared_below, squared_above = np.zeros(len(rows)), np.zeros(len(rows))
    for position, (metric, goal) in enumerate(goals.items()):
        interval = None if metric in without else table.interval(metric)
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
    return below, above
