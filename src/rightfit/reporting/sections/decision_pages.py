"""Decision records: a page per application with all that its decision rests on, to print."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from rightfit.formatting import NOT_MEASURED, count, format_interval, format_quality
from rightfit.http_load.load_records import WinnerLoad
from rightfit.naming import (
    describe_limit,
    format_metric,
    listing,
    metric_name,
    sentence_case,
    words,
)
from rightfit.profiling.profile import Profile
from rightfit.ranking.explanation.decisions import Decision
from rightfit.ranking.sensitivity.limit_prices import LimitPrice
from rightfit.reporting.charts.load_chart import draw_load
from rightfit.reporting.overview import describe_request
from rightfit.reporting.results import Results
from rightfit.reporting.sections.loads import describe_load
from rightfit.reporting.sections.price_of_limits import describe_prices, tabulate_prices
from rightfit.reporting.sections.section import Chart, Table
from rightfit.typed_tables import read_rows

MAX_FLIPS = 5
SCENARIOS = {
    "single_stream": "one row after the other",
    "offline": "large batches",
    "server": "requests arriving at random",
}


@dataclass(frozen=True)
class Fact:
    """A term and what is to be said of it."""

    term: str
    text: str


@dataclass(frozen=True)
class DatasetDecision:
    """The decision for one dataset.

    Args:
        dataset: Its name in words.
        model: The winner's family, for its mark; ``None``: none qualifies.
        verdict: The winner's name, or that none qualifies.
        facts: The decision, the figures behind it, the runner-up, the deadline.
        prices: What each limit costs; ``None`` where none decides.
        limits: The same in a sentence.
        load: The load curve; ``None``: see ``load_sentence``.
        load_sentence: What the curve says, or why there is none.
        flips: What would change the decision.
        unmeasured: What is not known.
    """

    dataset: str
    model: str | None
    verdict: str
    facts: tuple[Fact, ...]
    prices: Table | None
    limits: str
    load: Chart | None
    load_sentence: str
    flips: tuple[str, ...]
    unmeasured: tuple[str, ...]


@dataclass(frozen=True)
class DecisionPage:
    """The decision record of an application."""

    id: str
    title: str
    description: str
    question: tuple[Fact, ...]
    decisions: tuple[DatasetDecision, ...]


def page_id(application: str) -> str:
    """Return the anchor of an application's page."""
    return f"decision-{application}"


def build_pages(results: Results) -> list[DecisionPage]:
    """Build a page per application, in the order of the parameters."""
    prices = _group_prices(results)
    return [
        DecisionPage(
            id=page_id(name),
            title=sentence_case(words(name)),
            description=application.description,
            question=(
                Fact("Asked", describe_request(application)),
                Fact("Requests", SCENARIOS[application.scenario]),
            ),
            decisions=tuple(
                _decide(results, name, dataset, decision, prices[(name, dataset)])
                for dataset, decision in results.recommendations[name].datasets.items()
            ),
        )
        for name, application in results.applications.items()
    ]


def _group_prices(results: Results) -> dict[tuple[str, str], list[LimitPrice]]:
    found: dict[tuple[str, str], list[LimitPrice]] = defaultdict(list)
    for price in read_rows(results.tables.limit_prices, LimitPrice):
        found[(price.application, price.dataset)].append(price)
    return found


def _decide(
    results: Results, application: str, dataset: str, decision: Decision, prices: list[LimitPrice]
) -> DatasetDecision:
    winner = decision.winner
    load = results.load_curves.find(application, dataset, winner)
    return DatasetDecision(
        dataset=sentence_case(words(dataset)),
        model=None if winner is None else winner.model,
        verdict="none qualifies" if winner is None else winner.label,
        facts=tuple(_list_facts(results, application, dataset, decision)),
        prices=tabulate_prices(prices) if any(price.decides for price in prices) else None,
        limits=describe_prices(prices, results.quality_title(dataset)),
        load=None if load is None else _draw(load),
        load_sentence=describe_load(load),
        flips=tuple(flip.sentence for flip in decision.flips[:MAX_FLIPS]) or (decision.flip,),
        unmeasured=tuple(_list_unmeasured(results, application, dataset, decision)),
    )


def _draw(load: WinnerLoad) -> Chart | None:
    if load.curve is None:
        return None
    title = f"{sentence_case(words(load.application))} on {words(load.dataset)}"
    said = describe_load(load)
    return Chart(
        figure=draw_load(load.curve, title=title),
        title="Load over HTTP.",
        caption=said,
        alt=f"Latency, cores and failed requests over the rate. {said}",
    )


def _list_facts(
    results: Results, application: str, dataset: str, decision: Decision
) -> Iterator[Fact]:
    yield Fact("Decision", decision.sentence)
    if decision.headline is not None:
        yield Fact("Figures", _write_figures(results, application, dataset, decision))
    if decision.final_quality is not None:
        final = decision.final_quality
        yield Fact(
            "Quality when chosen",
            f"{format_interval(final.raw, final.raw_low, final.raw_high)} "
            f"{final.where}; {format_quality(final.chosen_by)} on the rows used "
            f"(optimism {format_quality(final.optimism)})",
        )
    if decision.shipped is not None:
        yield Fact("Shipped", f"{sentence_case(decision.shipped.sentence)}.")
    if decision.runner_up is not None:
        yield Fact("Runner-up", f"{decision.runner_up.label}: {decision.runner_up.reason}.")
    if decision.tied_with:
        yield Fact("Tied with", listing(decision.tied_with))
    if decision.kept:
        yield Fact("Kept", decision.kept)
    if decision.deadline:
        yield Fact("Deadline", decision.deadline)
    if decision.relax is not None:
        needed = [
            describe_limit(limit.metric, limit.kind, limit.needed)
            for limit in decision.relax.limits
        ]
        yield Fact("Would qualify", f"{decision.relax.candidate} with {listing(needed)}")


def _write_figures(results: Results, application: str, dataset: str, decision: Decision) -> str:
    """Write the figures of the model that is shipped."""
    winner = decision.headline
    if winner is None:
        return ""
    asked = dict(results.applications.items())[application].needed_metrics()
    shown = [name for name in asked if name not in ("quality", "quality_raw", "n_threads")]
    quality = decision.quality or format_quality(winner.metrics.get("quality_raw"))
    return "; ".join(
        [
            f"{results.quality_title(dataset)} {quality}",
            *(f"{metric_name(one)} {format_metric(one, winner.metrics.get(one))}" for one in shown),
            f"hardware tier {winner.hardware_tier or NOT_MEASURED}",
        ]
    )


def _list_unmeasured(
    results: Results, application: str, dataset: str, decision: Decision
) -> Iterator[str]:
    mine = (pl.col("application") == application) & (pl.col("dataset") == dataset)
    lacking = results.rankings.filter(mine, pl.col("outcome") == "unmeasured")
    if lacking.height:
        yield (
            f"{count(lacking.height, 'candidate')} could not be ranked: "
            f"{lacking['candidate'][0]} {lacking['reason'][0]}."
        )
    if decision.winner is not None:
        yield from _list_nulls(results, dataset, decision)
        if decision.quality is None:
            yield "The winner's quality on rows not used for the choice."


def _list_nulls(results: Results, dataset: str, decision: Decision) -> Iterator[str]:
    row = results.find_profile(dataset, decision)
    if row is None:
        yield "The winner's profile is no longer stored."
        return
    profile = Profile.from_row(row)
    for reason, metrics in profile.missing().items():
        names = [metric_name(metric.column) for metric in metrics]
        yield f"{sentence_case(listing(names))}: {reason}."
    if profile.disturbed:
        yield "Another process took the cores while the winner was timed: its times are too long."
