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
    found = []
    for row in intervals:
        for leader, beyond, verb in (
            (row.leader_below, row.weight_low, "falls below"),
            (row.leader_above, row.weight_high, "exceeds"),
        ):
            if leader is None or beyond is None or leader == winner:
                continue
            if not 1 / MAX_FACTOR <= beyond / row.weight <= MAX_FACTOR:
                continue
            found.append(
                Reversal(
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
            )
    for effect in effects:
        metric, kind, limit = effect.metric, effect.kind, effect.limit
        if metric is None or kind is None or limit is None or effect.changed_limit is None:
            continue  # removed, which is no small change
        if not effect.flips:
            continue
        other = effect.winner_changed
        what = f"{other} wins" if other else "no candidate qualifies"
        now = f"{format_number(limit)} {metric_unit(metric)}".strip()
        found.append(
            Reversal(
                kind="limit",
                metric=metric,
                now=limit,
                beyond=effect.changed_limit,
                winner=other,
                change_pct=100 * (effect.changed_limit / limit - 1),
                sentence=f"With the limit {effect.change} to "
                f"{describe_limit(metric, kind, effect.changed_limit)} (now {now}), {what}.",
            )
        )
    return sorted(found, key=lambda reversal: abs(reversal.change_pct))


def summarise_reversals(reversals: list[Reversal], change_pct: float) -> str:
    """Say in one sentence what would change the winner most easily."""
    return (
        reversals[0].sentence if reversals else f"{NO_SMALL_CHANGE.format(change_pct)} the winner."
    )
