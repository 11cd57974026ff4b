from __future__ import annotations

import functools
import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.measuring.worker import phases
from rightfit.measuring.worker.latency import time_calls
from rightfit.measuring.worker.meters.devices import DeviceMeter
from rightfit.measuring.worker.meters.memory import MemoryMeter
from rightfit.measuring.worker.phases import time_batches
from rightfit.measuring.worker.protocol import TimingLimits
from rightfit.measuring.worker.results import Phase
from rightfit.measuring.worker.units import NS_PER_MS


def test_batches_are_timed_until_the_time_is_over() -> None:
    now_ns = [0]
    durations_ns = iter([250_000_000, 300_000_000, 250_000_000, 250_000_000])

    def call(batch: object) -> None:
        now_ns[0] += next(durations_ns)

    n_calls, spent_ns, longest_ns = time_batches(
        call,
        [np.zeros((10, 1), dtype=np.float32)],
        TimingLimits(min_calls=1, min_ms=900.0, max_ms=2_000.0),
        clock_ns=lambda: now_ns[0],
    )

    assert (n_calls, spent_ns, longest_ns) == (4, 1_050_000_000, 300_000_000)


@pytest.mark.parametrize(
    ("n_threads", "waits", "rows_per_s"),
    [(1, 0, 48.0), (1, 1, 12.0), (2, 0, 12.0)],  # others took three quarters of the second
)
def test_throughput_is_rows_over_the_own_time_of_all_whole_batches(
    n_threads: int, waits: int, rows_per_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[npt.NDArray[np.float32]] = []

    def time_batches(_call: object, inputs: Any, _limits: object) -> tuple[int, int, int]:
        batches.extend(inputs)
        return 4, 1_000_000_000, 300_000_000

    phase = Phase(wall_ms=1e3, cpu_ms=250.0, cores=0.25, delay_share=None)
    cpu_ns = itertools.count(step=250_000_000)
    monkeypatch.setattr(phases.time, "process_time_ns", cpu_ns.__next__)
    monkeypatch.setattr(phases, "_count_waits", itertools.count(step=waits).__next__)
    monkeypatch.setattr(phases, "time_batches", time_batches)
    monkeypatch.setattr(phases, "PhaseMeter", lambda: SimpleNamespace(read=lambda: phase))
    request: Any = SimpleNamespace(
        batch_max_call_ms=1e9, batch_sizes=[3], batch=None, arguments={"n_threads": n_threads}
    )

    [timed] = phases._try_batches(
        lambda batch: batch,
        np.arange(14, dtype=np.float32).reshape(7, 2),
        request,
        MemoryMeter(None),
        DeviceMeter("cpu"),
    )

    assert (timed.batch_size, timed.rows_per_s, timed.longest_call_ms) == (3, rows_per_s, 300.0)
    assert [batch[:, 0].tolist() for batch in batches] == [[0, 2, 4], [6, 8, 10]]
    assert all(batch.flags.c_contiguous for batch in batches)


CALL_NS = 400_000


class Clock:
    """Clocks of a process whose calls take some time on its core, and some beside it."""

    def __init__(self, *, taken_ns: int, n_waits: int) -> None:
        self.wall_ns = self.cpu_ns = self.n_waits = 0
        self._taken_ns, self._waits = taken_ns, n_waits

    def call(self, _row: object) -> None:
        self.wall_ns += CALL_NS + self._taken_ns
        self.cpu_ns += CALL_NS
        self.n_waits += self._waits

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(phases.time, "perf_counter_ns", lambda: self.wall_ns)
        monkeypatch.setattr(phases.time, "process_time_ns", lambda: self.cpu_ns)
        monkeypatch.setattr(phases, "_count_waits", lambda: self.n_waits)
        monkeypatch.setattr(
            phases, "time_calls", functools.partial(time_calls, clock_ns=lambda: self.wall_ns)
        )


@pytest.mark.parametrize(
    ("taken_ns", "n_waits", "slice_ns", "samples_ns"),
    [
        (0, 0, 2 * NS_PER_MS, [CALL_NS] * 2),  # those of the first ms refill the caches
        (300_000, 0, 2 * NS_PER_MS, [CALL_NS]),  # others took the rest
        (300_000, 1, 2 * NS_PER_MS, [CALL_NS + 300_000]),  # it waited by itself
        (300_000, 0, 1, [CALL_NS]),  # there is no other
    ],
)
def test_time_that_others_took_is_left_out_of_a_slice(
    taken_ns: int, n_waits: int, slice_ns: int, samples_ns: list[int], monkeypatch: Any
) -> None:
    clock = Clock(taken_ns=taken_ns, n_waits=n_waits)
    clock.install(monkeypatch)
    slices = phases._Slices(itertools.cycle([0]), slice_ns / NS_PER_MS, has_threads=False)

    slices.time(clock.call)

    assert slices.read_samples_ns().tolist() == samples_ns


def test_call_that_is_longer_than_the_longest_slice_has_one_to_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(taken_ns=29 * NS_PER_MS - CALL_NS, n_waits=1)
    clock.install(monkeypatch)
    estimated_ms = 30.0  # a little too much
    slices = phases._Slices(
        itertools.cycle([0]), phases.choose_slice_ms(2.0, estimated_ms), has_threads=True
    )

    slices.time(clock.call)

    assert clock.wall_ns == 29 * NS_PER_MS


def test_pieces_that_others_interrupted_tell_no_call_while_others_do() -> None:
    slices = phases._Slices(itertools.cycle([0]), 1.0, has_threads=False)
    slices._pieces = [
        phases._Piece(np.array([10, 10, 10]), taken_ns=0, cpu_ns=30),
        phases._Piece(np.array([10, 10, 90]), taken_ns=80, cpu_ns=30),
    ]

    assert slices.read_samples_ns().tolist() == [10, 10, 10]
    assert slices.sum_up().wall_ms == pytest.approx(60e-6)
