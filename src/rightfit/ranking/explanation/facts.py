"""The facts of a decision, each in words once: whatever shows a decision chooses among these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rightfit.formatting import format_interval, format_number, format_quality, format_share
from rightfit.naming import describe_limit, format_metric, listing, metric_unit
from rightfit.profiling.profile import Profile
from rightfit.ranking.explanation.decisions import Decision, NearestProfile
from rightfit.request_path import MODEL

P50 = "latency_p50_ms"


@dataclass(frozen=True)
class Fact:
    """A term, and what is known by it."""

    term: str
    text: str


def decision_facts(decision: Decision, profile: Profile | None = None) -> list[Fact]:
    """List the facts of a decision.

    The terminal's table, the report, ``rightfit which`` and an export's README show them, each
    those that it has room for.

    Args:
        decision: The decision.
        profile: Profile of the model that is shipped; ``None`` where it is not at hand.

    Returns:
        The facts that there are, in order; a term may stand more than once.
    """
    runner_up = decision.runner_up
    facts: list[tuple[str, object]] = [
        ("Decision", decision.sentence),
        ("Settings", decision.winner and decision.winner.settings),
        ("Quality", decision.quality),
        ("When chosen", _describe_choice(decision)),
        *(("Limit", limit) for limit in decision.limits),
        (
            "Runner-up",
            runner_up and f"{runner_up.label}, utility {format_quality(runner_up.utility)}",
        ),
        ("Tied with", decision.tied_with and listing(decision.tied_with)),
        ("Kept", decision.kept),
        ("Not known", decision.not_known),
        ("Shipped", decision.shipped and decision.shipped.sentence),
        *(("In use", one.sentence) for one in decision.replacements),
        ("Deadline", decision.deadline),
        ("Would change it", decision.reversal),
        ("Would qualify", decision.relax and describe_relaxation(decision.relax)),
        ("What went in", profile and describe_input(profile)),
        ("Measured", profile and describe_disturbance(profile)),
    ]
    return [Fact(term, str(fact)) for term, fact in facts if fact]


def find_facts(decision: Decision, *terms: str) -> Iterator[Fact]:
    """Yield the facts of a decision that stand under one of some terms."""
    yield from (fact for fact in decision_facts(decision) if fact.term in terms)


def describe_relaxation(nearest: NearestProfile) -> str:
    """Say which limits would have to change so that a candidate qualifies."""
    limits = [
        f"{describe_limit(limit.metric, limit.kind, limit.needed)} instead of "
        f"{format_number(limit.limit)} {metric_unit(limit.metric)}".rstrip()
        for limit in nearest.limits
    ]
    return f"{nearest.label}, with {listing(limits)}"


def describe_input(profile: Profile) -> str:
    """Say what a measured request held, and what encoding took of the median latency."""
    if profile.serving.request_path == MODEL:
        return "encoded rows; encoding is not included"
    encoding_ms, whole_ms = profile.encoding_ms, profile.latency_p50_ms.value
    if encoding_ms is None or not whole_ms:
        return "raw columns, encoder included"
    share = format_share(min(1.0, encoding_ms / whole_ms))
    return (
        f"raw columns; encoding takes {format_metric(P50, encoding_ms)} of the median latency of "
        f"{format_metric(P50, whole_ms)} ({share})"
    )


def describe_disturbance(profile: Profile) -> str:
    """Say whether another process took the cores while a profile was timed."""
    if profile.disturbed is None:
        return "not known whether undisturbed"
    if profile.disturbed:
        return "DISTURBED: another process used the cores while it was timed; measure again"
    return "undisturbed"


def _describe_choice(decision: Decision) -> str:
    """Say the quality that chose the winner and, if another model is shipped, its own."""
    final = decision.final_quality
    if final is None:
        return ""
    chosen = (
        f"{format_quality(final.chosen_by)} on the rows used "
        f"(optimism {format_quality(final.optimism)})"
    )
    if decision.refit is None:
        return chosen
    return f"{format_interval(final.raw, final.raw_low, final.raw_high)} {final.where}; {chosen}"
