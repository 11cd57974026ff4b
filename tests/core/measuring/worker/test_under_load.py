"""The p99 at a rate, measured in a process that serves random arrivals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from factories.measurements import SETTINGS, known_load, make_settings

from rightfit.measuring.rounds.measurement import MeasurementContext, measure_under_load
from rightfit.measuring.rounds.presets import ServerSettings
from rightfit.measuring.rounds.state import MeasurementState
from rightfit.measuring.worker.open_loop import measure_at_rate
from rightfit.measuring.worker.protocol import ServerRequest
from rightfit.measuring.worker.results import ServerResult

pytestmark = pytest.mark.whole


def serve(bench: MeasurementContext, *, burn_ms: float, **server: Any) -> ServerResult:
    settings = make_settings(server=SETTINGS["server"] | {"n_processes": 1} | server)
    state = measure_under_load(
        known_load(burn_ms=burn_ms), replace(bench, settings=settings), MeasurementState()
    )
    assert state.error is None
    [served] = state.server
    return served


def test_fast_model_is_served_at_the_rate(bench: MeasurementContext) -> None:
    served = serve(bench, burn_ms=0.05, rate_per_s=500, max_s=20)  # of 20,000, on a free core

    assert served.reason is None
    assert served.p99_ms is not None
    assert served.p99_ms > 0.05
    assert served.n_requests >= 662
    assert served.utilisation > 500 * 0.05e-3


def test_model_that_cannot_keep_up_says_so(bench: MeasurementContext) -> None:
    served = serve(bench, burn_ms=8, rate_per_s=200)

    assert served.p99_ms is None
    assert "can't keep up with 200 requests/s" in str(served.reason)
    assert served.utilisation > 1.5


def test_rate_that_takes_too_long_is_not_tried(bench: MeasurementContext) -> None:
    served = serve(bench, burn_ms=2, rate_per_s=10, max_s=0.01)

    assert "take longer than allowed" in str(served.reason)


@pytest.mark.parametrize(("n_processes", "expected"), [(3, 234), (100, 67)])
def test_processes_share_the_requests_and_each_can_hold_a_p99(
    n_processes: int, expected: int
) -> None:
    server = ServerSettings(**SETTINGS["server"] | {"n_processes": n_processes})

    assert server.n_own_requests == expected


def serve_virtually(arrivals_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Answer each request in exactly 1 ms, first come, first served."""
    work_ns = np.arange(1, len(arrivals_ns) + 1) * 1_000_000
    begun_ns = np.maximum.accumulate(arrivals_ns - work_ns + 1_000_000)
    return begun_ns + work_ns - arrivals_ns


def make_request(**changes: Any) -> ServerRequest:
    values = {"rate_per_s": 800.0, "n_requests": 200_000, "max_s": 1_000.0, "seed": 0}
    return ServerRequest(factory="", arguments={}, rows="", warm_up_max_ms=0, **values | changes)


def test_waiting_in_the_queue_counts() -> None:
    # M/D/1 at 80 %: the p99 is 11.3 services, from six million requests of Lindley's recursion.
    served = measure_at_rate(serve_virtually, 1e6, make_request())

    assert served.p99_ms == pytest.approx(11.3, rel=0.05)
    assert served.utilisation == pytest.approx(0.8, rel=0.02)
    assert served.n_requests == 200_000


def test_requests_that_find_a_short_queue_do_not_count() -> None:
    # At 50 % the first 4 are discarded, of 500 that the time allows.
    served = measure_at_rate(serve_virtually, 1e6, make_request(rate_per_s=500.0, max_s=1.0))

    assert served.n_requests == 496


def test_model_that_is_slower_under_load_than_before_cannot_keep_up() -> None:
    # In a closed loop it seemed to take half as long.
    served = measure_at_rate(serve_virtually, 0.5e6, make_request(rate_per_s=1_500.0))

    assert served.p99_ms is None
    assert served.reason == "it can't keep up with 1500 requests/s: one takes 1 ms on average"


def test_each_process_draws_other_arrivals() -> None:
    found = {
        measure_at_rate(serve_virtually, 1e6, make_request(n_requests=500, seed=seed)).p99_ms
        for seed in range(3)
    }

    assert len(found) == 3


@pytest.mark.parametrize("n_requests", [0, 661])
def test_too_few_requests_for_a_p99_are_refused(n_requests: int) -> None:
    with pytest.raises(ValueError, match="662"):
        make_settings(server=SETTINGS["server"] | {"n_requests": n_requests})
