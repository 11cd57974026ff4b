"""Section: what holds across datasets, and when a longer training pays back."""

from __future__ import annotations

import json

import polars as pl

from rightfit.reporting.naming import NOT_MEASURED, count, format_number, words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Column, Fold, Section, Table


def build_across(results: Results) -> Section:
    """Say per application which family is the robust choice, and when training pays back."""
    break_even = results.tables["break_even"]
    return Section(
        id="across",
        title="Across datasets, and over time",
        sentences=(describe_break_even(break_even),),
        points=tuple(
            f"{words(name).capitalize()}: {recommendation['across_datasets']['sentence']}"
            for name, recommendation in results.recommendations.items()
        ),
        folds=(
            Fold(
                "Families across datasets", (_tabulate_families(results.tables["robust_choices"]),)
            ),
            Fold("Training against serving", (_tabulate_break_even(break_even),)),
        ),
    )


def describe_break_even(break_even: pl.DataFrame) -> str:
    """Say for how many winners the longer training pays back, and how soon."""
    winners = break_even.filter(pl.col("rank") == 1)
    slower = winners.filter(pl.col("candidate") != pl.col("fastest_to_train"))
    if not slower.height:
        return (
            f"{count(winners.height, 'winner')} trained fastest of all, so nothing has to pay back."
        )
    paying = slower.drop_nulls("pays_back_after_rows")
    head = f"Of {count(slower.height, 'winner')} slower to train than another candidate"
    if not paying.height:
        return f"{head} none makes up for it by serving faster."
    n_rows = sorted(paying["pays_back_after_rows"].to_list())
    return (
        f"{head}, {paying.height} pay back by serving faster, after "
        f"{format_number(n_rows[0])} to {format_number(n_rows[-1])} predictions."
    )


def _tabulate_families(choices: pl.DataFrame) -> Table:
    return Table(
        caption="Each family's rank among the families, over the datasets",
        columns=(
            Column("application"),
            Column("family"),
            Column("within limits", numeric=True),
            Column("mean rank", numeric=True),
            Column("worst rank", numeric=True),
            Column("wins on"),
            Column("robust choice"),
        ),
        rows=tuple(
            (
                words(row["application"]),
                words(row["model"]),
                f"{row['n_feasible']} of {row['n_datasets']}",
                format_number(row["mean_rank"]),
                format_number(row["worst_rank"]),
                ", ".join(words(name) for name in json.loads(row["won"])) or NOT_MEASURED,
                "yes" if row["is_robust_choice"] else "",
            )
            for row in choices.to_dicts()
        ),
    )


def _tabulate_break_even(break_even: pl.DataFrame) -> Table:
    return Table(
        caption="Predictions after which training and serving together take less time",
        columns=(
            Column("application"),
            Column("dataset"),
            Column("candidate"),
            Column("rank", numeric=True),
            Column("training s", numeric=True),
            Column("serving µs a row", numeric=True),
            Column("pays back against"),
            Column("after rows", numeric=True),
        ),
        rows=tuple(
            (
                words(row["application"]),
                words(row["dataset"]),
                row["candidate"],
                str(row["rank"]),
                format_number(row["fit_time_s"]),
                format_number(row["serve_us"]),
                row["fastest_to_train"],
                "never"
                if row["pays_back_after_rows"] is None
                else format_number(row["pays_back_after_rows"]),
            )
            for row in break_even.to_dicts()
        ),
    )
