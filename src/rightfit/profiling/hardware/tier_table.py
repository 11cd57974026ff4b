"""Profiles on every tier of the hardware ladder, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from rightfit.profiling.hardware.tiers import Judged, Tier, cost_per_1m_rows, judge_tiers

KEYS = ("dataset", "model", "candidate", "runtime", "n_threads", "device")


def tabulate_tiers(
    profiles: pl.DataFrame, tiers: Sequence[Tier], *, devices: Iterable[str]
) -> pl.DataFrame:
    """Judge every profile on every tier.

    Args:
        profiles: Resource profiles.
        tiers: The ladder, smallest first.
        devices: Devices of the machine they were measured on.

    Returns:
        One row per profile and tier: the profile's keys, ``tier``, ``position`` (from 1),
        ``price_per_hour``, ``verdict`` (fits, does not fit, not measurable), ``reason``, ``how``,
        and ``cost_usd_per_1m_rows`` where it fits. A profile that was not measured has none.
    """
    present = tuple(devices)
    rows = [
        _row(profile, judged)
        for profile in profiles.filter(pl.col("peak_memory_mib").is_not_null()).to_dicts()
        for judged in judge_tiers(
            tiers,
            n_threads=profile["n_threads"],
            device=profile["device"],
            peak_memory_mib=profile["peak_memory_mib"],
            trials=json.loads(profile["measured_how"])["limits"],
            devices=present,
        )
    ]
    schema: dict[str, Any] = {
        **{key: profiles.schema[key] for key in KEYS},
        "tier": pl.String,
        "position": pl.Int64,
        "price_per_hour": pl.Float64,
        "verdict": pl.String,
        "reason": pl.String,
        "how": pl.String,
        "cost_usd_per_1m_rows": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema)


def _row(profile: dict[str, Any], judged: Judged) -> dict[str, Any]:
    fits = judged.verdict == "fits"
    return {
        **{key: profile[key] for key in KEYS},
        "tier": judged.tier.name,
        "position": judged.position,
        "price_per_hour": judged.tier.price_per_hour,
        "verdict": judged.verdict,
        "reason": judged.reason,
        "how": judged.how,
        "cost_usd_per_1m_rows": (
            cost_per_1m_rows(judged.tier, profile["throughput_rows_per_s"]) if fits else None
        ),
    }
