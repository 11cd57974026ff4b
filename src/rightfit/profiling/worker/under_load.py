"""The task of a measuring process that serves requests arriving at random."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.latency import Call, percentile_ns, time_calls, warm_up
from rightfit.profiling.worker.messages import ServerRequest
from rightfit.profiling.worker.open_loop import (
    MAX_UTILISATION,
    SHARE,
    MaxRate,
    poisson_arrivals_ns,
    predict_max_rate,
    requests_of_trial,
    search_max_rate,
    time_open_loop,
)
from rightfit.profiling.worker.results import ServerResult
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S

N_ROTATING_ROWS = 1_024
N_SERVICES = 400  # closed-loop calls behind the prediction, as far as SERVICE_MS allows
SERVICE_MS = 500


class LoadTrial:
    """Serves one model at given rates, until a time budget is spent.

    Args:
        call: Answers one row.
        rows: Inputs to rotate through.
        request: Length of a trial, limit, time budget and seed.
    """

    def __init__(
        self, call: Call, rows: list[npt.NDArray[np.float32]], request: ServerRequest
    ) -> None:
        self._call = call
        self._rows = rows
        self._n_requests = request.n_requests
        self._limit_ns = request.p99_limit_ms * NS_PER_MS
        self._end_ns = time.perf_counter_ns() + int(request.max_s * NS_PER_S)
        self.generator = np.random.default_rng(request.seed)

    def p99_ns(self, rate_per_s: float) -> float | None:
        """Serve at a rate; ``None`` when that would take longer than what is left."""
        n_requests = requests_of_trial(
            rate_per_s, limit_ms=self._limit_ns / NS_PER_MS, n_requests=self._n_requests
        )
        arrivals_ns = poisson_arrivals_ns(rate_per_s, n_requests, self.generator)
        if time.perf_counter_ns() + arrivals_ns[-1] > self._end_ns:
            return None
        return percentile_ns(time_open_loop(self._call, self._rows, arrivals_ns), SHARE)

    def meets(self, rate_per_s: float) -> bool | None:
        """Tell whether the p99 at a rate is within the limit; ``None`` without time to try."""
        found_ns = self.p99_ns(rate_per_s)
        return None if found_ns is None else found_ns <= self._limit_ns


def serve_under_load(
    factory: Callable[..., Callable[[], Call]], request: ServerRequest
) -> ServerResult:
    """Find the p99 at a fixed rate and the highest rate that meets a p99 limit.

    Args:
        factory: Returns what opens the model.
        request: Rows, arrivals and limits.
    """
    rows = np.load(request.rows, mmap_mode="r")
    singles = [np.array(rows[i : i + 1]) for i in range(min(len(rows), N_ROTATING_ROWS))]
    call = factory(**request.arguments)()
    warm_up(call, singles, max_ns=int(request.warm_up_max_ms * NS_PER_MS))
    services_ns = time_calls(
        call, singles, min_calls=N_SERVICES, min_ns=0, max_ns=SERVICE_MS * NS_PER_MS
    )
    mean_ns = float(services_ns.mean())
    trial = LoadTrial(call, singles, request)
    reasons: dict[str, str] = {}
    p99_ms = _at_fixed_rate(trial, mean_ns, request, reasons)
    found = _search(trial, services_ns, request, reasons)
    return ServerResult(
        p99_ms=p99_ms,
        max_rate_per_s=found.rate_per_s,
        failed_rate_per_s=found.failed_rate_per_s,
        n_trials=found.n_trials,
        mean_service_ms=mean_ns / NS_PER_MS,
        reasons=reasons,
    )


def _search(
    trial: LoadTrial,
    services_ns: npt.NDArray[np.int64],
    request: ServerRequest,
    reasons: dict[str, str],
) -> MaxRate:
    predicted = predict_max_rate(
        services_ns,
        limit_ms=request.p99_limit_ms,
        n_requests=request.n_requests,
        generator=trial.generator,
    )
    if predicted is None:
        reasons["max_rate_per_s"] = f"the p99 exceeds {request.p99_limit_ms:g} ms without any load"
        return MaxRate(None, None, 0)
    found = search_max_rate(trial.meets, predicted=predicted)
    if found.rate_per_s is None:
        reasons["max_rate_per_s"] = (
            f"no rate was found to meet {request.p99_limit_ms:g} ms within the time allowed; "
            f"{found.n_trials} were tried, from {predicted:.3g} requests/s down"
        )
    return found


def _at_fixed_rate(
    trial: LoadTrial, mean_ns: float, request: ServerRequest, reasons: dict[str, str]
) -> float | None:
    rate_per_s = request.rate_per_s
    if rate_per_s * mean_ns > MAX_UTILISATION * NS_PER_S:
        reasons["latency_under_load_p99_ms"] = (
            f"it can't keep up with {rate_per_s:g} requests/s: one takes {mean_ns / NS_PER_MS:.3g} "
            "ms on average"
        )
        return None
    p99_ns = trial.p99_ns(rate_per_s)
    if p99_ns is None:
        reasons["latency_under_load_p99_ms"] = (
            f"{request.n_requests} requests at {rate_per_s:g}/s take longer than allowed"
        )
        return None
    return p99_ns / NS_PER_MS
