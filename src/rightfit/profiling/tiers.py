"""Hardware tiers: the ladder of machines one could rent, and the smallest that will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Device = Literal["cpu", "cuda", "tpu"]


class Tier(BaseModel):
    """One machine size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    n_cores: int = Field(gt=0)
    memory_mib: float = Field(gt=0)  # what a process can have, the system's share taken off
    device: Device
    price_per_hour: float = Field(ge=0)


class Ladder(BaseModel):
    """Tiers from the smallest to the largest; a tier's position from 1 is its rank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tiers: tuple[Tier, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Ladder:
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            raise ValueError(f"tiers must have different names, but got {names}")
        return self


def smallest_tier(
    tiers: Sequence[Tier], *, n_threads: int, peak_memory_mib: float, device: str
) -> tuple[int, Tier] | None:
    """Return the first tier with enough cores and memory and the right device.

    Args:
        tiers: From the smallest to the largest.
        n_threads: Threads the serving configuration uses, a core each.
        peak_memory_mib: Peak resident memory of the process.
        device: Device it was measured on.

    Returns:
        Position from 1 and the tier, ``None`` when it fits none.

    >>> nano = Tier(name="nano", n_cores=1, memory_mib=256, device="cpu", price_per_hour=0.01)
    >>> smallest_tier([nano], n_threads=1, peak_memory_mib=100.0, device="cpu")[0]
    1
    >>> smallest_tier([nano], n_threads=2, peak_memory_mib=100.0, device="cpu") is None
    True
    """
    for position, tier in enumerate(tiers, start=1):
        if not misfits(tier, n_threads=n_threads, peak_memory_mib=peak_memory_mib, device=device):
            return position, tier
    return None


def misfits(tier: Tier, *, n_threads: int, peak_memory_mib: float, device: str) -> list[str]:
    """Return why a serving configuration does not fit a tier; empty when it does."""
    reasons = []
    if tier.device != device:
        reasons.append(f"has {tier.device}, was measured on {device}")
    if n_threads > tier.n_cores:
        reasons.append(f"has {tier.n_cores} cores for {n_threads} threads")
    if not peak_memory_mib <= tier.memory_mib:
        reasons.append(f"has {tier.memory_mib:.0f} MiB, needs {peak_memory_mib:.0f}")
    return reasons
