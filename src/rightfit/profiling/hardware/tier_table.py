"""Profiles on every tier of the hardware ladder, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from rightfit.profiling.hardware.tiers import (
    Tier,
    cost_per_1m_rows,
    judge_tiers,
)
from rightfit.profiling.serving import split_device
from rightfit.profiling.worker.results import LimitTrial

KEYS = ("dataset", "model", "candidate", "runtime", "n_threads", "device", "request_path")
NEEDED = ("peak_memory_mib", "throughput_rows_per_s", "measured_how")


def tabulate_tiers(profiles: pl.DataFrame, tiers: Sequence[Tier]) -> pl.DataFrame:
    """Judge every profile on every tier.

    Args:
        profiles: Resource profiles; ``measured_how`` names the devices of the measuring machine.
        tiers: The ladder, smallest first.

    Returns:
        One row per profile and tier: the profile's keys, ``tier``, ``position`` (from 1),
        ``price_per_hour``, ``verdict`` (fits, does not fit, not measurable), ``reason``, ``how``,
        and ``cost_usd_per_1m_rows`` where it fits. A profile that was not measured has none.
    """
    measured = profiles.filter(pl.col("peak_memory_mib").is_not_null())
    rows = []
    for *keys, peak_mib, rows_per_s, how in measured.select(*KEYS, *NEEDED).rows():
        serving = dict(zip(KEYS, keys, strict=True))
        judged = judge_tiers(
            tiers,
            n_threads=serving["n_threads"],
            device=split_device(serving["device"])[0],
            peak_memory_mib=peak_mib,
            trials=[LimitTrial(**one) for one in how["limits"]],
            devices=how["devices"],
        )
        for one in judged:
            tier = one.tier
            cost = cost_per_1m_rows(tier, rows_per_s) if one.verdict == "fits" else None
            where = (tier.name, one.position, tier.price_per_hour)
            rows.append((*keys, *where, one.verdict, one.reason, one.how, cost))
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
    return pl.DataFrame(rows, schema=schema, orient="row")
