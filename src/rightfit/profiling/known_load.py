"""A model of known cost, to hold the instrument against."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]
NS_PER_MS = 1_000_000


def open_known_load(
    *, sleep_ms: float, burn_ms: float, allocate_mib: float, n_classes: int
) -> Callable[[], Callable[[Rows], Rows]]:
    """Return what opens a model that costs exactly what it is told to.

    Args:
        sleep_ms: Time each call waits without using a core.
        burn_ms: CPU time each call uses on one thread.
        allocate_mib: Memory the opened model holds.
        n_classes: Width of its answers, which are uniform.
    """

    def open_model() -> Callable[[Rows], Rows]:
        held: Any = np.ones(max(1, int(allocate_mib * 2**17)), dtype=np.float64)

        def call(rows: Rows) -> Rows:
            if sleep_ms:
                time.sleep(sleep_ms / 1_000)
            end_ns = time.thread_time_ns() + int(burn_ms * NS_PER_MS)
            while time.thread_time_ns() < end_ns:
                pass
            return np.full((len(rows), n_classes), held[0] / n_classes, dtype=np.float32)

        return call

    return open_model
