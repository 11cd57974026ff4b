from __future__ import annotations

import numpy as np
import pytest

from rightfit.profiling.worker.service_times import (
    ServiceTimes,
    pool_services,
    read_services,
    without_idling,
)

MS = 1_000_000


def test_service_begins_with_the_arrival_or_the_answer_before() -> None:
    # Each takes 10 ms, the last 12: the second waits 5 ms and the third 12.
    arrivals_ns = np.array([0, 5, 8, 100]) * MS
    latencies_ns = np.array([10, 15, 22, 12]) * MS

    services = read_services(arrivals_ns, latencies_ns)

    assert (services.measured_ns / MS).tolist() == [10, 10, 10, 12]
    assert services.found_idle.tolist() == [True, False, False, True]


def idle_and_waited(idle_ns: list[int], waited_ns: list[int]) -> ServiceTimes:
    found_idle = np.array([True] * len(idle_ns) + [False] * len(waited_ns))
    return ServiceTimes(np.array(idle_ns + waited_ns), found_idle)


def test_requests_that_found_the_server_idle_are_warmed_by_the_difference() -> None:
    services = idle_and_waited([30, 32] * 10, [10, 12] * 10)

    assert services.cold_ns == pytest.approx(20)
    assert services.warm_ns.tolist() == pytest.approx([10, 12] * 20)


@pytest.mark.parametrize(
    ("idle_ns", "waited_ns"),
    [
        ([10, 30] * 10, [10, 29] * 10),  # well within chance
        ([10, 12] * 10, [30, 32] * 10),  # faster when idle: a queue can't be that
        ([30] * 9, [10] * 99),  # too few to compare
        ([30] * 99, [10] * 9),
    ],
)
def test_differences_by_chance_are_left_alone(idle_ns: list[int], waited_ns: list[int]) -> None:
    services = idle_and_waited(idle_ns, waited_ns)

    assert services.cold_ns == 0
    assert services.warm_ns.tolist() == [*idle_ns, *waited_ns]


def test_no_service_becomes_faster_than_the_fastest_measured() -> None:
    services = idle_and_waited([30] * 20 + [11], [10] * 20)

    assert services.warm_ns.min() == 10


def test_closed_loop_never_finds_the_server_idle() -> None:
    assert not without_idling(np.array([1, 2])).found_idle.any()


def test_parts_are_pooled_in_their_order() -> None:
    pooled = pool_services([idle_and_waited([1], [2]), without_idling(np.array([3]))])

    assert pooled.measured_ns.tolist() == [1, 2, 3]
    assert pooled.found_idle.tolist() == [True, False, False]
    assert len(pool_services([])) == 0
