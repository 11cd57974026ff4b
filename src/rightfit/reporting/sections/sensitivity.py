"""Section: what would change the winners."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rightfit.formatting import NOT_MEASURED, count, format_share
from rightfit.naming import (
    describe_limit,
    format_metric,
    listing,
    metric_name,
    sentence_case,
    words,
)
from rightfit.ranking.explanation.flips import NO_SMALL_CHANGE
from rightfit.ranking.sensitivity.limit_shadows import LimitShadow
from rightfit.reporting.charts.sensitivity_chart import draw_weight_intervals, draw_win_shares
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Chart, Fold, Section, Table, number, tabulate, text
from rightfit.typed_tables import read_rows


def build_sensitivity(results: Results) -> Section:
    """Draw shares of weight space and weight intervals, and list the effect of changed limits."""
    weighing = [
        name
        for name, application in results.applications.items()
        if len(application.weighted()) > 1
    ]
    return Section(
        id="sensitivity",
        title="What would change the winners",
        sentences=(
            describe_flips(results.tables.limit_shadows, results.rules.limit_change_pct),
            "Charts of single weights: the bar is the range of the weight's share within which the "
            "leader stays, the tick its current share, and a name at an end the candidate that "
            "leads beyond it.",
        ),
        points=tuple(_list_flips(results)),
        charts=(_draw_shares(results), *(_draw_intervals(results, name) for name in weighing)),
        folds=(Fold("Effect of each limit", (_tabulate_shadows(results.tables.limit_shadows),)),),
    )


def describe_flips(limit_shadows: pl.DataFrame, change_pct: float) -> str:
    """Say how many limits would change a winner if they moved by ``change_pct``."""
    if not limit_shadows.height:
        return "No application has a limit."
    limits = limit_shadows.group_by("application", "dataset", "metric", "kind").agg(
        pl.col("flips").any()
    )
    n_flips = int(limits["flips"].sum())
    verb = "changes" if n_flips < 2 else "change"
    return (
        f"{n_flips or 'None'} of {count(limits.height, 'limit')} {verb} the winner when loosened "
        f"or tightened by {change_pct:g} %."
    )


def _list_flips(results: Results) -> Iterator[str]:
    """Yield the smallest change that changes each winner, then the winners that none changes."""
    steady = []
    for application, recommendation in results.recommendations.items():
        for dataset, decision in recommendation.datasets.items():
            where = f"{words(application)} on {words(dataset)}"
            if decision.winner and decision.flips:
                yield f"{sentence_case(where)}: {decision.flip}"
            elif decision.winner:
                steady.append(where)
    if steady:
        yield (
            f"{NO_SMALL_CHANGE.format(results.rules.limit_change_pct)} "
            f"{count(len(steady), 'winner')}: {listing(steady)}."
        )


def _draw_shares(results: Results) -> Chart:
    shares = results.tables.win_shares
    sentence = describe_win_shares(shares)
    return Chart(
        figure=draw_win_shares(shares, marks=results.marks),
        title="All weightings.",
        caption=sentence,
        alt=f"Bars of the share of weight space each candidate wins. {sentence}",
    )


def _draw_intervals(results: Results, application: str) -> Chart:
    intervals = results.tables.weight_intervals
    sentence = describe_weights(intervals.filter(pl.col("application") == application))
    return Chart(
        figure=draw_weight_intervals(
            intervals,
            application=application,
            family_of=dict(results.rankings.select("candidate", "model").iter_rows()),
            marks=results.marks,
        ),
        title=f"{sentence_case(words(application))}, one weight at a time.",
        caption=sentence,
        alt=f"Range of each weight within which the leader stays. {sentence}",
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
        f"candidate that wins under more than half of all weightings. Least clear: "
        f"{words(least['application'])} on {words(least['dataset'])}, where {least['candidate']} "
        f"wins under {format_share(least['win_share'])}."
    )


def describe_weights(intervals: pl.DataFrame) -> str:
    """Name the weight whose smallest change gives another leader."""
    known = intervals.drop_nulls("leader")
    ends = [
        (abs(row[end] - row["share"]), row, end, row[rival])
        for row in known.to_dicts()
        for end, rival in (("share_low", "leader_below"), ("share_high", "leader_above"))
        if row[rival] is not None and row[end] is not None
    ]
    if not ends:
        return "No change of a single weight makes another candidate lead."
    _, row, end, rival = min(ends, key=lambda item: item[0])
    side = "below" if end == "share_low" else "above"
    n_decimals = 0 if format_share(row[end]) != format_share(row["share"]) else 2
    shares = f"{100 * row[end]:.{n_decimals}f} % (now {100 * row['share']:.{n_decimals}f} %)"
    return (
        f"Nearest change: on {words(row['dataset'])} {rival} leads once "
        f"{metric_name(row['metric'])} weighs {side} {shares}."
    )


def _tabulate_shadows(shadows: pl.DataFrame) -> Table:
    return tabulate(
        "Winners after loosening and tightening each limit",
        read_rows(shadows, LimitShadow),
        text("Application", lambda row: words(row.application)),
        text("Dataset", lambda row: words(row.dataset)),
        text("Limit", lambda row: describe_limit(row.metric, row.kind, row.limit)),
        text(
            "Changed to",
            lambda row: f"{row.direction}: {format_metric(row.metric, row.changed_limit)}",
        ),
        number("Within limits", _describe_counts),
        text("Winner", _describe_winners),
    )


def _describe_counts(row: LimitShadow) -> str:
    before, after = row.n_feasible, row.n_feasible_changed
    return str(before) if before == after else f"{before} to {after}"


def _describe_winners(row: LimitShadow) -> str:
    if row.flips:
        return f"{row.winner_changed or 'none'} instead of {row.winner or 'none'}"
    return row.winner or NOT_MEASURED
