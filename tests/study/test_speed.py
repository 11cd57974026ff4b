from __future__ import annotations

from collections import deque
from itertools import accumulate

import pytest

from rightfit_study.training_costs.speed import (
    MIN_LOOKS,
    SpeedProbe,
    full_speed_ns,
    is_slow,
    run_fixed_work,
)


def make_probe(
    looks_ns: list[int], *, known_ns: float | None = None, patience_ns: int = 0
) -> SpeedProbe:
    # The clock is read before and after the work, which is done three times a look.
    times_ns = [took_ns for took_ns in looks_ns for _ in range(3)]
    readings = iter(accumulate(step for took_ns in times_ns for step in (0, took_ns)))
    return SpeedProbe(known_ns, patience_ns, clock_ns=lambda: next(readings), work=lambda: None)


def test_look_is_not_misled_by_one_interrupt() -> None:
    readings = iter([0, 100, 100, 900, 900, 1_010])
    probe = SpeedProbe(None, clock_ns=lambda: next(readings), work=lambda: None)

    assert probe.time_ns() == 110


def test_probe_knows_full_speed_from_its_own_looks_when_nothing_else_does() -> None:
    probe = make_probe([150, 100, 124])

    assert [probe.time_ns() for _ in range(3)] == [150, 100, 124]
    assert probe.full_ns == 100


@pytest.mark.parametrize(
    ("looks_ns", "expected"),
    [
        ([60] * 9 + [100] * 91, 100),  # a burst of a boosted clock
        ([100] * 20 + [180] * 80, 100),  # a neighbour most of the time
        ([180] * 95 + [100] * 5, 180),  # a neighbour nearly always: that is the machine one has
    ],
)
def test_full_speed_is_usual_speed(looks_ns: list[int], expected: int) -> None:
    assert full_speed_ns(looks_ns) == expected


def test_full_speed_is_learned_from_enough_looks_of_others() -> None:
    probe = make_probe([])

    probe.learn([100] * (MIN_LOOKS - 1))
    too_early_ns = probe.known_ns
    probe.learn([180])

    assert too_early_ns is None
    assert probe.known_ns == 100


def test_full_speed_follows_the_machine() -> None:
    probe = make_probe([])

    probe.learn([100] * 500)
    probe.learn([180] * 2_000)

    assert probe.known_ns == 180


@pytest.mark.parametrize(("took_ns", "expected"), [(100, False), (140, False), (141, True)])
def test_core_is_slow_beyond_the_spread_of_undisturbed_looks(took_ns: int, expected: bool) -> None:
    assert is_slow(took_ns, full_ns=100) is expected


@pytest.mark.parametrize(
    ("looks_ns", "patience_ns", "expected", "patience_left_ns"),
    [
        ([110], 1_000, 110, 1_000),  # fast at once: nothing to wait for
        ([180, 180, 105], 2_000, 105, 920),
        ([180, 180, 180], 1_000, 180, -80),  # patience is over
        ([180], 0, 180, 0),
    ],
)
def test_waiting_ends_with_a_fast_core_or_with_patience(
    looks_ns: list[int], patience_ns: int, expected: int, patience_left_ns: int
) -> None:
    probe = make_probe(looks_ns, known_ns=100, patience_ns=patience_ns)

    assert probe.await_fast() == expected
    assert probe.patience_ns == patience_left_ns
    assert len(probe.looks_ns) == 1  # the wait does not make slow the usual


def test_fixed_work_is_the_same_work_each_time() -> None:
    assert run_fixed_work() == run_fixed_work() == 2_000 / 8 * (0 + 1 + 4 + 1 + 0 + 1 + 4 + 1)


@pytest.mark.parametrize(("n_new", "expected"), [(0, ()), (1, (3,)), (5, (1, 2, 3))])
def test_new_looks_are_those_that_are_still_held(n_new: int, expected: tuple[int, ...]) -> None:
    probe = SpeedProbe(None, looks_ns=deque([1, 2, 3], maxlen=3), n_new=n_new)

    assert probe.take_new() == expected
    assert probe.take_new() == ()


def test_each_look_is_new_once() -> None:
    probe = SpeedProbe(None, work=lambda: None)

    probe.time_ns()
    n_first = len(probe.take_new())
    probe.time_ns()
    probe.time_ns()

    assert (n_first, len(probe.take_new())) == (1, 2)
