"""The first screen: one sentence, then the winner of each application and dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from rightfit.formatting import count, format_duration, format_number, format_quality, format_share
from rightfit.naming import describe_limit, format_metric, listing, metric_name, words
from rightfit.profiling.metrics import columns_from
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.explanation.decisions import Decision, RankedCandidate
from rightfit.reporting.results import Results

N_FACTS = 3  # metrics on a card beside the quality
DISTURBED = "Disturbed while it was timed: on a quiet machine it is faster."
UNBROKEN = "\N{NO-BREAK SPACE}"  # between a number and its unit
CANDIDATE = ["dataset", "model", "candidate"]


@dataclass(frozen=True)
class Card:
    """The decision for one application and dataset.

    Args:
        dataset: Its name in words.
        sentence: The decision as a sentence.
        winner: ``None`` when none qualifies; then the texts that follow are empty.
        serving: The winner's serving configuration and hardware tier.
        facts: Its quality and the metrics that count for the application.
        tie: Whether it is kept from an earlier ranking, and how many candidates it is tied with.
        disturbed: A warning if it was timed while the machine was disturbed.
        utility: Its utility with its interval.
        deadline: How long the application's workload takes with it and with another.
        shipped: Whether it is shipped refitted; empty where no refit was wanted.
    """

    dataset: str
    sentence: str
    winner: RankedCandidate | None = None
    serving: str = ""
    facts: str = ""
    tie: str = ""
    disturbed: str = ""
    utility: str = ""
    deadline: str = ""
    shipped: str = ""


@dataclass(frozen=True)
class ApplicationView:
    """An application with its decisions."""

    name: str
    title: str
    description: str
    request: str
    cards: tuple[Card, ...]


def write_headline(results: Results) -> str:
    """Say in one sentence how many models fit best, and how often that of highest quality does."""
    decisions = list(_decisions(results))
    winners = [(dataset, d.winner.candidate) for dataset, d in decisions if d.winner]
    best = _best_by_quality(results.profiles)
    n_best = sum(candidate in best[dataset] for dataset, candidate in winners)
    n_candidates = results.profiles.select(CANDIDATE).n_unique()
    n_none = len(decisions) - len(winners)
    return (
        f"{count(len(decisions), 'case')} ({count(len(results.recommendations), 'application')} on "
        f"{count(len(results.datasets), 'dataset')}): {len(set(winners))} of "
        f"{count(n_candidates, 'model')} fit best at least once, the one of the highest quality in "
        f"{n_best}{f'; in {n_none} none fits' if n_none else ''}."
    )


def describe_applications(results: Results) -> tuple[ApplicationView, ...]:
    """Build the cards of every application, in the order of the parameters."""
    return tuple(
        ApplicationView(
            name=name,
            title=words(name),
            description=application.description,
            request=describe_request(application),
            cards=tuple(
                _make_card(results, application, dataset, decision)
                for dataset, decision in results.recommendations[name].datasets.items()
            ),
        )
        for name, application in results.applications.items()
    )


def describe_request(application: Application) -> str:
    """Write an application's weights and limits as a sentence.

    >>> from rightfit.ranking.applications.applications import Objective
    >>> quality = Objective(weight=2, worst=0, best=1)
    >>> describe_request(Application(
    ...     description="-", scenario="offline", objectives={"quality": quality},
    ...     constraints={"peak_memory_mib": {"max": 64}},
    ... ))
    'Weights: quality 100 %. Limits: peak memory at most 64 MiB.'
    """
    weights = zip(application.weighted(), application.shares(), strict=True)
    weighed = listing([f"{metric_name(metric)} {format_share(share)}" for metric, share in weights])
    sentence = f"Weights: {weighed}."
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
    return f"{asked} Deadline: {_count_rows(workload.n_rows)} rows in {hours}."


def _count_rows(n_rows: float) -> str:
    return format_number(n_rows).replace("G", "billion").replace("M", "million")


def _decisions(results: Results) -> Iterator[tuple[str, Decision]]:
    for recommendation in results.recommendations.values():
        yield from recommendation.datasets.items()


def _best_by_quality(profiles: pl.DataFrame) -> dict[str, set[str]]:
    """Return the candidates of the highest quality per dataset; several where they are equal."""
    best = profiles.filter(pl.col("quality_raw") == pl.col("quality_raw").max().over("dataset"))
    return {
        dataset: set(best.filter(pl.col("dataset") == dataset)["candidate"])
        for dataset in profiles["dataset"].unique(maintain_order=True)
    }


def _make_card(
    results: Results, application: Application, dataset: str, decision: Decision
) -> Card:
    winner = decision.headline
    if winner is None:
        return Card(dataset=words(dataset), sentence=decision.sentence)
    metrics = winner.metrics
    shown = [name for name in application.needed_metrics() if name not in columns_from("answers")]
    facts = [
        f"{metric_name(name)} {format_metric(name, metrics.get(name)).replace(' ', UNBROKEN)}"
        for name in shown[:N_FACTS]
    ]
    shown_quality = decision.quality or format_quality(metrics.get("quality_raw"))
    quality = f"{results.quality_title(dataset)} {shown_quality}"
    serving = winner.serving.label
    return Card(
        dataset=words(dataset),
        sentence=decision.sentence,
        winner=winner,
        serving=f"{serving}, tier {winner.hardware_tier}",
        facts=" · ".join([quality, *facts]),
        tie=decision.tie,
        disturbed=DISTURBED
        if (results.find_profile(dataset, decision) or {}).get("disturbed")
        else "",
        utility=_utility_text(winner),
        deadline=decision.deadline,
        shipped=_write_shipped(decision),
    )


def _write_shipped(decision: Decision) -> str:
    """Say what the model that is shipped has learnt from; empty where it is the one chosen."""
    refit = decision.refit
    if refit is None:
        return ""
    text = f"Shipped: trained again on {refit.n_rows:,} rows"
    if refit.quality is None:
        return text
    worse = ", worse now by more than its standard error" if refit.quality.is_worse else ""
    return f"{text}; {format_quality(refit.quality.chosen.raw)} before{worse}"


def _utility_text(winner: RankedCandidate) -> str:
    text = f"utility {winner.utility:.2f}"
    low, high = winner.utility_low, winner.utility_high
    return text if low is None or high is None else f"{text} ({low:.2f} to {high:.2f})"
