"""Breakdown: what each objective contributes to the utility of each candidate.

Table ``utility_breakdown``: one row per application, dataset, candidate (with the serving
configuration chosen for it) and objective: the keys ``application``, ``dataset``, ``model``,
``candidate``, ``runtime``, ``n_threads``, ``device``, and ``metric``, ``value`` with its 95 %
interval ``value_low`` to ``value_high`` (equal to it where no profile has one), ``score`` in [0,
1], ``share`` (normalised weight) and ``contribution``. A candidate's contributions sum to its
utility; under the geometric mean they divide it in proportion to share × score.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import polars.selectors as cs

from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.applications.utility import score_metrics
from rightfit.ranking.assessment.assessment import Assessment, describe_chosen
from rightfit.ranking.assessment.profile_table import CANDIDATE_KEYS, SERVING_KEYS


def tabulate_breakdown(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Break every candidate's utility down by objective, in the order of the rankings."""
    blocks = []
    for one in ranked:
        n_objectives, n = len(one.assessment.application.weighted()), len(one.order)
        rows = one.order[:, None] + n * np.arange(n_objectives)  # objectives vary fastest
        blocks.append(_tabulate(one.assessment)[rows.ravel().tolist()])
    return pl.concat(blocks)


def _tabulate(assessment: Assessment) -> pl.DataFrame:
    """Return one block of rows per objective, candidates by number."""
    goals = assessment.application.weighted()
    rows = assessment.chosen
    values = {metric: assessment.table.values(metric)[rows] for metric in goals}
    scores = score_metrics(values, assessment.application)
    parts = assessment.application.shares()[:, None] * np.array(scores)
    total = parts.sum(axis=0)
    contributions = parts * np.where(
        total > 0, assessment.utility / np.where(total > 0, total, 1), 1
    )
    keys = describe_chosen(assessment).select("application", *CANDIDATE_KEYS, *SERVING_KEYS)
    blocks = []
    for position, (metric, share) in enumerate(
        zip(goals, assessment.application.shares().tolist(), strict=True)
    ):
        interval = assessment.table.interval(metric) or (assessment.table.values(metric),) * 2
        blocks.append(
            keys.with_columns(
                pl.lit(metric).alias("metric"),
                pl.Series("value", values[metric]),
                pl.Series("value_low", interval[0][rows]),
                pl.Series("value_high", interval[1][rows]),
                pl.Series("score", scores[position]),
                pl.lit(share).alias("share"),
                pl.Series("contribution", contributions[position]),
            )
        )
    return pl.concat(blocks).with_columns(cs.float().fill_nan(None))
