"""Limit shadows: what loosening or tightening one limit changes.

Table ``limit_shadows``: two rows per application, dataset and limit, ``direction`` being
``loosened`` or ``tightened``: ``metric``, ``kind``, ``limit`` and ``changed_limit`` as in the YAML,
``n_feasible`` and ``n_feasible_changed`` candidates, ``winner`` and ``winner_changed`` (candidates;
null: none qualifies), ``utility`` and ``utility_changed`` of the winners, and ``flips``: whether
the winner changes. Limits on counts, of which a percentage makes no sense, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from rightfit.ranking.applications.applications import Application, LimitKind
from rightfit.ranking.contest.contest import Contest, hold_contest
from rightfit.ranking.ranked import Ranked, settle_order

COUNTS = ("n_threads", "min_hardware_tier")

SCHEMA = {
    **dict.fromkeys(("application", "dataset", "metric", "kind", "direction"), pl.String),
    **dict.fromkeys(("limit", "changed_limit"), pl.Float64),
    **dict.fromkeys(("n_feasible", "n_feasible_changed"), pl.Int64),
    **dict.fromkeys(("winner", "winner_changed"), pl.String),
    **dict.fromkeys(("utility", "utility_changed"), pl.Float64),
    "flips": pl.Boolean,
}


def tabulate_limit_shadows(ranked: list[Ranked]) -> pl.DataFrame:
    """Change every limit a little, both ways, and see who wins."""
    rows = [row for one in ranked for row in _find_shadows(one.contest)]
    return pl.DataFrame(rows, schema=SCHEMA)


def change_limit(value: float, kind: LimitKind, *, direction: str, change_pct: float) -> float:
    """Loosen or tighten a limit by a percentage of its size.

    >>> change_limit(20.0, "min", direction="loosened", change_pct=10)
    18.0
    """
    raises = (direction == "tightened") == (kind == "min")
    return value + (1 if raises else -1) * abs(value) * change_pct / 100


def _find_shadows(contest: Contest) -> Iterator[dict[str, Any]]:
    before = _find_winners(contest)
    for metric, constraint in contest.application.constraints.items():
        if metric in COUNTS:
            continue
        for kind, value in constraint.limits().items():
            for direction in ("loosened", "tightened"):
                changed = change_limit(
                    value, kind, direction=direction, change_pct=contest.rules.limit_change_pct
                )
                application = _replace_limit(contest.application, metric, kind, changed)
                other = hold_contest(contest.table, contest.name, application, contest.rules)
                for old, new in zip(before, _find_winners(other), strict=True):
                    yield {
                        "application": contest.name,
                        "metric": metric,
                        "kind": kind,
                        "direction": direction,
                        "limit": value,
                        "changed_limit": changed,
                        **old,
                        **{f"{key}_changed": new[key] for key in new if key != "dataset"},
                        "flips": old["winner"] != new["winner"],
                    }


def _find_winners(contest: Contest) -> list[dict[str, Any]]:
    names = contest.table.frame["candidate"].gather(contest.chosen)
    order = settle_order(contest).order
    winners = []
    for dataset, part in zip(contest.table.datasets, contest.table.candidate_slices, strict=True):
        first = int(order[part.start])
        qualifies = bool(contest.feasible[first])
        winners.append(
            {
                "dataset": dataset,
                "n_feasible": int(contest.feasible[part].sum()),
                "winner": names[first] if qualifies else None,
                "utility": float(contest.utility[first]) if qualifies else None,
            }
        )
    return winners


def _replace_limit(
    application: Application, metric: str, kind: LimitKind, value: float
) -> Application:
    constraint = application.constraints[metric].model_copy(update={kind: value})
    constraints = {**application.constraints, metric: constraint}
    return application.model_copy(update={"constraints": constraints})
