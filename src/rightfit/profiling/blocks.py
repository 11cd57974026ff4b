"""Blocks of timed calls with a look at the core's speed between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.profiling.latency import NS_PER_MS, Call, Clock, time_calls

BLOCK_NS = 10 * NS_PER_MS


@dataclass(frozen=True)
class Block:
    """Calls timed one after another.

    Args:
        samples_ns: Wall time of each call, in call order.
        is_slow: Whether the core was slow before or after them.
    """

    samples_ns: npt.NDArray[np.int64]
    is_slow: bool


def time_blocks(
    call: Call,
    rows: Sequence[npt.NDArray[np.float32]],
    *,
    is_slow: Callable[[], bool],
    min_calls: int,
    min_ns: int,
    max_ns: int,
    clock_ns: Clock = time.perf_counter_ns,
) -> list[Block]:
    """Time blocks of calls until enough were made at full speed, or time is over.

    Args:
        call: Answers one input of ``rows``; on a GPU it must wait for the device.
        rows: Inputs to rotate through; a block goes on where the block before ended.
        is_slow: Tells whether the core is slow now.
        min_calls: Calls to time at full speed.
        min_ns: Shortest time of calls at full speed.
        max_ns: Time after which no further call is started.
        clock_ns: Monotonic clock; tests pass a fake one.

    Returns:
        At least one block, in the order of timing.
    """
    start_ns = clock_ns()
    blocks: list[Block] = []
    n_made = n_calls = spent_ns = 0
    slow_before = is_slow()
    while True:
        turn = n_made % len(rows)
        samples_ns = time_calls(
            call,
            [*rows[turn:], *rows[:turn]],
            min_calls=1,
            min_ns=BLOCK_NS,
            max_ns=max(1, min(BLOCK_NS, max_ns - (clock_ns() - start_ns))),
            clock_ns=clock_ns,
        )
        n_made += len(samples_ns)
        slow_after = is_slow()
        blocks.append(Block(samples_ns, is_slow=slow_before or slow_after))
        slow_before = slow_after
        if not blocks[-1].is_slow:
            n_calls += len(samples_ns)
            spent_ns += int(samples_ns.sum())
        if clock_ns() - start_ns >= max_ns or (n_calls >= min_calls and spent_ns >= min_ns):
            return blocks


def select_clean(blocks: Sequence[Block], *, min_calls: int) -> tuple[npt.NDArray[np.int64], float]:
    """Return the calls made at full speed, or all of them when those are too few.

    Args:
        blocks: Timed blocks.
        min_calls: Calls at full speed that are enough.

    Returns:
        The calls' times in nanoseconds, in call order, and the share of them that was made while
        the core was slow.
    """
    clean = [block.samples_ns for block in blocks if not block.is_slow]
    n_clean = sum(len(samples_ns) for samples_ns in clean)
    everything = np.concatenate([block.samples_ns for block in blocks])
    if n_clean >= min(min_calls, len(everything)) or 2 * n_clean > len(everything):
        return np.concatenate(clean), 0.0
    return everything, 1 - n_clean / len(everything)
