"""Uncertainty: how far measuring errors reach into utilities, at a level of confidence."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from rightfit.ranking.applications.utility import Floats
from rightfit.ranking.assessment.assessment import Assessment
from rightfit.ranking.assessment.interval_reach import carry_intervals

Z_OF_INTERVALS = NormalDist().inv_cdf(0.975)  # the profiles' intervals are 95 % ones


def bound_utilities(assessment: Assessment, confidence_level: float) -> tuple[Floats, Floats]:
    """Carry the metrics' intervals to the utilities of the candidates, at a level of confidence.

    Returns:
        Lower and upper ends within [0, 1], NaN where an objective was not measured; shape
        (n_candidates,) each.
    """
    below, above = carry_intervals(
        assessment.table,
        assessment.application,
        assessment.chosen,
        factor=NormalDist().inv_cdf((1 + confidence_level) / 2) / Z_OF_INTERVALS,
    )
    utility = assessment.utility
    return np.maximum(utility - below, 0.0), np.minimum(utility + above, 1.0)
