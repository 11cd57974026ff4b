from __future__ import annotations

from itertools import accumulate

import pytest

from rightfit.profiling.speed import SpeedProbe, run_fixed_work


def make_probe(durations_ns: list[int], best_ns: int | None) -> SpeedProbe:
    # The clock is read before and after each piece of work.
    readings = iter(accumulate(step for took_ns in durations_ns for step in (0, took_ns)))
    return SpeedProbe(best_ns, clock_ns=lambda: next(readings), work=lambda: None)


def test_probe_compares_with_the_fastest_so_far() -> None:
    probe = make_probe([150, 100, 124, 126], best_ns=None)

    assert [probe() for _ in range(4)] == [False, False, False, True]
    assert probe.best_ns == 100
    assert probe.seen_ns == [150, 100, 124, 126]


@pytest.mark.parametrize(("best_ns", "is_slow"), [(100, True), (150, False), (None, False)])
def test_probe_knows_the_speed_of_earlier_processes(best_ns: int | None, is_slow: bool) -> None:
    assert make_probe([180], best_ns)() is is_slow


def test_fixed_work_is_the_same_work_each_time() -> None:
    assert run_fixed_work() == run_fixed_work() == 6_000 / 8 * (0 + 1 + 4 + 1 + 0 + 1 + 4 + 1)
