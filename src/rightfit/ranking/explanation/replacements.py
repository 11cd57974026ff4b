"""Replacements: what changing from an imported model to the winner would gain and cost."""

from __future__ import annotations

from collections.abc import Sequence

from rightfit.formatting import format_quality
from rightfit.naming import format_metric, listing, metric_name
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.explanation.decisions import (
    BrokenLimit,
    MetricChange,
    RankedCandidate,
    Replacement,
)

ARROW = "\N{RIGHTWARDS ARROW}"
RAW_QUALITY = "quality_raw"


def compare_with_winner(
    incumbent: RankedCandidate,
    winner: RankedCandidate | None,
    application: Application,
    *,
    violations: Sequence[BrokenLimit],
    is_tied: bool,
) -> Replacement:
    """Compare an imported model with the winner."""
    is_winner = winner is not None and winner.candidate == incumbent.candidate
    changes = [] if winner is None or is_winner else _list_changes(incumbent, winner, application)
    gain = (
        winner.utility - incumbent.utility
        if winner is not None and winner.utility is not None and incumbent.utility is not None
        else None
    )
    return Replacement(
        incumbent=incumbent,
        violations=list(violations),
        utility_gain=gain,
        is_tied=is_tied,
        changes=changes,
        sentence=_describe(incumbent, winner, changes, violations, is_tied=is_tied),
    )


def _list_changes(
    incumbent: RankedCandidate, winner: RankedCandidate, application: Application
) -> list[MetricChange]:
    """List the metrics that the application asks for; its quality as the dataset measures it."""
    asked = [
        RAW_QUALITY if metric == "quality" else metric for metric in application.needed_metrics()
    ]
    return [
        MetricChange(metric=metric, now=incumbent.metrics[metric], then=winner.metrics[metric])
        for metric in dict.fromkeys(asked)
        if metric in incumbent.metrics and metric in winner.metrics
    ]


def _describe(
    incumbent: RankedCandidate,
    winner: RankedCandidate | None,
    changes: Sequence[MetricChange],
    violations: Sequence[BrokenLimit],
    *,
    is_tied: bool,
) -> str:
    breaks = sorted({metric_name(one.metric) for one in violations if one.value is not None})
    unknown = sorted({metric_name(one.metric) for one in violations if one.value is None})
    fault = f" It breaks the application's limit on {listing(breaks)}." if breaks else ""
    fault += f" It lacks a measurement of {listing(unknown)}." if unknown else ""
    if winner is None:
        return f"{incumbent.label}, imported, is not to be replaced: none qualifies.{fault}"
    if winner.candidate == incumbent.candidate:
        return f"{incumbent.label}, imported, fits best: there is nothing to gain by changing."
    utility = (
        f"utility {format_quality(incumbent.utility)} {ARROW} {format_quality(winner.utility)}"
    )
    figures = [
        f"{metric_name(one.metric)} {format_metric(one.metric, one.now)} {ARROW} "
        f"{format_metric(one.metric, one.then)}"
        for one in changes
    ]
    tie = " The measurements cannot distinguish the two." if is_tied else ""
    return (
        f"Changing from {incumbent.label}, imported, to {winner.label}: "
        f"{listing([utility, *figures])}.{tie}{fault}"
    )
