"""Section: what the winners hang on."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rightfit.reporting.charts.sensitivity import draw_weight_intervals, draw_win_shares
from rightfit.reporting.naming import NOT_MEASURED, format_metric, metric_name, words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Chart, Column, Fold, Section, Table

KIND_WORDS = {"min": "at least", "max": "at most", "max_degradation": "below the best by at most"}


def build_sensitivity(results: Results) -> Section:
    """Draw shares of weight space and weight intervals, and list what changed limits change."""
    weighing = [
        name
        for name, application in results.applications.items()
        if len(application.weighted()) > 1
    ]
    return Section(
        id="sensitivity",
        title="What the winners hang on",
        sentences=(describe_flips(results.tables["limit_shadows"]),),
        points=tuple(_nearest_flips(results)),
        charts=tuple(chart for name in weighing for chart in _draw(results, name)),
        folds=(
            Fold("What each limit does", (_tabulate_shadows(results.tables["limit_shadows"]),)),
        ),
    )


def describe_flips(limit_shadows: pl.DataFrame) -> str:
    """Say how many limits would change a winner if they moved."""
    if not limit_shadows.height:
        return "No application has a limit."
    limits = limit_shadows.group_by("application", "dataset", "metric", "kind").agg(
        pl.col("flips").any()
    )
    n_flips = int(limits["flips"].sum())
    verb = "changes" if n_flips == 1 else "change"
    return (
        f"Of {limits.height} limits {n_flips} {verb} the winner when loosened or tightened by the "
        "share in the parameters of the ranking."
    )


def _nearest_flips(results: Results) -> Iterator[str]:
    """Yield per decision the smallest change that another candidate needs to win."""
    for application, recommendation in results.recommendations.items():
        for dataset, decision in recommendation["datasets"].items():
            if decision.get("flip"):
                yield f"{words(application).capitalize()} on {words(dataset)}: {decision['flip']}"


def _draw(results: Results, application: str) -> Iterator[Chart]:
    shares = results.tables["win_shares"]
    sentence = describe_win_shares(shares.filter(pl.col("application") == application))
    title = f"{words(application).capitalize()}"
    yield Chart(
        figure=draw_win_shares(shares, application=application, marks=results.marks),
        title=f"{title}: all weightings.",
        caption=sentence,
        alt=f"Bars of the share of weight space each candidate wins. {sentence}",
    )
    family_of = dict(results.rankings.select("candidate", "model").iter_rows())
    intervals = results.tables["weight_intervals"]
    sentence = describe_weights(intervals.filter(pl.col("application") == application))
    yield Chart(
        figure=draw_weight_intervals(
            intervals, application=application, family_of=family_of, marks=results.marks
        ),
        title=f"{title}: one weight at a time.",
        caption=sentence,
        alt=f"Range of each weight within which the leader stays. {sentence}",
    )


def describe_win_shares(win_shares: pl.DataFrame) -> str:
    """Say who wins the most of weight space on each dataset."""
    parts = []
    for (dataset,), part in win_shares.group_by("dataset", maintain_order=True):
        first = part.sort("win_share", descending=True, maintain_order=True).row(0, named=True)
        share = f"{first['win_share']:.0%}".replace("%", " %")
        parts.append(
            f"{first['candidate']} wins under {share} of all weightings on {words(dataset)}"
        )
    return "; ".join(parts) + "." if parts else "No candidate is within the limits."


def describe_weights(intervals: pl.DataFrame) -> str:
    """Name the weight whose change flips a leader first."""
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
    shares = f"{row[end]:.0%} (now {row['share']:.0%})".replace("%", " %")
    return (
        f"Nearest change: on {words(row['dataset'])} {rival} leads once "
        f"{metric_name(row['metric'])} weighs {side} {shares}."
    )


def _tabulate_shadows(shadows: pl.DataFrame) -> Table:
    return Table(
        caption="What loosening and tightening each limit changes",
        columns=(
            Column("application"),
            Column("dataset"),
            Column("limit"),
            Column("moved to"),
            Column("within limits", numeric=True),
            Column("winner"),
        ),
        rows=tuple(
            (
                words(row["application"]),
                words(row["dataset"]),
                f"{metric_name(row['metric'])} {KIND_WORDS[row['kind']]} "
                f"{format_metric(row['metric'], row['limit'])}",
                f"{row['direction']}: {format_metric(row['metric'], row['changed_limit'])}",
                f"{row['n_feasible']} to {row['n_feasible_changed']}"
                if row["n_feasible"] != row["n_feasible_changed"]
                else str(row["n_feasible"]),
                f"{row['winner_changed'] or 'none'} instead of {row['winner'] or 'none'}"
                if row["flips"]
                else row["winner"] or NOT_MEASURED,
            )
            for row in shadows.to_dicts()
        ),
    )
