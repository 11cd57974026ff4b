"""Why not: one reason for everything that did not win, stopped and failed trials included.

Table ``why_not``: one row per application, dataset and candidate, winners included, best first,
then one per stopped or failed trial: ``application`` (the last one that dropped it; null: it was
not stopped by applications, so it counts for all), ``dataset``, ``model``, ``candidate``
(``{model}-{number}``), ``rank`` (null for trials), ``outcome`` (see
:mod:`rightfit.ranking.explanation.reasons`, or ``stopped`` or ``failed``), ``rival``, ``metric``,
``value``, ``rival_value``, ``limit``, ``excess`` and ``reason``, one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.assessment.assessment import describe_chosen
from rightfit.ranking.explanation.reasons import explain_candidates
from rightfit.typed_tables import table_schema, write_rows


@dataclass(frozen=True, kw_only=True)
class WhyNot:
    """A row of the table ``why_not``; see the module."""

    application: str | None
    dataset: str
    model: str
    candidate: str
    rank: int | None = None
    outcome: str
    rival: str | None = None
    metric: str | None
    value: float | None = None
    rival_value: float | None = None
    limit: float | None = None
    excess: float | None = None
    reason: str


def tabulate_why_not(
    ranked: list[ApplicationRanking], trials: Mapping[tuple[str, str], pl.DataFrame]
) -> pl.DataFrame:
    """Give the reason for every candidate's place and for every trial that did not end complete."""
    candidates = [_explain(one) for one in ranked]
    unfinished = [_explain_trials(frame, *cell) for cell, frame in trials.items()]
    return pl.concat([*candidates, *unfinished])


def _explain(ranked: ApplicationRanking) -> pl.DataFrame:
    keys = describe_chosen(ranked.assessment).with_columns(rank=pl.Series(ranked.rank))
    whole = pl.concat([keys, explain_candidates(ranked)], how="horizontal")
    columns = table_schema(WhyNot).items()
    return whole.select(pl.col(name).cast(dtype) for name, dtype in columns)[ranked.order]


def _explain_trials(trials: pl.DataFrame, dataset: str, model: str) -> pl.DataFrame:
    """Give the reason of every stopped or failed trial."""
    rows = [
        WhyNot(
            application=trial["stopped_by"] or None,
            dataset=dataset,
            model=model,
            candidate=f"{model}-{trial['number']:03d}",
            outcome=trial["state"],
            metric=None,
            reason=_describe_end(trial["state"], trial["stop_checkpoint"], trial["stop_reason"]),
        )
        for trial in trials.filter(pl.col("state") != "complete").to_dicts()
    ]
    return write_rows(rows, WhyNot)


def _describe_end(state: str, checkpoint: int | None, stop_reason: str | None) -> str:
    place = {None: "", 0: " before training"}.get(checkpoint, f" at checkpoint {checkpoint}")
    why = (stop_reason or "").removeprefix("failed: ").removeprefix("pausing: ")
    return f"{state}{place}" + (f": {why}" if why else "")
