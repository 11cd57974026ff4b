"""One row a call in one process, timed in windows that may lie seconds apart.

A machine's speed wanders over seconds. A process that is timed for a moment sees one of its speeds;
visited again later, it sees others, as one that serves for long would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rightfit.profiling.worker.blocks import (
    Block,
    Selection,
    rotate,
    select_clean,
    time_blocks,
)
from rightfit.profiling.worker.latency import Call, WarmUp, warm_up
from rightfit.profiling.worker.meters.phase_meters import PhaseMeter, sum_phases
from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.profiling.worker.results import Phase, StreamPhase, WarmUpTotal
from rightfit.profiling.worker.units import NS_PER_MS
from rightfit.request_path.raw_rows import Input


class SingleStream:
    """The timed calls of one process.

    Args:
        call: Answers one input of ``rows``; on a GPU it must wait for the device.
        rows: Inputs to rotate through; a window continues after the last row of the one before.
        probe: Looks at the core's speed.
        n_windows: Windows that there will be.
        min_calls: Calls to time at full speed, in all windows together.
        min_ns: Shortest time of all windows, at full speed.
        max_ns: Longest time of all windows.
    """

    def __init__(
        self,
        call: Call,
        rows: Sequence[Input],
        probe: SpeedProbe,
        *,
        n_windows: int,
        min_calls: int,
        min_ns: int,
        max_ns: int,
    ) -> None:
        self._call = call
        self._rows = rows
        self._probe = probe
        self._min_calls = min_calls
        self._min_window_calls = math.ceil(min_calls / n_windows)
        self._min_window_ns = min_ns // n_windows
        self._max_window_ns = max_ns // n_windows
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

    def select(self) -> Selection:
        """Return the calls of all windows that count."""
        return select_clean(self._blocks, min_calls=self._min_calls, full_ns=self._probe.full_ns)

    def sum_warm_ups(self) -> WarmUpTotal:
        """Return what warming up took, and whether it was enough each time."""
        return WarmUpTotal(
            n_calls=sum(warmed.n_calls for warmed in self._warm_ups),
            ms=sum(warmed.wall_ns for warmed in self._warm_ups) / NS_PER_MS,
            is_steady=all(warmed.is_steady for warmed in self._warm_ups),
        )

    def describe(self, selected: Selection, *, peak_memory_mib: float) -> StreamPhase:
        """Return what all windows took and what was selected of them."""
        return StreamPhase(
            **vars(sum_phases(self._phases)),
            n_calls=len(selected.samples_ns),
            n_calls_made=self.n_calls,
            slow_share=selected.slow_share,
            probe_ns=selected.probe_ns,
            peak_memory_mib=peak_memory_mib,
        )
