"""Sections: what would change the winners, and what holds across datasets and over time."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import polars as pl

from rightfit._core.formatting import NOT_MEASURED, count, format_number, format_share
from rightfit._core.typed_tables import read_rows
from rightfit.measuring.naming import describe_limit, format_metric, listing, metric_name
from rightfit.ranking.explanation.decisions import list_decisions
from rightfit.ranking.explanation.rankings import FamilyComparison, tabulate_robust_choices
from rightfit.ranking.explanation.recommendation import NO_SMALL_CHANGE
from rightfit.ranking.sensitivity.break_even import BreakEven, tabulate_break_even
from rightfit.ranking.sensitivity.limit_effects import DIRECTIONS, LimitEffect
from rightfit.ranking.sensitivity.weights import tabulate_win_shares
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, figure, keys, number, tabulate, text

KEYS = ("application", "dataset", "candidate")
SMALLEST_SHARE = 0.005  # a smaller one is written as 0 %


def build_sensitivity(results: Results) -> Section:
    """List the smallest changes, the shares of weight space and the effect of changed limits."""
    win_shares = tabulate_win_shares(results.ranked)
    moved = results.limit_effects.filter(pl.col("change").is_in(DIRECTIONS))
    rules = results.rules
    tie_keys = listing([f"{key.prefer} {metric_name(key.by)}" for key in rules.ties.rule])
    standing = "the last run's winner stands, otherwise " * rules.keep_winner
    return Section(
        id="sensitivity",
        title="What would change the winners",
        sentences=(
            describe_reversals(moved, rules.limit_change_pct),
            describe_win_shares(
                win_shares,
                {
                    (application, dataset, decision.winner.candidate)
                    for application, dataset, decision in list_decisions(results.recommendations)
                    if decision.winner
                },
            ),
            f"Utilities that differ by less than {format_number(rules.equal_within)} are "
            f"practically equal; among those closer than half of that, {standing}the first of "
            f"these that differs decides: {tie_keys}. Where quality is the only objective, utility "
            "comes first.",
        ),
        points=tuple(_list_reversals(results)),
        tables=(
            tabulate(
                "Under which share of all weightings a candidate has the highest utility",
                win_shares.filter(pl.col("win_share") >= SMALLEST_SHARE).to_dicts(),
                *keys(*KEYS),
                number("Share", lambda row: format_share(row["win_share"])),
            ),
            tabulate(
                "Winners after loosening and tightening each limit",
                read_rows(moved, LimitEffect),
                *keys("application", "dataset"),
                text("Limit", lambda row: describe_limit(row.metric, row.kind, row.limit)),
                text(
                    "Changed to",
                    lambda row: f"{row.change}: {format_metric(row.metric, row.changed_limit)}",
                ),
                number(
                    "Within limits",
                    lambda row: (
                        str(row.n_feasible)
                        if row.n_feasible == row.n_feasible_changed
                        else f"{row.n_feasible} to {row.n_feasible_changed}"
                    ),
                ),
                text(
                    "Winner",
                    lambda row: (
                        f"{row.winner_changed or 'none'} instead of {row.winner or 'none'}"
                        if row.flips
                        else row.winner or NOT_MEASURED
                    ),
                ),
            ),
        ),
    )


def describe_reversals(moved: pl.DataFrame, change_pct: float) -> str:
    """Say how many limits would change a winner if they moved by ``change_pct``."""
    if not moved.height:
        return f"No application has a limit that could be moved by {change_pct:g} %."
    limits = moved.group_by("application", "dataset", "metric", "kind").agg(pl.col("flips").any())
    n_reversals = int(limits["flips"].sum())
    verb = "changes" if n_reversals < 2 else "change"
    subject = f"{n_reversals or 'None'} of {count(limits.height, 'limit')}"
    if limits.height == 1:
        subject, verb = "The one limit", "changes" if n_reversals else "does not change"
    return f"{subject} {verb} the winner when loosened or tightened by {change_pct:g} %."


def _list_reversals(results: Results) -> Iterator[str]:
    """Yield the smallest change that changes each winner, then the winners that none changes."""
    steady = []
    for application, dataset, decision in list_decisions(results.recommendations):
        where = f"{application} on {dataset}"
        if decision.winner and decision.reversals:
            yield f"{where}: {decision.reversal}"
        elif decision.winner:
            steady.append(where)
    if steady:
        yield (
            f"{NO_SMALL_CHANGE.format(results.rules.limit_change_pct)} "
            f"{count(len(steady), 'winner')}: {listing(steady)}."
        )


def describe_win_shares(win_shares: pl.DataFrame, winners: Collection[tuple[str, str, str]]) -> str:
    """Say how many decisions have a clear winner over all weightings, and the least clear one."""
    first = (
        win_shares.sort("win_share", descending=True, maintain_order=True)
        .unique(["application", "dataset"], keep="first", maintain_order=True)
        .to_dicts()
    )
    if not first:
        return "No candidate is within the limits."
    least = first[-1]
    clear = [row for row in first if row["win_share"] > 0.5]
    n_winners = sum((*map(row.get, KEYS),) in winners for row in clear)
    return (
        f"{len(clear)} of {count(len(first), 'decision')} {'has' if len(clear) == 1 else 'have'} "
        "one candidate with the highest utility under more than half of all weightings; it is the "
        f"winner in {n_winners} of them. Least clear: "
        f"{least['application']} on {least['dataset']}, where {least['candidate']} "
        f"has it under {format_share(least['win_share'])}."
    )


def build_across(results: Results) -> Section:
    """Say per application which family is the robust choice, and when training pays back."""
    break_even = tabulate_break_even(results.ranked)
    return Section(
        id="across",
        title="Across datasets and over time",
        sentences=(describe_break_even(break_even),),
        points=tuple(
            f"{name}. {recommendation.across_datasets.sentence}"
            for name, recommendation in results.recommendations.items()
        ),
        tables=(
            tabulate(
                "Each family's rank among the families, over the datasets",
                read_rows(tabulate_robust_choices(results.rankings), FamilyComparison),
                *keys("application", "model"),
                number("Within limits", lambda row: f"{row.n_feasible} of {row.n_datasets}"),
                figure("Mean rank", "mean_rank"),
                figure("Worst rank", "worst_rank"),
                text("Wins on", lambda row: ", ".join(row.won) or NOT_MEASURED),
                text("Robust choice", lambda row: "yes" if row.is_robust_choice else ""),
            ),
            tabulate(
                "Predictions after which training and serving together take less time",
                [
                    row
                    for row in read_rows(break_even, BreakEven)
                    if row.candidate != row.fastest_to_train
                ],
                *keys("application", "dataset", "candidate"),
                number("Rank", lambda row: str(row.rank)),
                figure("Training (s)", "fit_time_s"),
                figure("Serving (µs per row)", "serve_us"),
                text("Compared with", lambda row: row.fastest_to_train),
                number(
                    "Pays back after (rows)",
                    lambda row: (
                        "never"
                        if row.pays_back_after_rows is None
                        else format_number(row.pays_back_after_rows)
                    ),
                ),
            ),
        ),
    )


def describe_break_even(break_even: pl.DataFrame) -> str:
    """Say for how many winners the longer training pays back, and how soon."""
    winners = break_even.filter(pl.col("rank") == 1)
    slower = winners.filter(pl.col("candidate") != pl.col("fastest_to_train"))
    if not winners.height:
        return "No training times to compare."
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
