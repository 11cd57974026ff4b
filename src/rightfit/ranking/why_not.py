"""Why not: one reason for everything that did not win, stopped and failed trials included.

Table ``why_not``: one row per application, dataset and candidate, winners included, best first,
then one per stopped or failed trial: ``application`` (null: the trial was asked for by nobody in
particular, so it counts for all), ``dataset``, ``model``, ``candidate`` (``{model}-{number}``),
``rank`` (null for trials), ``outcome`` (see :mod:`rightfit.ranking.outcomes`, or ``stopped`` or
``failed``), ``rival``, ``metric``, ``value``, ``rival_value``, ``limit``, ``excess`` and
``reason``, one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from rightfit.ranking.ranked import Ranked
from rightfit.ranking.rankings import describe_profiles
from rightfit.ranking.wording import explain_candidates

SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("application", "dataset", "model", "candidate"), pl.String),
    "rank": pl.Int64,
    **dict.fromkeys(("outcome", "rival", "metric"), pl.String),
    **dict.fromkeys(("value", "rival_value", "limit", "excess"), pl.Float64),
    "reason": pl.String,
}


def tabulate_why_not(
    ranked: list[Ranked], trials: Mapping[tuple[str, str], pl.DataFrame]
) -> pl.DataFrame:
    """Give the reason for every candidate's place and for every trial that did not end complete.

    Args:
        ranked: Rankings of all applications.
        trials: Trials by dataset and family.
    """
    candidates = [_explain(one) for one in ranked]
    unfinished = [_explain_trials(frame, *cell) for cell, frame in trials.items()]
    return pl.concat([*candidates, *unfinished])


def _explain(ranked: Ranked) -> pl.DataFrame:
    keys = describe_profiles(ranked.contest).with_columns(rank=pl.Series(ranked.rank))
    whole = pl.concat([keys, explain_candidates(ranked)], how="horizontal")
    return whole.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())[ranked.order]


def _explain_trials(trials: pl.DataFrame, dataset: str, model: str) -> pl.DataFrame:
    at = pl.when(pl.col("stop_checkpoint").is_not_null()).then(
        pl.format(" at checkpoint {}", "stop_checkpoint")
    )
    rule = pl.col("stop_reason").str.strip_prefix("failed: ")
    why = pl.when(rule.is_not_null()).then(pl.format(": {}", rule))
    present = {
        "application": pl.col("application"),
        "dataset": pl.lit(dataset),
        "model": pl.lit(model),
        "candidate": pl.format("{}-{}", pl.lit(model), "number"),
        "outcome": pl.col("state"),
        "reason": pl.concat_str(
            pl.col("state"), at.otherwise(pl.lit("")), why.otherwise(pl.lit(""))
        ),
    }
    columns = [present.get(name, pl.lit(None)).cast(SCHEMA[name]).alias(name) for name in SCHEMA]
    return trials.filter(pl.col("state") != "complete").select(columns)
