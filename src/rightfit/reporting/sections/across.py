"""Section: what holds across datasets, and when a longer training pays back."""

from __future__ import annotations

import math

import polars as pl

from rightfit.formatting import NOT_MEASURED, count, format_number
from rightfit.naming import sentence_case, words
from rightfit.ranking.explanation.rankings import FamilyComparison
from rightfit.ranking.sensitivity.break_even import BreakEven
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, Table, figure, keys, number, tabulate, text
from rightfit.typed_tables import read_rows


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
        tables=(
            _tabulate_families(results.tables.robust_choices),
            _tabulate_break_even(break_even),
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
    return tabulate(
        "Each family's rank among the families, over the datasets",
        read_rows(choices, FamilyComparison),
        *keys("application", "model"),
        number("Within limits", lambda row: f"{row.n_feasible} of {row.n_datasets}"),
        figure("Mean rank", "mean_rank"),
        figure("Worst rank", "worst_rank"),
        text("Wins on", lambda row: ", ".join(map(words, row.won)) or NOT_MEASURED),
        text("Robust choice", lambda row: "yes" if row.is_robust_choice else ""),
    )


def _tabulate_break_even(break_even: pl.DataFrame) -> Table:
    return tabulate(
        "Predictions after which training and serving together take less time",
        read_rows(break_even, BreakEven),
        *keys("application", "dataset", "candidate"),
        number("Rank", lambda row: str(row.rank)),
        figure("Training (s)", "fit_time_s"),
        figure("Serving (µs per row)", "serve_us"),
        text("Compared with", lambda row: row.fastest_to_train),
        number("Pays back after (rows)", _write_pay_back),
    )


def _write_pay_back(row: BreakEven) -> str:
    n_rows = row.pays_back_after_rows
    return "never" if n_rows is None else format_number(n_rows)
