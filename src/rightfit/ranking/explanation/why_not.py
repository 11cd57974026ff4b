"""Why not: one reason for everything that did not win, stopped and failed trials included.

Table ``why_not``: one row per application, dataset and candidate, winners included, best first,
then one per stopped or failed trial: ``application`` (the one that let go of it last; null: it was
not stopped by applications, so it counts for all), ``dataset``, ``model``, ``candidate``
(``{model}-{number}``), ``rank`` (null for trials), ``outcome`` (see
:mod:`rightfit.ranking.contest.outcomes`, or ``stopped`` or ``failed``), ``rival``, ``metric``,
``value``, ``rival_value``, ``limit``, ``excess`` and ``reason``, one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from rightfit.ranking.contest.ranked import Ranked
from rightfit.ranking.contest.rankings import describe_profiles
from rightfit.ranking.explanation.wording import explain_candidates

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
    """Give the reason of every stopped or failed trial."""
    rows = [
        {
            "application": trial["stopped_by"] or None,
            "dataset": dataset,
            "model": model,
            "candidate": f"{model}-{trial['number']:03d}",
            "outcome": trial["state"],
            "reason": _describe_end(trial),
        }
        for trial in trials.filter(pl.col("state") != "complete").to_dicts()
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _describe_end(trial: Mapping[str, Any]) -> str:
    checkpoint = trial["stop_checkpoint"]
    place = {None: "", 0: " before training"}.get(checkpoint, f" at checkpoint {checkpoint}")
    why = (trial["stop_reason"] or "").removeprefix("failed: ").removeprefix("pausing: ")
    return f"{trial['state']}{place}" + (f": {why}" if why else "")
