"""Section: why each of the other candidates did not win."""

from __future__ import annotations

import polars as pl

from rightfit.formatting import NOT_MEASURED, count, format_quality, format_share
from rightfit.naming import listing, sentence_case, words
from rightfit.profiling.serving import Serving
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import (
    Fold,
    Section,
    Table,
    number,
    sentence,
    tabulate,
    text,
)

OUTCOME_WORDS = {
    "tied": "are tied with the winner",
    "dominated": "are dominated by another candidate",
    "outscored": "have a lower utility",
    "violates": "break a limit",
    "unmeasured": "lack a measurement",
}


def build_why_not(results: Results) -> Section:
    """List every candidate with its rank and the reason, per application."""
    names = [name for name, _ in results.applications.items()]
    return Section(
        id="why-not",
        title="Why the other candidates lost",
        points=tuple(describe_losers(results.rankings, name) for name in names),
        folds=tuple(
            Fold(
                title=sentence_case(words(name)),
                tables=tuple(_tabulate(results, name, dataset) for dataset in results.datasets),
                is_open=name == names[0],
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
    head = f"{sentence_case(words(application))}: of {count(mine.height, 'candidate')} that lost,"
    return f"{head} {listing(reasons)}." if reasons else f"{head} none is listed."


def _tabulate(results: Results, application: str, dataset: str) -> Table:
    return tabulate(
        f"{sentence_case(words(application))} on {words(dataset)}",
        results.rankings.filter(application=application, dataset=dataset).to_dicts(),
        number("Rank", lambda row: str(row["rank"])),
        number("95 % interval", lambda row: _rank_interval(row["rank_low"], row["rank_high"])),
        text("Candidate", lambda row: row["candidate"]),
        text("Serving", lambda row: Serving(row["runtime"], row["n_threads"], row["device"]).label),
        number("Utility", lambda row: format_quality(row["utility"])),
        number("Probability of being best", lambda row: format_share(row["p_best"])),
        sentence("Why", lambda row: row["reason"]),
    )


def _rank_interval(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return NOT_MEASURED
    return str(low) if low == high else f"{low} to {high}"
