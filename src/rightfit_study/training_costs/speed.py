"""Is the core as fast as it usually is? A fixed piece of work tells.

On a virtual machine, a neighbour on the same physical core halves the speed for tenths of a second
at a time. The guest sees nothing of it: no run-queue delay, no steal, an idle second core. The
same holds for a clock frequency that was turned down. So a fixed loop is timed between the blocks
of a measurement, and compared with its time at this machine's full speed.

Full speed is what the core reaches in one look of ten, over the last thousands of looks. The
fastest look of all would be the wrong measure: it gets faster the longer one looks, and after one
burst of a boosted clock everything usual would count as slow.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

# One look times the work three times and takes the median: the first time finds cold caches, and a
# timer's interrupt hits one of them at most. About 0.2 ms together: short against a block.
N_STEPS = 2_000
N_TIMES = 3
# Undisturbed looks spread by 20 % around full speed; a neighbour on the core costs 70–90 %.
SLOW_FACTOR = 1.4
FULL_SPEED_SHARE = 0.1
N_RECENT = 2_000
# With fewer looks of others, a process relies on its own.
MIN_LOOKS = 20


def run_fixed_work() -> int:
    """Do the fixed work."""
    total = 0
    for step in range(N_STEPS):
        total += step * step & 7
    return total


def full_speed_ns(looks_ns: Sequence[int]) -> float:
    """Return the time of the fixed work at full speed.

    Args:
        looks_ns: Times of the work, at least one; the order does not matter.

    >>> full_speed_ns([70, *[100] * 15, 180, 180, 180, 180])
    100
    """
    return sorted(looks_ns)[int(FULL_SPEED_SHARE * len(looks_ns))]


def is_slow(took_ns: float, full_ns: float) -> bool:
    """Tell whether the fixed work took so long that the core was slow.

    >>> is_slow(120, full_ns=100), is_slow(180, full_ns=100)
    (False, True)
    """
    return took_ns > SLOW_FACTOR * full_ns


@dataclass
class SpeedProbe:
    """Times the fixed work and compares with its time at full speed.

    Args:
        known_ns: Its time at full speed, ``None`` when only this probe's own looks can tell.
        patience_ns: Time that may be spent altogether on waiting for a fast core.
        clock_ns: Monotonic clock; tests pass a fake one.
        work: The fixed work.
        looks_ns: The last looks.
        n_new: Looks that were remembered since :meth:`take_new`, also those no longer held.
    """

    known_ns: float | None
    patience_ns: int = 0
    clock_ns: Callable[[], int] = time.perf_counter_ns
    work: Callable[[], object] = run_fixed_work
    looks_ns: deque[int] = field(default_factory=lambda: deque(maxlen=N_RECENT))
    n_new: int = 0

    @property
    def full_ns(self) -> float:
        """Time of the work at full speed; needs at least one look."""
        return full_speed_ns(self.looks_ns) if self.known_ns is None else self.known_ns

    def learn(self, looks_ns: Iterable[int]) -> None:
        """Add the looks of another process; enough of them make full speed known."""
        self.looks_ns.extend(looks_ns)
        if len(self.looks_ns) >= MIN_LOOKS:
            self.known_ns = full_speed_ns(self.looks_ns)

    def time_ns(self) -> int:
        """Look once."""
        took_ns = self._time_work()
        self.looks_ns.append(took_ns)
        self.n_new += 1
        return took_ns

    def take_new(self) -> tuple[int, ...]:
        """Return the looks made since the last call, as far as they are held."""
        n_old = max(0, len(self.looks_ns) - self.n_new)
        self.n_new = 0
        return tuple(self.looks_ns)[n_old:]

    def is_slow_at(self, took_ns: float) -> bool:
        """Tell whether a look found a slow core."""
        return is_slow(took_ns, self.full_ns)

    def await_fast(self) -> int:
        """Look until the core is fast, or patience is over; return the last look.

        Only the first is remembered: a long wait would make slow the usual.
        """
        took_ns = self.time_ns()
        while self.patience_ns > 0 and self.is_slow_at(took_ns):
            self.patience_ns -= N_TIMES * took_ns
            took_ns = self._time_work()
        return took_ns

    def _time_work(self) -> int:
        times_ns = []
        for _ in range(N_TIMES):
            start_ns = self.clock_ns()
            self.work()
            times_ns.append(self.clock_ns() - start_ns)
        return sorted(times_ns)[N_TIMES // 2]
