"""The first screen: per application and dataset the winner, its settings, figures and limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from rightfit.formatting import (
    count,
    format_duration,
    format_ends,
    format_number,
    format_quality,
    format_share,
)
from rightfit.naming import (
    describe_limit,
    format_metric,
    listing,
    metric_name,
    objective_name,
)
from rightfit.ranking.applications.applications import QUALITIES, THREADS, Application
from rightfit.ranking.explanation.decisions import (
    Decision,
    RankedCandidate,
    list_decisions,
)
from rightfit.ranking.explanation.facts import find_facts
from rightfit.reporting.run_results import Results

N_FIGURES = 3  # in a cell, the quality included; limits are always shown
CHOSE_IT = "on the rows that chose it"
DISTURBED = "disturbed while timed: faster on a quiet machine"
UNBROKEN = "\N{NO-BREAK SPACE}"  # between a number and its unit


@dataclass(frozen=True)
class CellFigure:
    """A figure of a winner.

    Args:
        value: With its unit.
        name: Of the metric.
        interval: 95 % interval, or what else belongs to the value; empty: nothing.
        limits: Whether each limit is kept, and in words the limit and the room left.
    """

    value: str
    name: str
    interval: str = ""
    limits: tuple[tuple[bool, str], ...] = ()


@dataclass(frozen=True)
class DecisionCell:
    """The decision for one application and dataset.

    Args:
        application: Name of the application.
        dataset: Name of the dataset.
        decision: What is recommended.
        candidate: The winner as it is shipped, else the nearest miss; ``None``: nothing to name.
        figures: What it reaches.
        served: Limits of how it is served, as of a figure.
        badge: How sure the decision is.
        warnings: What else must be known before it is used.
    """

    application: str
    dataset: str
    decision: Decision
    candidate: RankedCandidate | None
    figures: tuple[CellFigure, ...]
    served: tuple[tuple[bool, str], ...]
    badge: str
    warnings: tuple[str, ...]


def build_cells(results: Results, application: str) -> list[DecisionCell]:
    """Build the cells of an application, one per dataset."""
    cells = []
    for dataset, decision in results.recommendations[application].datasets.items():
        cells.append(
            DecisionCell(
                application=application,
                dataset=dataset,
                decision=decision,
                candidate=decision.headline or decision.nearest_miss,
                figures=tuple(_list_figures(results, application, dataset, decision)),
                served=tuple(
                    (True, f"≤ {format_number(one.bound)}")
                    for one in decision.limits
                    if one.metric == THREADS
                ),
                badge=decision.tie or ("clear" if decision.winner else decision.without_winner),
                warnings=tuple(_list_warnings(results, application, dataset, decision)),
            )
        )
    return cells


def write_headline(results: Results) -> str:
    """Say in one sentence how often the model of highest quality fits best, and how many win.

    The highest quality is that on the rows that choose, by which the applications choose too.
    """
    decisions = list_decisions(results.recommendations)
    winners = [(dataset, d.winner.candidate) for _, dataset, d in decisions if d.winner]
    best = results.profiles.filter(
        pl.col("quality_raw") == pl.col("quality_raw").max().over("dataset")
    )
    best_candidates = set(best.select("dataset", "candidate").iter_rows())  # several: equal ones
    n_best = sum(winner in best_candidates for winner in winners)
    n_candidates = results.profiles.select("dataset", "model", "candidate").n_unique()
    n_none = len(decisions) - len(winners)
    return (
        f"The model of highest quality fits best in {n_best} of {count(len(decisions), 'case')} "
        f"({count(len(results.recommendations), 'application')} on "
        f"{count(len(results.datasets), 'dataset')}); {len(set(winners))} of "
        f"{count(n_candidates, 'model')} win at least once"
        f"{f'; in {n_none} none fits' if n_none else ''}."
    )


def describe_application(application: Application) -> str:
    """Write an application's weights and limits as a sentence.

    >>> from rightfit.ranking.applications.applications import Objective
    >>> quality = Objective(weight=2, worst=0, best=1)
    >>> describe_application(Application(
    ...     description="-", scenario="offline", objectives={"quality": quality},
    ...     constraints={"peak_memory_mib": {"max": 64}},
    ... ))
    'Weights: quality 100 %. Limits: peak memory at most 64 MiB.'
    """
    weights = zip(application.weighted(), application.shares(), strict=True)
    weighed = [f"{objective_name(metric)} {format_share(share)}" for metric, share in weights]
    sentence = f"Weights: {listing(weighed)}."
    limits = [
        describe_limit(metric, kind, value)
        for metric, constraint in application.constraints.items()
        for kind, value in constraint.limits().items()
    ]
    asked = f"{sentence} Limits: {listing(limits)}." if limits else f"{sentence} No limits."
    workload = application.workload
    if workload is None:
        return asked
    hours = format_duration(workload.hours)
    n_rows = format_number(workload.n_rows).replace("G", "billion").replace("M", "million")
    return f"{asked} Deadline: {n_rows} rows in {hours}."


def list_costs(application: Application) -> list[str]:
    """Return the metrics that an application pays: limited ones first, then by weight.

    The number of threads is none of them, but part of how a candidate is served.
    """
    weighted = sorted(application.weighted().items(), key=lambda item: -item[1].weight)
    asked = dict.fromkeys([*application.constraints, *(name for name, _ in weighted)])
    return [name for name in asked if name not in (*QUALITIES, THREADS)]


def _list_figures(
    results: Results, application: str, dataset: str, decision: Decision
) -> Iterator[CellFigure]:
    if decision.headline is None:
        miss = decision.nearest_miss
        for broken in miss.violations if miss else ():
            sign = "≤" if broken.kind == "max" else "≥"
            amount = format_metric(broken.metric, broken.amount)
            yield CellFigure(
                value=format_metric(broken.metric, broken.value).replace(" ", UNBROKEN),
                name=metric_name(broken.metric),
                limits=((False, f"{sign} {format_number(broken.limit)}, {amount} beyond"),),
            )
        return
    metrics, found = decision.headline.metrics, decision.quality
    limits = {
        name: tuple((True, one.short) for one in decision.limits if one.metric == name)
        for name in dict.fromkeys(one.metric for one in decision.limits)
    }
    of_quality = tuple(one for name in QUALITIES for one in limits.get(name, ()))
    yield CellFigure(
        value=format_quality(found.raw if found else metrics.get("quality_raw")),
        name=results.quality_title(dataset),
        interval=format_ends(found.raw_low, found.raw_high) if found else CHOSE_IT,
        limits=of_quality,
    )
    costs = list_costs(results.applications.root[application])
    n_limited = sum(name in limits for name in costs)
    for name in costs[: max(N_FIGURES - 1, n_limited)]:
        judged = next((one.value for one in decision.limits if one.metric == name), None)
        value = metrics.get(name, judged)
        yield CellFigure(
            value=format_metric(name, value).replace(" ", UNBROKEN),
            name=metric_name(name),
            limits=limits.get(name, ()),
        )


def _list_warnings(
    results: Results, application: str, dataset: str, decision: Decision
) -> Iterator[str]:
    if decision.headline is None:
        if decision.nearest_miss is None or decision.outcome == "undecided":
            yield from (fact.text for fact in find_facts(decision, "Decision"))
        return
    if (results.find_profile(dataset, decision) or {}).get("disturbed"):
        yield DISTURBED
    yield from (fact.text.rstrip(".") for fact in find_facts(decision, "Not known"))
    load = results.load_curves.find(application, dataset, decision.winner)
    if load and (breach := load.describe_breach(decision.limits)):
        yield breach.rstrip(".")
    if decision.shipped and decision.shipped.is_notable:
        yield from (f"shipped {fact.text}" for fact in find_facts(decision, "Shipped"))
    for one in results.watch.changed if results.watch else ():
        if (one.application, one.dataset, one.candidate) == (
            application,
            dataset,
            decision.headline.candidate,
        ):
            yield f"changed since: {'; '.join(one.remarks)}"
