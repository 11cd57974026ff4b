"""Is the core as fast as it was? A fixed piece of work tells.

On a virtual machine, a neighbour on the same physical core halves the speed for tenths of a second
at a time. The guest sees nothing of it: no run-queue delay, no steal, an idle second core. The
same holds for a clock frequency that was turned down. So a fixed loop is timed between the blocks
of a measurement, and compared with its fastest time on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

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


def is_slow(took_ns: float, best_ns: float) -> bool:
    """Tell whether the fixed work took so long that the core was slow.

    >>> is_slow(120, best_ns=100), is_slow(180, best_ns=100)
    (False, True)
    """
    return took_ns > SLOW_FACTOR * best_ns


@dataclass
class SpeedProbe:
    """Times the fixed work and remembers the fastest time.

    Args:
        best_ns: Fastest time known so far, ``None`` when there is none yet.
        patience_ns: Time that may be spent altogether on waiting for a fast core.
        clock_ns: Monotonic clock; tests pass a fake one.
        work: The fixed work.
    """

    best_ns: int | None
    patience_ns: int = 0
    clock_ns: Callable[[], int] = time.perf_counter_ns
    work: Callable[[], object] = run_fixed_work

    def time_ns(self) -> int:
        """Time the work once."""
        start_ns = self.clock_ns()
        self.work()
        took_ns = self.clock_ns() - start_ns
        self.best_ns = took_ns if self.best_ns is None else min(self.best_ns, took_ns)
        return took_ns

    def await_fast(self) -> int:
        """Repeat the work until the core is fast, or patience is over; return the last time."""
        took_ns = self.time_ns()
        while self.patience_ns > 0 and is_slow(took_ns, self.best_ns or took_ns):
            self.patience_ns -= took_ns
            took_ns = self.time_ns()
        return took_ns
