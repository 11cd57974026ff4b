"""Why not: one reason for everything that did not win, stopped and failed trials included.

Table ``why_not``: one row per application, dataset and candidate, winners included, best first,
then one per stopped or failed trial and application that let go of it: ``application`` (null: it
was not stopped by applications, so it counts for all), ``dataset``, ``model``, ``candidate``
(``{model}-{number}``), ``rank`` (null for trials), ``outcome`` (see
:mod:`rightfit.ranking.explanation.outcomes`, or ``stopped`` or ``failed``), ``rival``, ``metric``,
``value``, ``rival_value``, ``limit``, ``excess`` and ``reason``, one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from rightfit.ranking.contest.contest import describe_chosen
from rightfit.ranking.explanation.reasons import explain_candidates
from rightfit.ranking.ranked import Ranked

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
    keys = describe_chosen(ranked.contest).with_columns(rank=pl.Series(ranked.rank))
    whole = pl.concat([keys, explain_candidates(ranked)], how="horizontal")
    return whole.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())[ranked.order]


def _explain_trials(trials: pl.DataFrame, dataset: str, model: str) -> pl.DataFrame:
    """Give the reason of every stopped or failed trial, one row per application that voted."""
    rows = [
        {
            "application": application,
            "dataset": dataset,
            "model": model,
            "candidate": f"{model}-{trial['number']:03d}",
            "outcome": trial["state"],
            "metric": metric,
            "reason": _describe_end(trial, why),
        }
        for trial in trials.filter(pl.col("state") != "complete").to_dicts()
        for application, metric, why in _list_reasons(trial)
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def _list_reasons(trial: Mapping[str, Any]) -> list[tuple[str | None, str | None, str]]:
    """Return who let go of a trial, by which metric and why; nobody in particular: one for all."""
    votes = json.loads(trial["votes"] or "{}")
    if not votes:
        return [(None, None, (trial["stop_reason"] or "").removeprefix("failed: "))]
    return [
        (name, vote["metric"], f"{vote['rule'].replace('_', ' ')}: {vote['text']}")
        for name, vote in votes.items()
    ]


def _describe_end(trial: Mapping[str, Any], why: str) -> str:
    checkpoint = trial["stop_checkpoint"]
    place = {None: "", 0: " before training"}.get(checkpoint, f" at checkpoint {checkpoint}")
    return f"{trial['state']}{place}" + (f": {why}" if why else "")
