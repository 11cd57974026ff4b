"""Reversals: what would change the winner, a sentence each, the smallest change first."""

from __future__ import annotations

from collections.abc import Iterable

from rightfit.formatting import format_number
from rightfit.naming import describe_limit, metric_unit, objective_name
from rightfit.ranking.explanation.decisions import Reversal
from rightfit.ranking.sensitivity.limit_effects import LimitEffect
from rightfit.ranking.sensitivity.weights import WeightInterval

MAX_FACTOR = 10  # a weight that must grow or shrink more tells nobody how sure the winner is
NO_SMALL_CHANGE = (
    "No single weight up to ten times as large or as small, and no single limit moved by {:g} %, "
    "changes"
)


def list_reversals(
    intervals: Iterable[WeightInterval], effects: Iterable[LimitEffect], *, winner: str | None
) -> list[Reversal]:
    """List what would change the winner of one application on one dataset.

    Weights that would have to grow or shrink more than tenfold are left out.

    Args:
        intervals: Its weight intervals on the dataset.
        effects: The effects of its limits on the dataset.
        winner: Candidate that is recommended now. The tie rule may have put it before the leader;
            then its taking the lead is no change.
    """
    found = [
        reversal
        for row in intervals
        for reversal in (
            _reverse_by_weight(row, row.leader_below, row.weight_low, "falls below"),
            _reverse_by_weight(row, row.leader_above, row.weight_high, "exceeds"),
        )
        if reversal and reversal.winner != winner
    ]
    found += [reversal for row in effects if row.flips and (reversal := _reverse_by_limit(row))]
    return sorted(found, key=lambda reversal: abs(reversal.change_pct))


def summarise_reversals(reversals: list[Reversal], change_pct: float) -> str:
    """Say in one sentence what would change the winner most easily."""
    return (
        reversals[0].sentence if reversals else f"{NO_SMALL_CHANGE.format(change_pct)} the winner."
    )


def _reverse_by_weight(
    row: WeightInterval, leader: str | None, beyond: float | None, verb: str
) -> Reversal | None:
    if leader is None or beyond is None:
        return None
    if not 1 / MAX_FACTOR <= beyond / row.weight <= MAX_FACTOR:
        return None
    return Reversal(
        kind="weight",
        metric=row.metric,
        now=row.weight,
        beyond=beyond,
        winner=leader,
        change_pct=100 * (beyond / row.weight - 1),
        sentence=f"{leader} has the highest utility once the weight of "
        f"{objective_name(row.metric)} {verb} {format_number(beyond)} "
        f"(now {format_number(row.weight)}).",
    )


def _reverse_by_limit(row: LimitEffect) -> Reversal | None:
    if row.metric is None or row.kind is None or row.limit is None or row.changed_limit is None:
        return None  # removed, which is no small change
    effect = f"{row.winner_changed} wins" if row.winner_changed else "no candidate qualifies"
    now = f"{format_number(row.limit)} {metric_unit(row.metric)}".strip()
    return Reversal(
        kind="limit",
        metric=row.metric,
        now=row.limit,
        beyond=row.changed_limit,
        winner=row.winner_changed,
        change_pct=100 * (row.changed_limit / row.limit - 1),
        sentence=f"With the limit {row.change} to "
        f"{describe_limit(row.metric, row.kind, row.changed_limit)} (now {now}), {effect}.",
    )
