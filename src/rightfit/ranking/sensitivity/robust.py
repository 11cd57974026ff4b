"""Robust choice: which family does well on every dataset, and where the winner changes.

Candidates of different datasets are different models, so families are compared: a family's rank on
a dataset is that of its best candidate among the families' best.

Table ``robust_choices``: one row per application and family, best first: ``application``,
``model``, ``n_datasets``, ``n_feasible`` (datasets on which one of its candidates is feasible),
``mean_rank`` and ``worst_rank`` among the families, ``won`` (list of the datasets it wins) and
``is_robust_choice``: feasible on the most datasets, then the lowest worst rank, then the lowest
mean rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

ORDER = ("n_feasible", "worst_rank", "mean_rank", "model")
DESCENDING = (True, False, False, False)


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
        .with_columns(position=pl.col("application").cast(pl.Enum(applications)).to_physical())
        .sort("position", *ORDER, descending=[False, *DESCENDING])
        .with_columns(
            is_robust_choice=(pl.int_range(pl.len()).over("application") == 0)
            & (pl.col("n_feasible") > 0),
        )
        .drop("position")
    )
