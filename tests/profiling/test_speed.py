from __future__ import annotations

from itertools import accumulate

import pytest

from rightfit.profiling.speed import SpeedProbe, is_slow, run_fixed_work


def make_probe(durations_ns: list[int], *, best_ns: int | None, patience_ns: int = 0) -> SpeedProbe:
    # The clock is read before and after each piece of work.
    readings = iter(accumulate(step for took_ns in durations_ns for step in (0, took_ns)))
    return SpeedProbe(best_ns, patience_ns, clock_ns=lambda: next(readings), work=lambda: None)


def test_probe_remembers_the_fastest_time() -> None:
    probe = make_probe([150, 100, 124], best_ns=None)

    assert [probe.time_ns() for _ in range(3)] == [150, 100, 124]
    assert probe.best_ns == 100


@pytest.mark.parametrize(("took_ns", "expected"), [(100, False), (125, False), (126, True)])
def test_core_is_slow_beyond_the_spread_of_undisturbed_probes(took_ns: int, expected: bool) -> None:
    assert is_slow(took_ns, best_ns=100) is expected


@pytest.mark.parametrize(
    ("durations_ns", "patience_ns", "expected", "patience_left_ns"),
    [
        ([110], 1_000, 110, 1_000),  # fast at once: nothing to wait for
        ([180, 180, 105], 1_000, 105, 640),
        ([180, 180, 180, 180], 500, 180, -40),  # patience is over
        ([180], 0, 180, 0),
    ],
)
def test_waiting_ends_with_a_fast_core_or_with_patience(
    durations_ns: list[int], patience_ns: int, expected: int, patience_left_ns: int
) -> None:
    probe = make_probe(durations_ns, best_ns=100, patience_ns=patience_ns)

    assert probe.await_fast() == expected
    assert probe.patience_ns == patience_left_ns


def test_fixed_work_is_the_same_work_each_time() -> None:
    assert run_fixed_work() == run_fixed_work() == 6_000 / 8 * (0 + 1 + 4 + 1 + 0 + 1 + 4 + 1)
