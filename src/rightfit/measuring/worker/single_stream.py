"""One row a call in one process, timed in windows that may lie seconds apart.

A machine's speed wanders over seconds. A process that is timed for a moment sees one of its speeds;
timed again later, it sees others, as one that serves for long would. Within a window, blocks of
calls alternate with looks at the core's speed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.raw_rows import Input
from rightfit.measuring.worker.latency import Call, Clock, time_calls, warm_up
from rightfit.measuring.worker.meters.cpu import PhaseMeter, sum_phases
from rightfit.measuring.worker.meters.speed import SpeedProbe, is_slow
from rightfit.measuring.worker.protocol import TimingLimits
from rightfit.measuring.worker.results import Phase, StreamPhase, WarmUp
from rightfit.measuring.worker.units import NS_PER_MS

BLOCK_NS = 10 * NS_PER_MS


@dataclass(frozen=True)
class Block:
    """Calls timed one after another.

    Args:
        samples_ns: Wall time of each call, in call order.
        probe_ns: Look at the speed before or after them, whichever found a slower core.
    """

    samples_ns: npt.NDArray[np.int64]
    probe_ns: int


def time_blocks(
    call: Call,
    rows: Sequence[Input],
    *,
    probe: SpeedProbe,
    min_calls: int,
    min_ns: int,
    max_ns: int,
    clock_ns: Clock = time.perf_counter_ns,
) -> list[Block]:
    """Time blocks of calls until enough were made at full speed, or time is over.

    Args:
        call: Answers one input of ``rows``; on a GPU it must wait for the device.
        rows: Inputs to rotate through; a block continues after the last row of the one before.
        probe: Looks at the core's speed.
        min_calls: Calls to time at full speed.
        min_ns: Shortest time of blocks at full speed.
        max_ns: Time after which no further call is started.
        clock_ns: Monotonic clock; tests pass a fake one.

    Returns:
        At least one block, in the order of timing.
    """
    start_ns = clock_ns()
    blocks: list[Block] = []
    n_made = n_calls = spent_ns = 0
    before_ns = probe.time_ns()
    while True:
        block_start_ns = clock_ns()
        samples_ns = time_calls(
            call,
            rotate(rows, n_made),
            min_calls=1,
            min_ns=BLOCK_NS,
            max_ns=max(1, min(BLOCK_NS, max_ns - (block_start_ns - start_ns))),
            clock_ns=clock_ns,
        )
        wall_ns = clock_ns() - block_start_ns
        n_made += len(samples_ns)
        after_ns = probe.time_ns()
        blocks.append(Block(samples_ns, max(before_ns, after_ns)))
        before_ns = after_ns
        if not probe.is_slow_at(blocks[-1].probe_ns):
            n_calls += len(samples_ns)
            spent_ns += wall_ns
        if clock_ns() - start_ns >= max_ns or (n_calls >= min_calls and spent_ns >= min_ns):
            return blocks


def rotate(rows: Sequence[Input], by: int) -> list[Input]:
    """Return rows that begin with another one.

    >>> [int(row[0]) for row in rotate([np.array([1]), np.array([2]), np.array([3])], 4)]
    [2, 3, 1]
    """
    turn = by % len(rows)
    return [*rows[turn:], *rows[:turn]]


def select_clean(
    blocks: Sequence[Block], *, min_calls: int, full_ns: float
) -> tuple[Sequence[Block], float]:
    """Select the blocks made at full speed, or all of them when their calls are too few.

    Args:
        blocks: Timed blocks.
        min_calls: Calls at full speed that are enough.
        full_ns: Look at full speed.

    Returns:
        The blocks that count, and the share of their calls made while the core was slow.
    """
    clean = [block for block in blocks if not is_slow(block.probe_ns, full_ns)]
    n_calls = sum(len(block.samples_ns) for block in blocks)
    n_clean = sum(len(block.samples_ns) for block in clean)
    if n_clean >= min(min_calls, n_calls) or 2 * n_clean > n_calls:
        return clean, 0.0
    return blocks, 1 - n_clean / n_calls


class SingleStream:
    """The timed calls of one process.

    Args:
        call: Answers one input of ``rows``; on a GPU it must wait for the device.
        rows: Inputs to rotate through; a window continues after the last row of the one before.
        probe: Looks at the core's speed.
        n_windows: Windows that there will be.
        limits: How long to time calls, in all windows together; the calls and the shortest time
            are those at full speed.
    """

    def __init__(
        self,
        call: Call,
        rows: Sequence[Input],
        probe: SpeedProbe,
        *,
        n_windows: int,
        limits: TimingLimits,
    ) -> None:
        self._call = call
        self._rows = rows
        self._probe = probe
        self._min_calls = limits.min_calls
        self._min_window_calls = math.ceil(limits.min_calls / n_windows)
        self._min_window_ns = limits.min_ns // n_windows
        self._max_window_ns = limits.max_ns // n_windows
        self._warm_ups: list[WarmUp] = []
        self._blocks: list[Block] = []
        self._phases: list[Phase] = []

    @property
    def n_calls(self) -> int:
        """Calls timed so far."""
        return sum(len(block.samples_ns) for block in self._blocks)

    def warm_up(self, *, max_ns: int) -> None:
        """Call until calls stop getting faster, as is due before a window.

        The rows are others than those that the window begins with: a row just seen is answered
        faster.
        """
        rows = rotate(self._rows, self.n_calls + len(self._rows) // 2)
        self._warm_ups.append(warm_up(self._call, rows, max_ns=max_ns))

    def time_window(self) -> None:
        """Time one window more, on a fast core if there is one soon."""
        rows = rotate(self._rows, self.n_calls)
        self._probe.await_fast()
        meter = PhaseMeter()
        self._blocks += time_blocks(
            self._call,
            rows,
            probe=self._probe,
            min_calls=self._min_window_calls,
            min_ns=self._min_window_ns,
            max_ns=self._max_window_ns,
        )
        self._phases.append(meter.read())

    def sum_warm_ups(self) -> WarmUp:
        """Return what warming up took, and whether it was enough each time."""
        return WarmUp(
            n_calls=sum(warmed.n_calls for warmed in self._warm_ups),
            ms=sum(warmed.ms for warmed in self._warm_ups),
            is_steady=all(warmed.is_steady for warmed in self._warm_ups),
        )

    def finish(self, *, peak_memory_mib: float) -> tuple[npt.NDArray[np.int64], StreamPhase]:
        """Return the times of the calls that count in nanoseconds, and what all windows took."""
        counted, slow_share = select_clean(
            self._blocks, min_calls=self._min_calls, full_ns=self._probe.full_ns
        )
        samples_ns = np.concatenate([block.samples_ns for block in counted])
        return samples_ns, StreamPhase(
            **vars(sum_phases(self._phases)),
            n_calls=len(samples_ns),
            n_calls_made=self.n_calls,
            slow_share=slow_share,
            probe_ns=float(np.median([block.probe_ns for block in counted])),
            peak_memory_mib=peak_memory_mib,
        )
