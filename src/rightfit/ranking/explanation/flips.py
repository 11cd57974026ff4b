"""Flips: what would change the winner, a sentence each, the smallest change first."""

from __future__ import annotations

from typing import Any

import polars as pl

Json = dict[str, Any]

NO_FLIP = "No change of a single weight, and none of a single limit by {:g} %, changes the winner."


def list_flips(
    weight_intervals: pl.DataFrame, limit_shadows: pl.DataFrame, *, winner: str | None
) -> list[Json]:
    """List what would change the winner of one application on one dataset.

    Args:
        weight_intervals: Rows of that table for the application and dataset.
        limit_shadows: Rows of that table for the application and dataset.
        winner: Candidate that is recommended now. The tie rule may have put it before the leader;
            then its taking the lead is no change.

    Returns:
        Records with ``kind`` (``weight`` or ``limit``), ``metric``, ``now``, ``beyond`` (the value
        past which it changes, or at which it was tried), ``winner`` (``None``: nobody qualifies),
        ``change_pct`` (signed) and ``sentence``.
    """
    flips = [
        flip
        for row in weight_intervals.to_dicts()
        for flip in (_flip_weight(row, "low", "below"), _flip_weight(row, "high", "above"))
        if flip and flip["winner"] != winner
    ]
    flips += [_flip_limit(row) for row in limit_shadows.to_dicts() if row["flips"]]
    return sorted(flips, key=lambda flip: abs(flip["change_pct"]))


def summarise_flips(flips: list[Json], change_pct: float) -> str:
    """Say in one sentence what would change the winner most easily."""
    return flips[0]["sentence"] if flips else NO_FLIP.format(change_pct)


def _flip_weight(row: Json, end: str, side: str) -> Json | None:
    winner, beyond, now = row[f"leader_{side}"], row[f"weight_{end}"], row["weight"]
    if winner is None:
        return None
    verb = "falls below" if side == "below" else "exceeds"
    return {
        "kind": "weight",
        "metric": row["metric"],
        "now": now,
        "beyond": beyond,
        "winner": winner,
        "change_pct": 100 * (beyond / now - 1),
        "sentence": f"{winner} takes the lead once the weight of {row['metric']} {verb} "
        f"{beyond:.3g} (now {now:.3g}).",
    }


def _flip_limit(row: Json) -> Json:
    now, beyond, winner = row["limit"], row["changed_limit"], row["winner_changed"]
    effect = f"lets {winner} win" if winner else "leaves no candidate that qualifies"
    verb = "Loosening" if row["direction"] == "loosened" else "Tightening"
    return {
        "kind": "limit",
        "metric": row["metric"],
        "now": now,
        "beyond": beyond,
        "winner": winner,
        "change_pct": 100 * (beyond / now - 1),
        "sentence": f"{verb} the limit {row['kind']} {row['metric']} from {now:.4g} to "
        f"{beyond:.4g} {effect}.",
    }
