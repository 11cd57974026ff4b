"""Workers that time nothing: costs follow from the model's name, predictions are real.

With them all that a run stores is decided by its inputs, apart from what training took.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from factories.measurements import make_round

from rightfit.measuring.rounds.worker_pool import Worker, WorkerKind, WorkerPool
from rightfit.measuring.worker.process import handle
from rightfit.measuring.worker.protocol import (
    FinishRequest,
    Hello,
    MeasureRequest,
    Ready,
    SliceRequest,
    SliceTimed,
)
from rightfit.measuring.worker.results import ProcessResult

HELLO = Hello(cores=(0,), base_resident_mib=95.0, base_peak_mib=105.0, base_anonymous_mib=50.0)
N_CALLS = 140


def fix_costs() -> None:
    """Let this process measure with :class:`FixedPool`, and wait for no other measurement."""
    from rightfit.api import candidate_measuring
    from rightfit.measuring.rounds import block_timing, measurement

    candidate_measuring.shared_pool = lambda: FixedPool(1)  # type: ignore[attr-defined]
    for module in (block_timing, measurement):
        module.machine_lock = contextlib.nullcontext  # type: ignore[attr-defined]


class FixedPool(WorkerPool):
    """Gives every kind a worker that times nothing."""

    def get(self, kind: WorkerKind) -> Worker:
        """Return a worker of a kind."""
        return FixedWorker(kind)  # type: ignore[return-value]

    def start(self, kinds: Iterable[WorkerKind], *, limit_s: float | None = None) -> None:
        """Start nothing."""


class FixedWorker(SimpleNamespace):
    """Answers in this process; a request to time a model gets figures made from its name."""

    hello = HELLO
    is_closed = False

    def __init__(self, kind: WorkerKind) -> None:
        super().__init__(kind=kind, requests=[])

    def ask(self, request: Any, _kind: type) -> Any:
        """Answer a request."""
        match request:
            case MeasureRequest():
                self.requests.append(request)
                slices_ms = dict.fromkeys(request.batch_sizes, 2.0)
                return Ready(1.0, 2.0, slices_ms, child=len(self.requests) - 1)
            case SliceRequest():
                return SliceTimed(call_ns=1e6)
            case FinishRequest():
                return self._measure(self.requests[request.child])
        return handle(request)

    def await_hello(self, _limit_s: float | None) -> None:
        """Return at once."""

    def leave(self, child: int) -> None:
        """End nothing."""

    def _measure(self, request: MeasureRequest) -> ProcessResult:
        bundle = str(request.arguments.get("folder", request.arguments)).rpartition("/")[2]
        name = f"{bundle} {request.factory} {self.kind}"
        digest = hashlib.sha256(name.encode()).digest()
        latency_ns = 50_000 + 200_000 * digest[0]
        samples_ns: npt.NDArray[np.int64] = np.full(N_CALLS, latency_ns, dtype=np.int64)
        np.save(request.samples, samples_ns)
        latency = {"n_calls": N_CALLS}
        made = vars(make_round(latency=latency))
        return ProcessResult(**{one.name: made[one.name] for one in fields(ProcessResult)})
