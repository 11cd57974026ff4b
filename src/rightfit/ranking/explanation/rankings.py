"""The rankings as tables, with what objectives contribute, and how families do across datasets.

Table ``rankings``: one row per application, dataset and candidate, best first. Columns:
``application``, ``dataset``, ``rank`` (1 is recommended, if feasible), ``candidate``, ``model``,
``runtime``, ``n_threads``, ``device`` (the serving configuration chosen for the application),
``request_path`` (``request``: raw columns in, ``model``: encoded rows in), ``feeding_ms`` (part of
the median latency; null: not known), ``utility`` (null: an objective was not measured),
``utility_low``, ``utility_high``, ``feasible``, ``violations`` (list of structs of ``metric``,
``kind``, ``bound``, ``value``, ``excess``, ``relative``; null values: not measured), ``pareto``,
``hardware_tier``, ``reason`` (one sentence), ``p_best`` (probability that no other feasible one is
better by more than ``equal_within``), ``outcome`` (see
:mod:`rightfit.ranking.explanation.reasons`), ``settings`` (the hyper-parameters as JSON,
``searched`` and ``fixed``; null: not known), ``quality_metric`` (what the quality is called) and
``quality_raw`` with its 95 % interval ``quality_raw_low`` to ``quality_raw_high`` (on all test
rows).

Table ``robust_choices``: candidates of different datasets are different models, so families are
compared: a family's rank on a dataset is that of its best candidate among the families' best. One
row per application and family, best first: ``application``, ``model``, ``n_datasets``,
``n_feasible`` (datasets on which one of its candidates is feasible), ``mean_rank`` and
``worst_rank`` among the families, ``won`` (list of the datasets it wins) and ``is_robust_choice``:
feasible on the most datasets, then the lowest worst rank, then the lowest mean rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import polars.selectors as cs

from rightfit.measuring.profile import complete_columns
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.assessment.assessment import Assessment, describe_chosen
from rightfit.ranking.assessment.profile_table import CANDIDATE_KEYS, SERVING_KEYS
from rightfit.ranking.explanation.reasons import explain_candidates

COLUMNS = (
    "application",
    "dataset",
    "rank",
    "candidate",
    "model",
    *SERVING_KEYS,
    "request_path",
    "feeding_ms",
    "utility",
    "utility_low",
    "utility_high",
    "feasible",
    "violations",
    "pareto",
    "hardware_tier",
    "reason",
    "p_best",
    "outcome",
    "settings",
    "quality_metric",
    "quality_raw",
    "quality_raw_low",
    "quality_raw_high",
)

VIOLATIONS = pl.List(
    pl.Struct(
        {
            **dict.fromkeys(("metric", "kind"), pl.String),
            **dict.fromkeys(("bound", "value", "excess", "relative"), pl.Float64),
        }
    )
)


@dataclass(frozen=True)
class FamilyComparison:
    """A row of the table ``robust_choices``; see the module."""

    application: str
    model: str
    n_datasets: int
    n_feasible: int
    mean_rank: float
    worst_rank: int
    won: list[str]
    is_robust_choice: bool


def tabulate_rankings(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Build the rankings table from the rankings of all applications."""
    return pl.concat(place_candidates(ranking).select(COLUMNS) for ranking in ranked)


def place_candidates(ranking: ApplicationRanking) -> pl.DataFrame:
    """Return the candidates of a ranking, best first, each with all that was measured of it.

    Returns:
        The columns of the rankings table, and those of the chosen profile.
    """
    assessment = ranking.assessment
    keys = describe_chosen(assessment)
    profiles = complete_columns(assessment.table.frame[assessment.chosen])
    reasons = explain_candidates(ranking).select("outcome", "reason")
    frame = pl.concat(
        [profiles.drop(keys.columns, strict=False), keys, reasons], how="horizontal"
    ).with_columns(
        rank=pl.Series(ranking.rank),
        utility=pl.Series(assessment.utility),
        utility_low=pl.Series(ranking.utility_low),
        utility_high=pl.Series(ranking.utility_high),
        feasible=pl.Series(assessment.feasible),
        violations=_list_violations(assessment),
        pareto=pl.Series(ranking.pareto),
        p_best=pl.Series(ranking.p_best),
    )
    return frame.with_columns(cs.float().fill_nan(None))[ranking.order]


def _list_violations(assessment: Assessment) -> pl.Series:
    """List the limits that each candidate breaks, an empty list where there are none."""
    broken = [
        [
            {"metric": limit.metric, "kind": limit.kind} | limit.read(number)
            for limit in assessment.judged_limits
            if limit.excess[number] != 0  # or NaN
        ]
        for number in range(len(assessment.chosen))
    ]
    return pl.Series(broken, dtype=VIOLATIONS)


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
    tables = []
    for ranking in ranked:
        assessment, rows = ranking.assessment, ranking.assessment.chosen
        goals, shares = assessment.application.weighted(), assessment.application.shares()
        scores = assessment.scores(rows)
        parts = shares[:, None] * np.array(scores)
        total = parts.sum(axis=0)
        contributions = parts * np.where(
            total > 0, assessment.utility / np.where(total > 0, total, 1), 1
        )
        keys = describe_chosen(assessment).select("application", *CANDIDATE_KEYS, *SERVING_KEYS)
        blocks = []
        for position, metric in enumerate(goals):
            values = assessment.table.values(metric)
            interval = assessment.table.interval(metric) or (values, values)
            blocks.append(
                keys.with_columns(
                    pl.lit(metric).alias("metric"),
                    pl.Series("value", values[rows]),
                    pl.Series("value_low", interval[0][rows]),
                    pl.Series("value_high", interval[1][rows]),
                    pl.Series("score", scores[position]),
                    pl.lit(float(shares[position])).alias("share"),
                    pl.Series("contribution", contributions[position]),
                )
            )
        # blocks hold the candidates by number; in the order of the rankings objectives vary fastest
        in_order = ranking.order[:, None] + len(ranking.order) * np.arange(len(goals))
        tables.append(pl.concat(blocks)[in_order.ravel().tolist()])
    return pl.concat(tables).with_columns(cs.float().fill_nan(None))


def tabulate_robust_choices(rankings: pl.DataFrame) -> pl.DataFrame:
    """Compare the families of every application across datasets."""
    applications = rankings["application"].unique(maintain_order=True)
    by_dataset = ("application", "dataset")
    families = (
        rankings.group_by(*by_dataset, "model", maintain_order=True)
        .agg(pl.col("rank").min(), pl.col("feasible").any())
        .with_columns(place=pl.col("rank").rank("ordinal").over(by_dataset).cast(pl.Int64))
    )
    is_won = (pl.col("place") == 1) & pl.col("feasible")
    return (
        families.group_by("application", "model", maintain_order=True)
        .agg(
            n_datasets=pl.len().cast(pl.Int64),
            n_feasible=pl.col("feasible").sum().cast(pl.Int64),
            mean_rank=pl.col("place").mean(),
            worst_rank=pl.col("place").max(),
            won=pl.col("dataset").filter(is_won),
        )
        .sort(
            pl.col("application").cast(pl.Enum(applications)),  # in their order, not by name
            "n_feasible",
            "worst_rank",
            "mean_rank",
            "model",
            descending=[False, True, False, False, False],
        )
        .with_columns(
            is_robust_choice=(pl.int_range(pl.len()).over("application") == 0)
            & (pl.col("n_feasible") > 0),
        )
    )
