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
from rightfit.measuring.worker.results import BatchPhase
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
    call: Callable[[Any], object], batch_sizes: Sequence[int], *, n_threads: int, max_ms: float
) -> list[BatchPhase]:
    request: Any = SimpleNamespace(
        batch_max_call_ms=max_ms,
        batch_sizes=batch_sizes,
        batch_ms=10,
        arguments={"n_threads": n_threads},
    )
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    meters = MemoryMeter(None), DeviceMeter("cpu")
    return list(phases._try_batches(call, rows, request, *meters))


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

    [timed] = try_batch_sizes(call, [3], n_threads=n_threads, max_ms=1e9)

    assert timed.rows_per_s == pytest.approx(3e3 / call_ms)
    assert [batch[:, 0].tolist() for batch in batches[1:3]] == [[0, 2, 4], [6, 8, 10]]
    assert all(batch.flags.c_contiguous for batch in batches)


@pytest.mark.parametrize("max_ms", [1e9, 25.0])
def test_one_call_that_others_disturbed_chooses_no_batch_size_of_several_threads(
    max_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(taken_ns=0, n_waits=0)
    clock.install(monkeypatch)
    n_calls = {2: 0, 4: 0}

    def call(batch: npt.NDArray[np.float32]) -> object:
        n_calls[len(batch)] += 1
        is_disturbed = len(batch) == 4 and n_calls[4] == 2  # the first timed one
        clock.wall_ns += (30 if is_disturbed else 12) * NS_PER_MS
        return batch

    small, large = try_batch_sizes(call, [2, 4], n_threads=2, max_ms=max_ms)

    assert (large.rows_per_s > small.rows_per_s) == (max_ms > 25)
    assert n_calls[4] == (4 if max_ms > 25 else 2)  # the time for it is limited


def test_several_threads_try_the_only_batch_size_in_one_slice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(taken_ns=0, n_waits=0)
    clock.install(monkeypatch)
    n_rows: list[int] = []

    def call(batch: npt.NDArray[np.float32]) -> object:
        n_rows.append(len(batch))
        clock.wall_ns += 12 * NS_PER_MS
        return batch

    [timed] = try_batch_sizes(call, [4], n_threads=2, max_ms=1e9)

    assert n_rows == [4, 4]  # warming up, and a slice of 10 ms
    assert timed.n_calls == 1


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
    slice_ms=1, batch_ms=1, batch_sizes=(2, 4), batch_max_call_ms=100, files_mib=None,
    samples=f"{folder}/samples.npy",
)
before = set(sys.modules)
contender = Contender(lambda **_: lambda: lambda rows: rows, request, None)
contender.time_slice(is_batch=True)
contender.time_slice(is_batch=False)
contender.finish()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_measuring_imports_no_library_that_would_count_as_the_models(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((8, 3), dtype=np.float32))

    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout

    assert [name for name in json.loads(output) if not name.startswith("encodings")] == []
