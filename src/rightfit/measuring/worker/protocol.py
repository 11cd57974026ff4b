"""Requests to a measuring process and its answers; ``_core.processes.channel`` sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from rightfit._core.processes.channel import name_kinds
from rightfit.measuring.worker.results import ProcessResult, ServerResult


@dataclass(frozen=True, kw_only=True)
class Request:
    """A task for a fresh process."""

    factory: str  # module:function of what is measured
    arguments: dict[str, Any]  # of that function, JSON types
    memory_limit_mib: float | None = None  # RLIMIT_DATA of the process
    limit_s: float | None = None  # for an answer, after which the process is killed


@dataclass(frozen=True, kw_only=True)
class ModelRequest(Request):
    """A task with a model, which the factory opens."""

    rows: str  # path of a .npy of the float32 rows to answer


@dataclass(frozen=True, kw_only=True)
class MeasureRequest(ModelRequest):
    """Open one model and be ready for slices: loading, warming up, memory of each batch size."""

    warm_up_max_ms: float
    slice_ms: float  # of calls in a row, at least one call
    batch_sizes: tuple[int, ...]  # rising
    batch_max_call_ms: float  # a batch size whose call would take longer is not tried
    files_mib: float | None  # what earlier processes found; None: look
    samples: str  # path of the .npy to write the latencies in nanoseconds to


@dataclass(frozen=True, kw_only=True)
class PredictRequest(ModelRequest):
    """Answer all rows, so that quality can be judged in the serving runtime."""

    predictions: str  # path of the .npy to write
    is_judged: bool = False  # then no answer may depend on the rows beside its own


@dataclass(frozen=True, kw_only=True)
class AnswerRequest(ModelRequest):
    """Answer rows as the model does, and wait for more."""

    answers: str  # path of the .npy to write


@dataclass(frozen=True, kw_only=True)
class RunOnceRequest(ModelRequest):
    """Answer one row and one batch: does the model run at all under the memory limit?"""

    batch_size: int


@dataclass(frozen=True, kw_only=True)
class ServerRequest(ModelRequest):
    """Answer requests that arrive at random."""

    warm_up_max_ms: float
    rate_per_s: float
    n_requests: int  # that count
    max_s: float  # of all requests
    seed: int  # of the arrivals


@dataclass(frozen=True, kw_only=True)
class DescribeRequest(Request):
    """Return what the factory says of something that only such a process may open."""


@dataclass(frozen=True)
class SliceRequest:
    """Time a slice of a process that is ready, by its number, which is its process id."""

    child: int
    batch_size: int | None = None  # None: single rows
    limit_s: float | None = None  # for an answer, after which the process is killed


@dataclass(frozen=True, kw_only=True)
class AnswerMoreRequest:
    """Answer more rows in a process that waits for them, by its number."""

    child: int
    rows: str
    answers: str
    limit_s: float | None = None


@dataclass(frozen=True)
class FinishRequest:
    """Tell what a process has found in all its slices, and end."""

    child: int
    limit_s: float | None = None
    row_slowdowns: tuple[float, ...] = ()  # of the machine in each slice; empty: unknown
    batch_slowdowns: tuple[tuple[float, ...], ...] = ()  # of each batch size that is timed


@dataclass(frozen=True)
class Hello:
    """A worker's first line: the empty process."""

    cores: tuple[int, ...]  # it runs on
    base_resident_mib: float
    base_peak_mib: float
    base_anonymous_mib: float  # that no file backs; 0 where unknown


@dataclass(frozen=True)
class Forked:
    """A measuring process' first line: it waits for its task."""

    pid: int


@dataclass(frozen=True)
class Failure:
    """A task that failed."""

    error: str  # in one line
    detail: str = ""  # traceback


@dataclass(frozen=True)
class Ready:
    """The model is loaded and warm; the process waits for slices."""

    call_ms: float  # of one row
    row_slice_ms: float  # what a slice of single rows takes
    batch_slices_ms: dict[int, float]  # of batches, by rising size: those that are timed
    child: int = 0  # its number, filled in by who receives the answer


@dataclass(frozen=True)
class SliceTimed:
    """A slice is over; the process waits for another one."""

    call_ns: float  # the middle one of its calls that count


@dataclass(frozen=True)
class Predicted:
    """All rows were answered."""

    n_rows: int


@dataclass(frozen=True)
class Answered:
    """Rows were answered; the process waits for more."""

    cpu_s: float  # that the process has taken so far
    child: int = 0  # as of Ready


@dataclass(frozen=True)
class RanOnce:
    """The model ran."""


@dataclass(frozen=True)
class Described:
    """What the factory has said."""

    found: dict[str, Any]  # JSON types


SingleTask = PredictRequest | RunOnceRequest | ServerRequest | DescribeRequest  # of one answer
Task = MeasureRequest | AnswerRequest | SingleTask
Follow = SliceRequest | FinishRequest | AnswerMoreRequest  # of a process that is ready
Answer = (
    Failure
    | Ready
    | SliceTimed
    | ProcessResult
    | Predicted
    | Answered
    | RanOnce
    | ServerResult
    | Described
)

KINDS = name_kinds(*get_args(Task), *get_args(Follow), Hello, Forked, *get_args(Answer))
