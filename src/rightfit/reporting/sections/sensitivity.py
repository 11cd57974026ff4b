"""Section: what would change the winners."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rightfit.formatting import NOT_MEASURED, count, format_share
from rightfit.naming import (
    describe_limit,
    format_metric,
    listing,
    sentence_case,
    words,
)
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.ranking.explanation.reversals import NO_SMALL_CHANGE
from rightfit.ranking.sensitivity.limit_effects import DIRECTIONS, LimitEffect
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, Table, keys, number, tabulate, text
from rightfit.typed_tables import read_rows

SMALLEST_SHARE = 0.005  # a smaller one is written as 0 %


def build_sensitivity(results: Results) -> Section:
    """List the smallest changes, the shares of weight space and the effect of changed limits."""
    moved = results.tables.limit_effects.filter(pl.col("change").is_in(DIRECTIONS))
    return Section(
        id="sensitivity",
        title="What would change the winners",
        sentences=(
            describe_reversals(moved, results.rules.limit_change_pct),
            describe_win_shares(results.tables.win_shares),
        ),
        points=tuple(_list_reversals(results)),
        tables=(
            _tabulate_shares(results.tables.win_shares),
            _tabulate_moved(moved),
        ),
    )


def describe_reversals(moved: pl.DataFrame, change_pct: float) -> str:
    """Say how many limits would change a winner if they moved by ``change_pct``."""
    if not moved.height:
        return "No application has a limit."
    limits = moved.group_by("application", "dataset", "metric", "kind").agg(pl.col("flips").any())
    n_reversals = int(limits["flips"].sum())
    verb = "changes" if n_reversals < 2 else "change"
    return (
        f"{n_reversals or 'None'} of {count(limits.height, 'limit')} {verb} the winner when "
        f"loosened or tightened by {change_pct:g} %."
    )


def _list_reversals(results: Results) -> Iterator[str]:
    """Yield the smallest change that changes each winner, then the winners that none changes."""
    steady = []
    for application, dataset, decision in list_decisions(results.recommendations):
        where = f"{words(application)} on {words(dataset)}"
        if decision.winner and decision.reversals:
            yield f"{sentence_case(where)}: {decision.reversal}"
        elif decision.winner:
            steady.append(where)
    if steady:
        yield (
            f"{NO_SMALL_CHANGE.format(results.rules.limit_change_pct)} "
            f"{count(len(steady), 'winner')}: {listing(steady)}."
        )


def describe_win_shares(win_shares: pl.DataFrame) -> str:
    """Say how many decisions have a clear winner over all weightings, and the least clear one."""
    first = (
        win_shares.sort("win_share", descending=True, maintain_order=True)
        .unique(["application", "dataset"], keep="first", maintain_order=True)
        .to_dicts()
    )
    if not first:
        return "No candidate is within the limits."
    least = first[-1]
    n_clear = sum(row["win_share"] > 0.5 for row in first)
    return (
        f"{f'{n_clear} of' if n_clear < len(first) else 'All'} {len(first)} decisions have one "
        f"candidate with the highest utility under more than half of all weightings. Least clear: "
        f"{words(least['application'])} on {words(least['dataset'])}, where {least['candidate']} "
        f"has it under {format_share(least['win_share'])}."
    )


def _tabulate_shares(win_shares: pl.DataFrame) -> Table:
    won = win_shares.filter(pl.col("win_share") >= SMALLEST_SHARE)
    return tabulate(
        "Under which share of all weightings a candidate has the highest utility",
        won.to_dicts(),
        *keys("application", "dataset", "candidate"),
        number("Share", lambda row: format_share(row["win_share"])),
    )


def _tabulate_moved(moved: pl.DataFrame) -> Table:
    return tabulate(
        "Winners after loosening and tightening each limit",
        read_rows(moved, LimitEffect),
        *keys("application", "dataset"),
        text("Limit", lambda row: describe_limit(row.metric, row.kind, row.limit)),
        text(
            "Changed to",
            lambda row: f"{row.change}: {format_metric(row.metric, row.changed_limit)}",
        ),
        number("Within limits", _describe_counts),
        text("Winner", _describe_winners),
    )


def _describe_counts(row: LimitEffect) -> str:
    before, after = row.n_feasible, row.n_feasible_changed
    return str(before) if before == after else f"{before} to {after}"


def _describe_winners(row: LimitEffect) -> str:
    if row.flips:
        return f"{row.winner_changed or 'none'} instead of {row.winner or 'none'}"
    return row.winner or NOT_MEASURED
