"""Models in use: what changing to the winner gains, and which winners no longer cost the same."""

from __future__ import annotations

from dataclasses import dataclass

from rightfit.formatting import NOT_MEASURED, count, format_quality
from rightfit.naming import format_metric, metric_name, sentence_case, words
from rightfit.ranking.explanation.decisions import (
    MetricChange,
    RankedCandidate,
    Replacement,
    list_decisions,
)
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.section import Section, Table, number, sentence, tabulate, text
from rightfit.serving.watched_winners import WatchedWinner


def build_changed(results: Results) -> list[Section]:
    """Say what the latest ``rightfit watch`` has found of the present winners, if there is one."""
    watch = results.watch
    watched = [one for one in watch.winners if _is_winner(one, results)] if watch else []
    if watch is None or not watched:
        return []
    changed = [one for one in watched if one.changes]
    ordered = changed + [one for one in watched if not one.changes]
    when = watch.watched_at[:16].replace("T", " ")
    return [
        Section(
            id="changed-since",
            title="Changed since",
            sentences=(
                f"{count(len(watched), 'winner')} measured again on {when} UTC: "
                f"{len(changed) or 'none'} changed for the worse.",
            ),
            tables=(
                tabulate(
                    "Winners measured again",
                    ordered,
                    text("Application", lambda one: sentence_case(words(one.application))),
                    text("Dataset", lambda one: words(one.dataset)),
                    text("Winner", lambda one: one.candidate),
                    sentence(
                        "Since it was ranked", lambda one: "; ".join(one.remarks) or "unchanged"
                    ),
                ),
            ),
        )
    ]


def _is_winner(one: WatchedWinner, results: Results) -> bool:
    recommendation = results.recommendations.get(one.application)
    decision = recommendation.datasets.get(one.dataset) if recommendation else None
    return bool(decision and decision.winner and decision.winner.candidate == one.candidate)


@dataclass(frozen=True)
class _Compared:
    """An imported model and the winner of one application and dataset."""

    application: str
    dataset: str
    found: Replacement
    winner: RankedCandidate | None


def build_replacements(results: Results) -> list[Section]:
    """Compare each imported model with the winners; no section where no model is imported."""
    compared = [
        _Compared(application, dataset, found, decision.winner)
        for application, dataset, decision in list_decisions(results.recommendations)
        for found in decision.replacements
    ]
    if not compared:
        return []
    return [
        Section(
            id="replacements",
            title="What would changing gain",
            sentences=("Imported models are files that took part without a search.",),
            tables=(
                _tabulate(compared),
                *(_tabulate_changes(one) for one in compared if one.found.changes),
            ),
        )
    ]


def _tabulate(compared: list[_Compared]) -> Table:
    return tabulate(
        "Imported models beside the winners",
        compared,
        text("Application", lambda one: sentence_case(words(one.application))),
        text("Dataset", lambda one: words(one.dataset)),
        text("Imported", lambda one: one.found.incumbent.label),
        number("Utility", lambda one: format_quality(one.found.incumbent.utility)),
        text("Winner", lambda one: one.winner.label if one.winner else "none qualifies"),
        number("Gain of utility", lambda one: _write_gain(one.found)),
        text("Within its limits", lambda one: "no" if one.found.violations else "yes"),
    )


def _write_gain(found: Replacement) -> str:
    if found.utility_gain is None:
        return NOT_MEASURED
    tie = " (tied)" if found.is_tied else ""
    return f"{found.utility_gain:+.3f}{tie}"


def _tabulate_changes(one: _Compared) -> Table:
    return tabulate(
        one.found.sentence,
        one.found.changes,
        text("Metric", lambda change: sentence_case(metric_name(change.metric))),
        number("Imported", lambda change: format_metric(change.metric, change.now)),
        number("Winner", lambda change: format_metric(change.metric, change.then)),
        number("Winner / imported", _write_ratio),
    )


def _write_ratio(change: MetricChange) -> str:
    if change.now is None or change.then is None or not change.now > 0:
        return NOT_MEASURED
    return f"{change.then / change.now:.3g}"
