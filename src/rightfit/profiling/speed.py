"""Is the core as fast as it was? A fixed piece of work tells.

On a virtual machine, a neighbour on the same physical core halves the speed for tenths of a second
at a time. The guest sees nothing of it: no run-queue delay, no steal, an idle second core. The
same holds for a clock frequency that was turned down. So a fixed loop is timed between the blocks
of a measurement, and compared with its fastest time on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

# About 0.3 ms of integer arithmetic: long against the clock, short against a block.
N_STEPS = 6_000
# Undisturbed probes spread by 1–8 %; a neighbour on the core costs 70–90 %.
SLOW_FACTOR = 1.25


def run_fixed_work() -> int:
    """Do the fixed work."""
    total = 0
    for step in range(N_STEPS):
        total += step * step & 7
    return total


@dataclass
class SpeedProbe:
    """Times the fixed work and remembers the fastest time.

    Args:
        best_ns: Fastest time known so far, ``None`` when there is none yet.
        clock_ns: Monotonic clock; tests pass a fake one.
        work: The fixed work.
    """

    best_ns: int | None
    clock_ns: Callable[[], int] = time.perf_counter_ns
    work: Callable[[], object] = run_fixed_work
    seen_ns: list[int] = field(default_factory=list)

    def __call__(self) -> bool:
        """Time the work once; tell whether the core is slow now."""
        start_ns = self.clock_ns()
        self.work()
        took_ns = self.clock_ns() - start_ns
        self.seen_ns.append(took_ns)
        self.best_ns = took_ns if self.best_ns is None else min(self.best_ns, took_ns)
        return took_ns > SLOW_FACTOR * self.best_ns
