"""The rankings table: one row per application, dataset and candidate, best first.

Columns: ``application``, ``dataset``, ``rank`` (1 is recommended, if feasible), ``rank_low`` and
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
from rightfit.ranking.assessment.assessment import Assessment, describe_chosen
from rightfit.ranking.assessment.profile_table import SERVING_KEYS
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
