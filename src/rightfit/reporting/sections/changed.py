"""Section: which winners have left their intervals since they were measured."""

from __future__ import annotations

from rightfit.formatting import count
from rightfit.naming import sentence_case, words
from rightfit.reporting.results import Results
from rightfit.reporting.sections.section import Section, sentence, tabulate, text
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
