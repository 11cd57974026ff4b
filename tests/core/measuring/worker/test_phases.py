from __future__ import annotations

import functools
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.measuring.worker import phases
from rightfit.measuring.worker.latency import time_calls
from rightfit.measuring.worker.meters.devices import DeviceMeter
from rightfit.measuring.worker.meters.memory import MemoryMeter
from rightfit.measuring.worker.units import NS_PER_MS

CALL_NS = 400_000


class Clock:
    """Clocks of a process whose calls take some time on its core, and some beside it."""

    def __init__(self, *, taken_ns: int, n_waits: int) -> None:
        self.wall_ns = self.cpu_ns = self.n_waits = 0
        self._taken_ns, self._waits = taken_ns, n_waits

    def call(self, rows: object) -> object:
        self.wall_ns += CALL_NS + self._taken_ns
        self.cpu_ns += CALL_NS
        self.n_waits += self._waits
        return rows

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


def test_time_that_others_took_beside_a_call_makes_it_no_shorter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call of 5.6 ms was told as 1 ns: others had the core between it and the clock's reading."""
    clock = Clock(taken_ns=0, n_waits=0)
    clock.install(monkeypatch)
    time_calls_only = phases.time_calls

    def lose_core_afterwards(*arguments: Any, **limits: Any) -> npt.NDArray[np.int64]:
        samples_ns = time_calls_only(*arguments, **limits)
        clock.wall_ns += 20 * NS_PER_MS
        return samples_ns

    monkeypatch.setattr(phases, "time_calls", lose_core_afterwards)
    slices = phases._Slices(itertools.cycle([0]), 1e-6, has_threads=False)

    slices.time(clock.call)

    assert slices.read_samples_ns().tolist() == [CALL_NS]
    assert slices.read_call_ns() == CALL_NS


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


@pytest.mark.parametrize(("working", "factor"), [(1.0, 0.5), (0.0, 1.0), (0.5, 0.75)])
def test_times_are_told_as_at_the_machines_usual_speed(working: float, factor: float) -> None:
    """What a slice's calls wait for takes as long on a slow machine."""
    slices = phases._Slices(itertools.cycle([0]), 1.0, has_threads=False)
    samples_ns = np.array([CALL_NS, CALL_NS])
    cpu_ns = int(working * samples_ns.sum())
    slices._pieces = [phases._Piece(samples_ns, 0, cpu_ns) for _ in range(3)]
    slices._ends = [1, 3]

    slices.even_out([1.0, 2.0])

    expected_ns = [CALL_NS] * 2 + [factor * CALL_NS] * 4
    assert slices.read_samples_ns().tolist() == pytest.approx(expected_ns)
    assert slices.read_call_ns() == pytest.approx(np.mean(expected_ns))
    assert slices.sum_up().wall_ms == pytest.approx(6 * CALL_NS / NS_PER_MS)  # as it was


def test_throughput_of_several_threads_is_that_of_the_median_piece() -> None:
    pieces = [phases._Piece(np.array([ns]), taken_ns=0, cpu_ns=ns) for ns in (10, 11, 70)]
    call_ns = {}
    for has_threads in (False, True):
        slices = phases._Slices(itertools.cycle([0]), 1.0, has_threads=has_threads)
        slices._pieces = pieces
        call_ns[has_threads] = slices.read_call_ns()

    assert call_ns == {False: pytest.approx(91 / 3), True: 11}


def try_batch_sizes(
    call: Callable[[Any], object], batch_sizes: Sequence[int], *, max_ms: float
) -> list[tuple[int, float, float]]:
    request: Any = SimpleNamespace(batch_max_call_ms=max_ms, batch_sizes=batch_sizes, slice_ms=2.0)
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    return list(phases._try_batches(call, rows, request, MemoryMeter(None)))


@pytest.mark.parametrize(
    ("n_threads", "n_waits", "call_ms"),
    [(1, 0, 0.4), (1, 1, 1.6), (2, 0, 1.6)],  # others took three quarters of the time
)
def test_throughput_is_whole_batches_over_their_own_time(
    n_threads: int, n_waits: int, call_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(taken_ns=3 * CALL_NS, n_waits=n_waits)
    clock.install(monkeypatch)
    batches: list[npt.NDArray[np.float32]] = []

    def call(batch: npt.NDArray[np.float32]) -> object:
        batches.append(batch)
        return clock.call(batch)

    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    inputs = itertools.cycle(phases._cut_batches(rows, 3))
    slices = phases._Slices(inputs, 2.0, has_threads=n_threads > 1)
    timed = phases._Batches(3, slices, call_ms=1.0, peak_mib=5.0)
    timed.time(call, DeviceMeter("cpu"))

    assert timed.sum_up().rows_per_s == pytest.approx(3e3 / call_ms)
    assert [batch[:, 0].tolist() for batch in batches[:2]] == [[0, 2, 4], [6, 8, 10]]
    assert all(batch.flags.c_contiguous for batch in batches)


@pytest.mark.parametrize(("max_ms", "sizes"), [(1e9, [1, 2, 4]), (25.0, [1, 2])])
def test_batch_size_is_not_tried_if_a_call_would_take_too_long(
    max_ms: float, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(taken_ns=0, n_waits=0)
    clock.install(monkeypatch)
    n_rows: list[int] = []

    def call(batch: npt.NDArray[np.float32]) -> object:
        n_rows.append(len(batch))
        clock.wall_ns += 8 * NS_PER_MS * len(batch)
        return batch

    tried = try_batch_sizes(call, [1, 2, 4], max_ms=max_ms)

    assert [size for size, _, _ in tried] == sizes
    assert n_rows == sizes  # a slow call is not repeated
    assert [call_ms for _, call_ms, _ in tried] == pytest.approx([8.0 * n for n in sizes])


def test_first_call_of_a_fast_batch_size_does_not_tell_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(taken_ns=0, n_waits=0)
    clock.install(monkeypatch)
    times_ms = iter([1.5, 0.25])

    def call(batch: npt.NDArray[np.float32]) -> object:
        clock.wall_ns += int(next(times_ms) * NS_PER_MS)
        return batch

    [(_, call_ms, _)] = try_batch_sizes(call, [4], max_ms=1e9)

    assert call_ms == 0.25


@pytest.mark.parametrize(
    ("calls_ns", "median_ns"), [([10, 90, 20], 20.0), ([10, 90, 20, 30], 25.0)]
)
def test_call_of_several_threads_takes_the_median_over_pieces(
    calls_ns: list[int], median_ns: float
) -> None:
    slices = phases._Slices(itertools.cycle([0]), 1.0, has_threads=True)
    slices._pieces = [
        phases._Piece(np.array([call_ns] * 2), taken_ns=0, cpu_ns=0) for call_ns in calls_ns
    ]

    assert slices.read_call_ns() == median_ns


MEASURE = """
import json, sys
from rightfit.measuring.worker.phases import Contender
from rightfit.measuring.worker.protocol import MeasureRequest

folder = sys.argv[1]
request = MeasureRequest(
    factory="", arguments={"n_threads": 2}, rows=f"{folder}/rows.npy", warm_up_max_ms=1,
    slice_ms=1, batch_sizes=(2, 4), batch_max_call_ms=100, files_mib=None,
    samples=f"{folder}/samples.npy",
)
before = set(sys.modules)
contender = Contender(lambda **_: lambda: lambda rows: rows, request, None)
contender.time_slice(2)
contender.time_slice(4)
contender.time_slice()
contender.finish()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_measuring_imports_no_library_that_would_count_as_the_models(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((8, 3), dtype=np.float32))

    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout

    assert [name for name in json.loads(output) if not name.startswith("encodings")] == []
