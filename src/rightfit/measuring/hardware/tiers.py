"""Hardware tiers: the ladder of machines one could rent, and which of them will do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from pydantic import Field

from rightfit._core.formatting import count
from rightfit._core.strict_model import MAX_SIZE, StrictModel
from rightfit.measuring.serving import Serving, split_device
from rightfit.measuring.worker.results import LimitTrial

Device = Literal["cpu", "cuda", "tpu"]
Verdict = Literal["fits", "does not fit", "not measurable"]

S_PER_HOUR = 3_600
ROWS_PRICED = 1_000_000


class Tier(StrictModel):
    """One machine size."""

    name: str = Field(min_length=1)  # of the tier, in results
    n_cores: int = Field(gt=0, le=100_000)  # CPU cores
    memory_mib: float = Field(gt=0, le=MAX_SIZE)  # for one process, without the system's share
    device: Device  # what serves the model
    price_per_hour: float = Field(ge=0, le=MAX_SIZE)  # in US dollars


@dataclass(frozen=True)
class TierFit:
    """What is known of a serving configuration on a tier.

    Args:
        tier: The tier.
        position: Its place on the ladder, from 1.
        verdict: Whether it runs there.
        reason: Why not; empty when it fits.
        how: How that is known.
    """

    tier: Tier
    position: int
    verdict: Verdict
    reason: str
    how: str


def fit_tiers(
    tiers: Sequence[Tier],
    serving: Serving,
    *,
    peak_memory_mib: float,
    trials: Iterable[LimitTrial],
    devices: Iterable[str],
) -> list[TierFit]:
    """Judge a measured serving configuration on every tier.

    Args:
        tiers: From the smallest to the largest.
        serving: The configuration; each of its threads uses a core.
        peak_memory_mib: Peak resident memory of its process.
        trials: What happened under the memory of tiers.
        devices: Devices that this machine has; a tier with another one can't be judged.

    Returns:
        One judgement per tier, in their order.
    """
    present = set(devices)
    by_memory = {trial.memory_mib: trial for trial in trials}
    judged = []
    for position, tier in enumerate(tiers, start=1):
        verdict: Verdict = "fits"
        reason, how = "", "from the measured cores and peak memory"
        reasons = unmet_requirements(tier, serving, peak_memory_mib=peak_memory_mib)
        trial = by_memory.get(tier.memory_mib)
        if tier.device not in present:
            verdict, how = "not measurable", "not tried"
            reason = f"this machine has no {tier.device}"
        elif reasons:
            verdict, reason = "does not fit", "; ".join(reasons)
        elif trial is not None:
            how = f"tried with {tier.memory_mib:.0f} MiB ({trial.limit})"
            if not trial.ok:
                verdict = "does not fit"
                reason = f"fails with {tier.memory_mib:.0f} MiB: {trial.error}"
        judged.append(TierFit(tier, position, verdict, reason, how))
    return judged


def smallest_fit(judged: Sequence[TierFit]) -> TierFit | None:
    """Return the first tier of the ladder that fits, ``None`` when none does."""
    return next((j for j in judged if j.verdict == "fits"), None)


def cheapest_fit(judged: Sequence[TierFit]) -> TierFit | None:
    """Return the cheapest tier that fits, the smaller one of a tie; ``None`` when none does."""
    fits = [j for j in judged if j.verdict == "fits"]
    return min(fits, key=lambda j: j.tier.price_per_hour, default=None)


def cost_per_1m_rows(tier: Tier, throughput_rows_per_s: float) -> float:
    """Return what a million rows cost on a tier that is busy all the time, in its currency.

    Args:
        tier: Where they are served.
        throughput_rows_per_s: Rows a second in the serving configuration.

    >>> nano = Tier(name="nano", n_cores=1, memory_mib=256, device="cpu", price_per_hour=0.36)
    >>> round(cost_per_1m_rows(nano, 1_000.0), 6)
    0.1
    """
    return tier.price_per_hour / S_PER_HOUR / throughput_rows_per_s * ROWS_PRICED


def unmet_requirements(tier: Tier, serving: Serving, *, peak_memory_mib: float) -> list[str]:
    """Return why a serving configuration does not fit a tier; empty when it does."""
    reasons = []
    if tier.device != serving.device:
        reasons.append(f"has {tier.device}, was measured on {serving.device}")
    if serving.n_threads > tier.n_cores:
        reasons.append(f"has {count(tier.n_cores, 'core')} for {serving.n_threads} threads")
    if not peak_memory_mib <= tier.memory_mib:
        reasons.append(f"has {tier.memory_mib:.0f} MiB, needs {peak_memory_mib:.0f}")
    return reasons


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
    measured = profiles.drop_nulls(["peak_memory_mib", "measured_how"])
    rows = []
    for *keys, peak_mib, rows_per_s, how in measured.select(*KEYS, *NEEDED).rows():
        *_, runtime, n_threads, device, _ = keys
        judged = fit_tiers(
            tiers,
            Serving(runtime, n_threads, split_device(device)[0]),
            peak_memory_mib=peak_mib,
            trials=[LimitTrial(**trial) for trial in how["limits"]],
            devices=how["devices"],
        )
        for judgement in judged:
            tier = judgement.tier
            fits = judgement.verdict == "fits"
            cost = cost_per_1m_rows(tier, rows_per_s) if fits and rows_per_s is not None else None
            where = (tier.name, judgement.position, tier.price_per_hour)
            rows.append((*keys, *where, judgement.verdict, judgement.reason, judgement.how, cost))
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
