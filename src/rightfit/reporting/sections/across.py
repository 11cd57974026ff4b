"""Section: what holds across datasets, and when a longer training pays back."""

from __future__ import annotations

import json
import math

import polars as pl

from rightfit.naming import NOT_MEASURED, count, format_number, sentence_case, words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Column, Fold, Section, Table


def build_across(results: Results) -> Section:
    """Say per application which family is the robust choice, and when training pays back."""
    break_even = results.tables.break_even
    return Section(
        id="across",
        title="Across datasets and over time",
        sentences=(describe_break_even(break_even),),
        points=tuple(
            f"{sentence_case(words(name))}. {recommendation.across_datasets.sentence}"
            for name, recommendation in results.recommendations.items()
        ),
        folds=(
            Fold("Families across datasets", (_tabulate_families(results.tables.robust_choices),)),
            Fold("Training time against serving time", (_tabulate_break_even(break_even),)),
        ),
    )


def describe_break_even(break_even: pl.DataFrame) -> str:
    """Say for how many winners the longer training pays back, and how soon."""
    winners = break_even.filter(pl.col("rank") == 1)
    slower = winners.filter(pl.col("candidate") != pl.col("fastest_to_train"))
    if not slower.height:
        return f"{count(winners.height, 'winner')} trained fastest: nothing has to pay back."
    paying = slower.drop_nulls("pays_back_after_rows")
    head = f"Of {count(slower.height, 'winner')} that trained longer than another candidate"
    if not paying.height:
        return f"{head}, none compensates for it by faster serving."
    n_rows = sorted(max(1, math.ceil(rows)) for rows in paying["pays_back_after_rows"])
    verb = "compensates" if paying.height == 1 else "compensate"
    first = f"{format_number(n_rows[0])} to " if n_rows[0] < n_rows[-1] else ""
    return (
        f"{head}, {paying.height} {verb} for it by faster serving, after "
        f"{first}{format_number(n_rows[-1])} predictions."
    )


def _tabulate_families(choices: pl.DataFrame) -> Table:
    return Table(
        caption="Each family's rank among the families, over the datasets",
        columns=(
            Column("Application"),
            Column("Family"),
            Column("Within limits", numeric=True),
            Column("Mean rank", numeric=True),
            Column("Worst rank", numeric=True),
            Column("Wins on"),
            Column("Robust choice"),
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
            Column("Application"),
            Column("Dataset"),
            Column("Candidate"),
            Column("Rank", numeric=True),
            Column("Training (s)", numeric=True),
            Column("Serving (µs per row)", numeric=True),
            Column("Compared with"),
            Column("Pays back after (rows)", numeric=True),
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
