"""Section: why each of the others did not win."""

from __future__ import annotations

import polars as pl

from rightfit.reporting.naming import NOT_MEASURED, count, format_quality, serving_label, words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Column, Fold, Section, Table

OUTCOME_WORDS = {
    "tied": "cannot be told from the winner",
    "dominated": "beaten in everything by another one",
    "outscored": "within the limits, but worth less",
    "violates": "break a limit",
    "unmeasured": "lack a measurement",
}


def build_why_not(results: Results) -> Section:
    """List every candidate with its rank and the reason, per application."""
    names = [name for name, _ in results.applications.items()]
    return Section(
        id="why-not",
        title="Why not another one",
        points=tuple(describe_losers(results.rankings, name) for name in names),
        folds=tuple(
            Fold(
                title=words(name).capitalize(),
                tables=tuple(_tabulate(results, name, dataset) for dataset in results.datasets),
            )
            for name in names
        ),
    )


def describe_losers(rankings: pl.DataFrame, application: str) -> str:
    """Count an application's losers by their reason."""
    mine = rankings.filter(pl.col("application") == application, pl.col("outcome") != "winner")
    n_by_outcome = dict(mine["outcome"].value_counts().iter_rows())
    reasons = [
        f"{n_by_outcome[outcome]} {text}"
        for outcome, text in OUTCOME_WORDS.items()
        if outcome in n_by_outcome
    ]
    head = f"{words(application).capitalize()}: of {count(mine.height, 'candidate')} that lost,"
    return f"{head} {', '.join(reasons)}." if reasons else f"{head} none is listed."


def _tabulate(results: Results, application: str, dataset: str) -> Table:
    ranked = results.rankings.filter(
        pl.col("application") == application, pl.col("dataset") == dataset
    )
    return Table(
        caption=f"{words(application).capitalize()} on {words(dataset)}",
        columns=(
            Column("rank", numeric=True),
            Column("95 %", numeric=True),
            Column("candidate"),
            Column("serving"),
            Column("utility", numeric=True),
            Column("chance to be best", numeric=True),
            Column("why"),
        ),
        rows=tuple(
            (
                str(row["rank"]),
                _rank_interval(row["rank_low"], row["rank_high"]),
                row["candidate"],
                serving_label(row),
                format_quality(row["utility"]),
                f"{row['p_best']:.0%}".replace("%", " %"),
                row["reason"],
            )
            for row in ranked.to_dicts()
        ),
    )


def _rank_interval(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return NOT_MEASURED
    return str(low) if low == high else f"{low} to {high}"
