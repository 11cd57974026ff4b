from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.profiling.worker.rate_search import (
    LoadTrial,
    RateFound,
    SearchAim,
    pool_near,
    requests_of_trial,
    search_max_rate,
    serve_trial,
)
from rightfit.profiling.worker.service_times import without_idling

MS = 1_000_000
AIM = SearchAim(limit_ms=10, error=0.03, n_services=300)
FAST_NS = np.full(400, MS)


@dataclass
class Server:
    """A queue in virtual time whose service may depend on whether the server was idle."""

    service_ns: int = MS
    cold_ns: int = 0
    spent_s: float = 0.0

    def serve(self, arrivals_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        free_ns = 0
        latencies_ns = []
        for arrival_ns in arrivals_ns.tolist():
            cold_ns = self.cold_ns if free_ns <= arrival_ns else 0
            free_ns = max(free_ns, arrival_ns) + self.service_ns + cold_ns
            latencies_ns.append(free_ns - arrival_ns)
        self.spent_s += free_ns / 1e9
        return np.array(latencies_ns)

    def left_s(self, max_s: float) -> Callable[[], float]:
        return lambda: max_s - self.spent_s


def search(server: Server, *, max_s: float = 60.0, closed_ns: npt.NDArray[np.int64]) -> RateFound:
    generator = np.random.default_rng(0)
    return search_max_rate(
        server.serve, closed_ns, [], AIM, left_s=server.left_s(max_s), generator=generator
    )


def test_search_finds_the_rate_of_a_known_queue() -> None:
    # M/D/1 with a limit of ten services: 773/s for 1 ms, from ten million requests of Lindley's
    # recursion.
    found = search(Server(), closed_ns=FAST_NS)

    assert found.rate_per_s == pytest.approx(773, rel=0.02)
    assert found.utilisation == pytest.approx(0.773, rel=0.02)
    assert (found.is_capped, found.reason) == (False, None)


def test_services_under_load_count_and_those_of_the_closed_loop_do_not() -> None:
    closed_as_fast = search(Server(service_ns=2 * MS), closed_ns=2 * FAST_NS)
    closed_twice_as_fast = search(Server(service_ns=2 * MS), closed_ns=FAST_NS)

    assert closed_twice_as_fast.rate_per_s == pytest.approx(closed_as_fast.rate_per_s, rel=0.02)


@pytest.mark.parametrize(("cold_ms", "expected"), [(1, 754), (3, 711)])
def test_cold_starts_lower_the_rate_as_much_as_they_should(cold_ms: int, expected: int) -> None:
    # Expected: bisection over 600,000 requests served one after the other.
    found = search(Server(cold_ns=cold_ms * MS), closed_ns=FAST_NS)

    assert found.rate_per_s == pytest.approx(expected, rel=0.025)


def test_precise_services_end_the_search_before_the_time() -> None:
    server = Server()

    found = search(server, closed_ns=FAST_NS)

    assert found.n_services >= AIM.n_services
    assert server.spent_s < 2


def test_search_keeps_to_its_time() -> None:
    server = Server(service_ns=5 * MS)
    generator = np.random.default_rng(0)
    aim = SearchAim(limit_ms=100, error=1e-9, n_services=10_000)

    search_max_rate(
        server.serve, 5 * FAST_NS, [], aim, left_s=server.left_s(3.0), generator=generator
    )

    assert 1.0 < server.spent_s < 3.3  # arrivals are drawn: a trial may last a little longer


def test_trial_at_another_rate_gives_a_rate_when_no_time_is_left() -> None:
    server = Server()
    generator = np.random.default_rng(0)
    known = serve_trial(server.serve, 300.0, 240, generator)

    found = search_max_rate(
        server.serve, FAST_NS, [known], AIM, left_s=lambda: 0.0, generator=generator
    )

    assert found.rate_per_s == pytest.approx(773, rel=0.02)
    assert found.n_trials == 1


def test_no_time_for_any_trial_is_said() -> None:
    found = search(Server(), max_s=0.01, closed_ns=FAST_NS)

    assert found.rate_per_s is None
    assert found.reason is not None
    assert "take longer than allowed" in found.reason


def test_limit_that_a_single_request_misses_is_said() -> None:
    found = search(Server(service_ns=30 * MS), closed_ns=30 * FAST_NS)

    assert found.reason == "the p99 exceeds 10 ms without any load"


def test_limit_that_no_queue_misses_is_capped() -> None:
    generator = np.random.default_rng(0)
    server = Server(service_ns=MS // 100)

    found = search_max_rate(
        server.serve,
        FAST_NS // 100,
        [],
        SearchAim(limit_ms=1_000, error=0.03, n_services=300),
        left_s=server.left_s(60),
        generator=generator,
    )

    assert found.is_capped
    assert found.utilisation == pytest.approx(0.98)


def trial(rate_per_s: float, service_ns: int, n: int = 3) -> LoadTrial:
    times_ns = np.full(n, service_ns)
    return LoadTrial(rate_per_s, without_idling(times_ns), times_ns)


def test_services_of_distant_rates_are_not_pooled() -> None:
    trials = [trial(300, 1), trial(95, 2), trial(100, 3), trial(50, 4)]

    assert pool_near(trials, 100).measured_ns.tolist() == [2, 2, 2, 3, 3, 3]


def test_distant_rates_make_up_for_too_few_services_the_nearest_first() -> None:
    trials = [trial(300, 1), trial(95, 2), trial(50, 4)]

    assert pool_near(trials, 100, n_least=4).measured_ns.tolist() == [2, 2, 2, 4, 4, 4]


@pytest.mark.parametrize(
    ("rate_per_s", "n_near", "left_s", "expected"),
    [
        (500, 0, 60, 67),  # what a p99 needs
        (900, 0, 60, 300),  # three settling times of a queue at 90 %
        (500, 200, 60, 100),  # the 300 asked for
        (500, 300, 60, 0),  # enough, and without any spread
        (500, 0, 0.1, 0),  # no time
        (900, 0, 0.4, 180),  # half the time left
    ],
)
def test_trial_is_as_long_as_the_queue_needs_and_time_allows(
    rate_per_s: float, n_near: int, left_s: float, expected: int
) -> None:
    near, known = without_idling(np.full(n_near, MS)), without_idling(FAST_NS)

    assert requests_of_trial(rate_per_s, near, known, AIM, left_s=left_s) == expected


def test_widely_spread_services_ask_for_more() -> None:
    near = without_idling(np.random.default_rng(0).exponential(MS, 400).astype(np.int64))

    assert requests_of_trial(500, near, near, AIM, left_s=600) == 400  # as many again
