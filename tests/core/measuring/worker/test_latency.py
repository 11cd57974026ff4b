from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.measuring.worker.latency import calls_to_hold, percentile_ns, time_calls, warm_up

MS = 1_000_000


class Machine:
    """A clock that only calls move forward, by the given durations, the last one for ever."""

    def __init__(self, durations_ns: list[int]) -> None:
        self.now_ns = 0
        self.answered: list[float] = []
        self._durations = itertools.chain(durations_ns, itertools.repeat(durations_ns[-1]))

    def clock_ns(self) -> int:
        return self.now_ns

    def call(self, row: npt.NDArray[np.float32]) -> None:
        self.answered.append(float(row[0, 0]))
        self.now_ns += next(self._durations)


ROWS = [np.full((1, 1), value, dtype=np.float32) for value in (0, 1, 2)]


def test_time_calls_rotates_rows_and_keeps_call_order() -> None:
    machine = Machine([5, 7, 6, 9])

    samples = time_calls(
        machine.call,
        itertools.cycle(ROWS),
        min_calls=4,
        min_ns=0,
        max_ns=100,
        clock_ns=machine.clock_ns,
    )

    assert samples.tolist() == [5, 7, 6, 9]
    assert machine.answered == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("min_calls", "min_ns", "max_ns", "n_calls"),
    [
        (3, 0, 1_000, 3),  # enough calls
        (3, 55, 1_000, 6),  # enough calls, but too short a time
        (100, 0, 30, 3),  # the cap comes first
        (1, 0, 1, 1),  # never less than one
    ],
)
def test_time_calls_ends_at_its_limits(
    min_calls: int, min_ns: int, max_ns: int, n_calls: int
) -> None:
    machine = Machine([10])

    samples = time_calls(
        machine.call,
        itertools.cycle(ROWS),
        min_calls=min_calls,
        min_ns=min_ns,
        max_ns=max_ns,
        clock_ns=machine.clock_ns,
    )

    assert len(samples) == n_calls


def test_time_calls_keeps_more_samples_than_it_made_room_for() -> None:
    machine = Machine([1])

    samples = time_calls(
        machine.call,
        itertools.cycle(ROWS),
        min_calls=1,
        min_ns=10_000,
        max_ns=20_000,
        clock_ns=machine.clock_ns,
    )

    assert len(samples) == 10_000
    assert (samples == 1).all()


@pytest.mark.parametrize(
    ("durations_ns", "spent_ms"),
    [
        ([4 * MS], 24),  # as fast in the second block as in the first
        ([9 * MS, 9 * MS, 9 * MS, MS], 33),  # cold, then warm twice
        ([MS], 21),  # as fast, but too soon for the tail: seven blocks are 20 ms
    ],
)
def test_warm_up_goes_on_while_calls_get_faster(durations_ns: list[int], spent_ms: int) -> None:
    machine = Machine(durations_ns)

    warm_up(machine.call, ROWS, max_ns=1_000 * MS, clock_ns=machine.clock_ns)

    assert machine.now_ns == spent_ms * MS


def test_warm_up_ends_at_its_cap() -> None:
    machine = Machine([int(100 * MS * 0.9**i) for i in range(60)])

    warm_up(machine.call, ROWS, max_ns=300 * MS, clock_ns=machine.clock_ns)

    assert 300 * MS <= machine.now_ns < 600 * MS


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_percentile_is_null_below_the_calls_that_hold_it(share: float) -> None:
    enough = calls_to_hold(share)

    assert percentile_ns(np.arange(enough), share) is not None
    assert percentile_ns(np.arange(enough - 1), share) is None


@pytest.mark.parametrize(
    "draw",
    [
        lambda generator, n: generator.lognormal(0, 0.5, n),
        lambda generator, n: generator.exponential(1.0, n),
    ],
)
def test_percentile_is_as_often_too_high_as_too_low(
    draw: Callable[[np.random.Generator, int], npt.NDArray[np.float64]],
) -> None:
    generator = np.random.default_rng(1)
    truth = np.quantile(draw(generator, 2_000_000), 0.95) * 1e6

    estimates = [
        percentile_ns((draw(generator, 111) * 1e6).astype(np.int64), 0.95) for _ in range(2_000)
    ]

    assert np.mean([e > truth for e in estimates if e is not None]) == pytest.approx(0.5, abs=0.04)
