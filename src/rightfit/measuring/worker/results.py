"""What a measuring process finds: the records of its phases.

They inherit from each other, so that each is one flat object in JSON. Growth of memory is that of
resident memory above the empty worker's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Of a request, in order; a measured call is feeding and the graph.
READING, FEEDING, GRAPH, ANSWER = PARTS = ("reading", "feeding", "graph", "answer")


@dataclass(frozen=True)
class LoadPhase:
    """Opening the model and answering the first row."""

    load_time_ms: float  # from opening to the first answer
    memory_mib: float  # growth that stays
    peak_memory_mib: float  # highest growth


@dataclass(frozen=True)
class TimedPhase:
    """A phase whose calls were timed."""

    wall_ms: float
    cpu_ms: float  # of all threads
    n_calls: int
    peak_memory_mib: float  # highest growth


@dataclass(frozen=True)
class DeviceFigures:
    """What the meters of a device read; ``None`` where there is no figure."""

    gpu_util_pct: float | None = None
    gpu_memory_mib: float | None = None
    energy_j: float | None = None


@dataclass(frozen=True, kw_only=True)
class BatchPhase(DeviceFigures, TimedPhase):
    """Calls of one batch size (``offline``)."""

    batch_size: int
    rows_per_s: float  # rows / time of a call; of several threads, of the median stretch


@dataclass(frozen=True)
class ProcessResult:
    """What one process found about its model."""

    load: LoadPhase
    latency: TimedPhase  # calls of one row (``single_stream``)
    batches: tuple[BatchPhase, ...]  # sizes rise
    files_mib: float  # resident memory of files that the empty worker did not have
    device_reasons: dict[str, str]  # why a figure of DeviceFigures is unknown
    total_ms: float  # wall time in which it was not asleep
    cpu_ms: float = field(default=0.0, kw_only=True)  # CPU time of them, all threads
    parts: dict[str, float] | None = field(default=None, kw_only=True)  # of a request, per call


@dataclass(frozen=True, kw_only=True)
class ServerResult:
    """What one process found when requests arrived at random (``server``)."""

    p99_ms: float | None = None  # from the scheduled arrival to the answer
    utilisation: float  # share of time the server was busy; above 1 when it could not keep up
    n_requests: int = 0  # behind the p99
    reason: str | None = None  # why there is no p99


@dataclass(frozen=True)
class LimitTrial:
    """A run under the memory of a hardware tier."""

    memory_mib: float  # of the tier
    ok: bool  # whether the model ran
    error: str | None  # why not
    limit: str  # what limited it
