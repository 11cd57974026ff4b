"""The rankings, and what each objective contributes to them, as tables.

Table ``rankings``: one row per application, dataset and candidate, best first. Columns:
``application``, ``dataset``, ``rank`` (1 is recommended, if feasible), ``rank_low`` and
``rank_high`` (within the measuring errors), ``candidate``, ``model``, ``runtime``, ``n_threads``,
``device`` (the serving configuration chosen for the application), ``request_path`` (``request``:
raw columns in, ``model``: encoded rows in), ``encoding_ms`` (part of the median latency; null: not
known), ``utility`` (null: an objective was not measured), ``utility_low``, ``utility_high``,
``feasible``, ``violations`` (list of structs of ``metric``, ``kind``, ``limit``, ``value``,
``amount``, ``relative``; null values: not measured), ``pareto``, ``hardware_tier``, ``reason`` (one
sentence), ``p_best`` (probability of being the best feasible one), ``outcome`` (see
:mod:`rightfit.ranking.explanation.reasons`) and ``settings`` (the hyper-parameters as JSON,
``searched`` and ``fixed``; null: not known).
"""

from __future__ import annotations

import numpy as np
import polars as pl
import polars.selectors as cs

from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.applications.constraints import Limit, measure_excess, relate_excess
from rightfit.ranking.applications.utility import score_metrics
from rightfit.ranking.assessment.assessment import Assessment, describe_chosen
from rightfit.ranking.assessment.profile_table import CANDIDATE_KEYS, SERVING_KEYS
from rightfit.ranking.explanation.reasons import explain_candidates

COLUMNS = (
    *("application", "dataset", "rank", "rank_low", "rank_high", "candidate", "model"),
    *(*SERVING_KEYS, "request_path", "encoding_ms"),
    *("utility", "utility_low", "utility_high", "feasible", "violations", "pareto"),
    *("hardware_tier", "reason", "p_best", "outcome", "settings"),
)

VIOLATIONS = pl.List(
    pl.Struct(
        {
            **dict.fromkeys(("metric", "kind"), pl.String),
            **dict.fromkeys(("limit", "value", "amount", "relative"), pl.Float64),
        }
    )
)


def tabulate_rankings(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Build the rankings table from the rankings of all applications."""
    return pl.concat([_tabulate(one) for one in ranked])


def list_violations(assessment: Assessment) -> pl.Series:
    """List the limits that each candidate breaks, an empty list where there are none."""
    broken = [_list_broken(assessment, limit.at(assessment.chosen)) for limit in assessment.limits]
    if not broken:
        return pl.repeat([], len(assessment.chosen), dtype=VIOLATIONS, eager=True)
    joined = pl.DataFrame({str(i): found for i, found in enumerate(broken)})
    return joined.select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()


def _tabulate(ranked: ApplicationRanking) -> pl.DataFrame:
    assessment, spread = ranked.assessment, ranked.spread
    frame = describe_chosen(assessment).with_columns(
        rank=pl.Series(ranked.rank),
        rank_low=pl.Series(ranked.rank_low),
        rank_high=pl.Series(ranked.rank_high),
        utility=pl.Series(assessment.utility),
        utility_low=pl.Series(np.maximum(assessment.utility - spread.below, 0.0)),
        utility_high=pl.Series(np.minimum(assessment.utility + spread.above, 1.0)),
        feasible=pl.Series(assessment.feasible),
        violations=list_violations(assessment),
        pareto=pl.Series(ranked.pareto),
        p_best=pl.Series(ranked.p_best),
    )
    reasons = explain_candidates(ranked).select("outcome", "reason")
    whole = pl.concat([frame, reasons], how="horizontal")
    return whole.with_columns(cs.float().fill_nan(None)).select(COLUMNS)[ranked.order]


def _list_broken(assessment: Assessment, limit: Limit) -> pl.Series:
    value = assessment.table.values(limit.metric)[assessment.chosen]
    amount = measure_excess(value, limit)
    facts = pl.DataFrame(
        {
            "metric": pl.repeat(limit.metric, len(value), eager=True),
            "kind": pl.repeat(limit.kind, len(value), eager=True),
            "limit": np.broadcast_to(limit.bound, value.shape),
            "value": value,
            "amount": amount,
            "relative": relate_excess(amount, limit),
        }
    ).with_columns(cs.float().fill_nan(None))
    is_broken = pl.col("amount").is_null() | (pl.col("amount") > 0)
    return facts.select(pl.when(is_broken).then(pl.struct(pl.all())).alias("broken")).to_series()


def tabulate_breakdown(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Break every candidate's utility down by objective, in the order of the rankings.

    Returns:
        Table ``utility_breakdown``: one row per application, dataset, candidate (with the serving
        configuration chosen for it) and objective: the keys ``application``, ``dataset``,
        ``model``, ``candidate``, ``runtime``, ``n_threads``, ``device``, and ``metric``, ``value``
        with its 95 % interval ``value_low`` to ``value_high`` (equal to it where no profile has
        one), ``score`` in [0, 1], ``share`` (normalised weight) and ``contribution``. A candidate's
        contributions sum to its utility; under the geometric mean they divide it in proportion to
        share × score.
    """
    blocks = []
    for one in ranked:
        n_objectives, n = len(one.assessment.application.weighted()), len(one.order)
        rows = one.order[:, None] + n * np.arange(n_objectives)  # objectives vary fastest
        blocks.append(_tabulate_parts(one.assessment)[rows.ravel().tolist()])
    return pl.concat(blocks)


def _tabulate_parts(assessment: Assessment) -> pl.DataFrame:
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
