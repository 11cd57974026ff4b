"""An application's decisions as the page shows them: on its first screen, and in their records.

The first screen has a cell per application and dataset: the winner, its figures and limits. The
record adds a leaderboard, and all that the decision rests on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rightfit._core.formatting import (
    NOT_MEASURED,
    count,
    format_ends,
    format_number,
    format_quality,
)
from rightfit._core.typed_tables import read_rows
from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.naming import (
    describe_limit,
    format_metric,
    listing,
    metric_name,
    metric_title,
    metric_unit,
    objective_name,
    sentence_case,
)
from rightfit.measuring.profile import Profile
from rightfit.measuring.serving import THIS_MACHINE, Serving
from rightfit.measuring.throughput_curve import SHOWN, CurvePoint
from rightfit.ranking.applications.applications import QUALITIES, THREADS, THROUGHPUT
from rightfit.ranking.assessment.profile_table import SERVING_KEYS
from rightfit.ranking.explanation.decisions import (
    Decision,
    Fact,
    FactKind,
    FleetMember,
    find_facts,
    format_chance,
)
from rightfit.ranking.explanation.findings import Finding, name_subject
from rightfit.ranking.sensitivity.limit_effects import REMOVED, LimitEffect
from rightfit.reporting.run_results import Results, list_costs
from rightfit.reporting.sections.section import Table, number, sentence, tabulate, text

N_FIGURES = 3  # in a cell, the quality included; limits are always shown
UNBROKEN = "\N{NO-BREAK SPACE}"  # between a number and its unit
MAX_COSTS = 3  # columns of a leaderboard
MAX_REVERSALS = 5
IN_RECORD: tuple[FactKind, ...] = (
    "settings",
    "quality",
    "correction",
    "held_out",
    "chance",
    "twins",
    "in_use",
    "deadline",
    "segments",
    "fleet",
    "relaxation",
)
"""Facts of a decision record; its leaderboard and its first screen say the others."""


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
class KindView:
    """The winner on another kind of machine, its figures there, and what renting it costs."""

    member: FleetMember
    figures: tuple[CellFigure, ...]


@dataclass(frozen=True)
class Number:
    """A cell of a leaderboard: its text, what is known about it, and what it sorts by."""

    text: str
    interval: str = ""
    order: float | None = None


@dataclass(frozen=True)
class BoardRow:
    """A candidate's line of a leaderboard; ``parts`` are what objectives contribute, and words."""

    rank: int
    model: str
    candidate: str
    serving: str
    outcome: str
    quality: Number
    costs: tuple[Number, ...]
    utility: Number
    parts: tuple[tuple[float, str], ...]
    chance: Number
    why: str


@dataclass(frozen=True)
class DecisionView:
    """The decision for one application and dataset.

    Args:
        application: Name of the application.
        dataset: Name of the dataset.
        decision: What is recommended.
        figures: What it reaches.
        kinds: The winners on other kinds of machine.
        served: Limits of how it is served, as of a figure.
        findings: The remarks on it, the most severe first.
        quality: What its quality is called.
        costs: Names of the columns of costs.
        places: All candidates, best first.
        facts: What the decision rests on.
        reversals: What would change it.
        prices: What each limit costs; ``None`` where none decides.
        curve: Throughput and peak memory by batch size; ``None`` where they are not known.
        unmeasured: What is not known.
    """

    application: str
    dataset: str
    decision: Decision
    figures: tuple[CellFigure, ...]
    kinds: tuple[KindView, ...]
    served: tuple[tuple[bool, str], ...]
    findings: tuple[Finding, ...]
    quality: str
    costs: tuple[str, ...]
    places: tuple[BoardRow, ...]
    facts: tuple[Fact, ...]
    reversals: tuple[str, ...]
    prices: Table | None
    curve: Table | None
    unmeasured: tuple[str, ...]


def view_decisions(
    results: Results, application: str, findings: Iterable[Finding]
) -> list[DecisionView]:
    """Build the views of an application's decisions, one per dataset, each with its findings."""
    effects = results.limit_effects.filter(application=application, change=REMOVED)
    costs = list_costs(results.applications[application])[:MAX_COSTS]
    views = []
    for dataset, decision in results.recommendations[application].datasets.items():
        context = results, application, dataset, decision
        profile = results.find_profile(application, dataset)
        removed = read_rows(effects.filter(dataset=dataset), LimitEffect)
        reversals = [reversal.sentence for reversal in decision.reversals[:MAX_REVERSALS]]
        views.append(
            DecisionView(
                application=application,
                dataset=dataset,
                decision=decision,
                figures=tuple(_list_figures(*context)),
                kinds=tuple(
                    KindView(member, tuple(_list_figures(*context[:3], member)))
                    for member in (decision.fleet.kinds if decision.fleet else ())
                    if member.kind != THIS_MACHINE
                ),
                served=tuple(
                    (True, f"≤ {format_number(limit.bound)}")
                    for limit in decision.limits
                    if limit.metric == THREADS
                ),
                findings=tuple(
                    finding
                    for finding in findings
                    if finding.subject == name_subject(application, dataset)
                ),
                quality=results.quality_title(dataset),
                costs=tuple(metric_title(name) for name in costs),
                places=tuple(_list_places(*context[:3], costs=costs)),
                facts=tuple(_list_facts(*context, prices=removed)),
                reversals=tuple(reversals or [decision.reversal]),
                prices=_tabulate_prices(removed)
                if any(effect.flips for effect in removed)
                else None,
                curve=tabulate_curve(profile) if profile and profile.throughput_curve else None,
                unmeasured=tuple(_list_unmeasured(*context[:3], profile)),
            )
        )
    return views


def _list_figures(
    results: Results, application: str, dataset: str, chosen: Decision | FleetMember
) -> Iterator[CellFigure]:
    winner = chosen.winner if isinstance(chosen, Decision) else chosen
    if winner is None or winner.candidate is None:
        miss = chosen.nearest_miss if isinstance(chosen, Decision) else None
        for broken in miss.violations if miss else ():
            yield CellFigure(
                value=format_metric(broken.metric, broken.value).replace(" ", UNBROKEN),
                name=metric_name(broken.metric),
                limits=((False, broken.short),),
            )
        return
    metrics, quality = winner.metrics, winner.quality
    limits = {
        name: tuple((True, limit.short) for limit in chosen.limits if limit.metric == name)
        for name in dict.fromkeys(limit.metric for limit in chosen.limits)
    }
    of_quality = tuple(sentence for name in QUALITIES for sentence in limits.get(name, ()))
    yield CellFigure(
        value=format_quality(quality.value if quality else None),
        name=results.quality_title(dataset),
        interval=format_ends(quality.low, quality.high) if quality else "",
        limits=of_quality,
    )
    costs = list_costs(results.applications[application])
    n_limited = sum(name in limits for name in costs)
    for name in costs[: max(N_FIGURES - 1, n_limited)]:
        judged = next((limit.value for limit in chosen.limits if limit.metric == name), None)
        value = metrics[name].value if name in metrics else judged
        yield CellFigure(
            value=format_metric(name, value).replace(" ", UNBROKEN),
            name=metric_name(name),
            limits=limits.get(name, ()),
        )


def _list_places(
    results: Results, application: str, dataset: str, *, costs: list[str]
) -> Iterator[BoardRow]:
    scope = {"application": application, "dataset": dataset}
    parts = results.utility_breakdown.filter(**scope).partition_by("candidate", as_dict=True)
    for row in results.places[application].filter(dataset=dataset).iter_rows(named=True):
        raw, raw_low, raw_high = (row[f"quality_raw{end}"] for end in ("", "_low", "_high"))
        low, high = row["utility_low"], row["utility_high"]
        ends = "" if low is None or high is None else f"{low:.2f}\N{EN DASH}{high:.2f}"
        chance = format_chance(row["p_best"]) if row["feasible"] else NOT_MEASURED
        yield BoardRow(
            rank=row["rank"],
            model=row["model"],
            candidate=row["candidate"],
            serving=Serving(*(row[name] for name in SERVING_KEYS)).label,
            outcome=row["outcome"],
            quality=Number(format_quality(raw), format_ends(raw_low, raw_high), raw),
            costs=tuple(_write_cost(row, name) for name in costs),
            utility=Number(format_quality(row["utility"]), ends, row["utility"]),
            parts=tuple(
                (
                    part["contribution"],
                    f"{objective_name(part['metric'])}: {part['contribution']:.2f} "
                    f"of {part['share']:.2f}",
                )
                for part in parts[(row["candidate"],)].iter_rows(named=True)
                if part["contribution"] is not None
            ),
            chance=Number(chance, order=row["p_best"]),
            why=row["reason"],
        )


def _write_cost(place: Mapping[str, Any], name: str) -> Number:
    value, low, high = (place.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return Number(NOT_MEASURED)
    half = ""
    if low is not None and high is not None and value > 0 and high > low:
        half = f"\N{PLUS-MINUS SIGN}{format_number(round(50 * (high - low) / value, 1))} %"
    return Number(format_number(float(value)), half, float(value))


def _list_facts(
    results: Results,
    application: str,
    dataset: str,
    decision: Decision,
    *,
    prices: list[LimitEffect],
) -> Iterator[Fact]:
    load = results.load_curves.find(application, dataset, decision.winner)
    curve = load.curve if load and decision.winner else None
    facts = [
        *find_facts(decision, *(IN_RECORD if decision.winner else ("decision", *IN_RECORD))),
        Fact("prices", _describe_prices(prices, results.quality_title(dataset))),
        Fact("over_http", str(curve or "")),
    ]
    for fact in facts:
        if fact.text:
            # names of settings stay as they are written
            sentence = fact.text if fact.kind == "settings" else sentence_case(fact.text)
            yield Fact(fact.kind, f"{sentence.removesuffix('.')}.")


def _describe_prices(prices: list[LimitEffect], quality_title: str) -> str:
    """Say what the limits of a decision cost."""
    if not prices:
        return "There is no limit."
    deciding = [price for price in prices if price.flips]
    if not deciding:
        return "No limit decides: the same candidate wins without them."
    single = [price for price in deciding if price.metric is not None]
    if not single:
        return f"No single limit decides; without all of them, {_label(deciding[0])} would win."
    sentences = []
    for price in single:
        head = f"Without the limit of {_name_limit(price)}, {_label(price)} would"
        lost = _find_lost(price)
        if price.winner is None:
            sentences.append(f"{head} qualify.")
        elif lost is None:
            sentences.append(f"{head} win.")
        else:
            more = f"{format_quality(abs(lost))} {'less' if lost < 0 else 'more'}"
            sentences.append(f"{head} win, with {more} {quality_title}.")
    return " ".join(sentences)


def _name_limit(price: LimitEffect) -> str:
    if price.metric is None or price.kind is None or price.limit is None:
        return "all limits together"
    return describe_limit(price.metric, price.kind, price.limit)


def _tabulate_prices(prices: list[LimitEffect]) -> Table:
    """List who would win without each limit, and at which quality and speed."""
    return tabulate(
        "The price of each limit",
        prices,
        sentence("Limit", _name_limit),
        number("The winner's", lambda row: _write_value(row, row.value)),
        text("Without it wins", _write_other),
        number("At", lambda row: _write_value(row, row.value_changed) if row.flips else ""),
        number("Quality lost", _write_lost),
        number(
            "Throughput",
            lambda row: (
                f"{format_number(row.throughput_rows_per_s)} instead of "
                f"{format_number(row.throughput_rows_per_s_changed)} {metric_unit(THROUGHPUT)}"
                if row.flips
                else ""
            ),
        ),
    )


def _write_value(price: LimitEffect, value: float | None) -> str:
    return "" if price.metric is None else format_metric(price.metric, value)


def _write_other(price: LimitEffect) -> str:
    if price.winner_changed is None:
        return "none either"
    if price.flips:
        return _label(price)
    if price.serving != price.serving_changed:
        return f"the same, as {_label(price)}"
    return "the same"


def _label(price: LimitEffect) -> str:
    return f"{price.winner_changed} ({price.serving_changed})"


def _write_lost(price: LimitEffect) -> str:
    lost = _find_lost(price)
    if lost is None:
        return NOT_MEASURED
    return format_quality(lost) if price.flips else "none"


def _find_lost(price: LimitEffect) -> float | None:
    """Return the raw quality that a limit costs; ``None`` where either is not known."""
    now, then = price.quality_raw, price.quality_raw_changed
    return None if now is None or then is None else then - now


def tabulate_curve(profile: Profile) -> Table:
    """List throughput and peak memory by batch size, and mark the size of all other figures."""
    curve = profile.throughput_curve

    def write_size(point: CurvePoint) -> str:
        is_best = point.batch_size == curve.best_batch_size
        return f"{point.batch_size:,}{' (chosen)' if is_best else ''}"

    def write(column: str, point: CurvePoint) -> str:
        figure = point[column]
        return NOT_MEASURED if figure.value is None else str(figure)

    return tabulate(
        "Batch sizes, with 95 % intervals. Throughput and memory elsewhere are of the chosen one",
        curve,
        number("Rows a call", write_size),
        *(number(METRICS_BY_COLUMN[name].label, partial(write, name)) for name in SHOWN),
        text("Smallest machine", lambda point: point.hardware_tier or "none"),
    )


def _list_unmeasured(
    results: Results, application: str, dataset: str, profile: Profile | None
) -> Iterator[str]:
    """Say what is not known of this decision; what no profile has stands in the details."""
    scope = {"application": application, "dataset": dataset}
    lacking = results.rankings.filter(outcome="unmeasured", **scope)
    if lacking.height:
        first = lacking.row(0, named=True)
        number = count(lacking.height, "candidate")
        yield f"{number} could not be ranked: {first['candidate']} {first['reason']}."
    if profile is None:
        return
    measured = {name for name in results.profiles.columns if results.profiles[name].count()}
    for reason, metrics in profile.missing().items():
        names = [metric_name(metric.column) for metric in metrics if metric.column in measured]
        if names:
            yield f"{sentence_case(listing(names))}: {reason}."
    if not profile.throughput_curve:
        yield f"Batch sizes: {profile.throughput_curve.reason}."
