"""What is known of a measurement: its rounds, its load tests, and why it is over.

A measurement is a list of *rounds*, one fresh process each. Its state is stored after each of them,
so that it is continued after an interruption and never measured twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rightfit.measuring.worker.results import (
    LimitTrial,
    ProcessResult,
    ServerResult,
)

# Why no further process is needed: precise enough, as many processes or as much time as allowed, or
# no application could choose it.
Settled = Literal["precise", "processes", "time", "screened"]


@dataclass(frozen=True)
class FinishedRound(ProcessResult):
    """What one process found, and what its parent saw of it.

    Args:
        percentiles_ns: Latency percentiles of the metric table by share; ``None``: too few calls.
        base_resident_mib: Resident memory of the empty worker.
        base_peak_mib: Highest resident memory of the empty worker.
        others_cores: Cores that processes outside its block used meanwhile; ``None``: unknown.
        block: Name of the stretch of time in which it was timed, which it shares with others.
        is_disturbed: Whether others used the cores of its threads, which no clock tells apart.
    """

    percentiles_ns: dict[float, float | None]
    base_resident_mib: float
    base_peak_mib: float
    others_cores: float | None
    block: str
    is_disturbed: bool = False

    def growth_mib(self, batch_size: int | None = None) -> float:
        """See :class:`rightfit.measuring.metrics.OneProcess`."""
        batches = [batch for batch in self.batches if batch.batch_size == batch_size]
        peaks_mib = [phase.peak_memory_mib for phase in (self.latency, *batches)]
        return max(self.load.peak_memory_mib, *peaks_mib) + self.files_mib

    def peak_mib(self, growth_mib: float) -> float:
        """See :class:`rightfit.measuring.metrics.OneProcess`."""
        return max(self.base_peak_mib, self.base_resident_mib + max(0.0, growth_mib))


@dataclass(frozen=True)
class MeasurementState:
    """What is known of one model under one serving configuration.

    Args:
        rounds: One per process, in the order of measuring.
        settled: Why no further round is needed; ``None`` while one is.
        screened_for: Fingerprint of the choice that screened it out; empty when none did.
        error: Why it cannot be measured.
        server: Load tests, one per process.
        limits: Runs under the memory of tiers.
    """

    rounds: tuple[FinishedRound, ...] = ()
    settled: Settled | None = None
    screened_for: str = ""
    error: str | None = None
    server: tuple[ServerResult, ...] = ()
    limits: tuple[LimitTrial, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be measured."""
        return self.settled is not None or self.error is not None

    @property
    def wants_no_more(self) -> bool:
        """Whether it failed or no application could choose it: nothing else is worth trying."""
        return self.settled == "screened" or self.error is not None
