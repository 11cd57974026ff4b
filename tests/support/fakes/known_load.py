"""Synthetic models of fixed cost, to check the instrument with; opened in measuring processes."""

from __future__ import annotations

import importlib
import importlib.metadata
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
    """Return a loader for a synthetic model of fixed cost.

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


def open_without_distributions() -> Callable[[], Callable[[Rows], Rows]]:
    """Return a loader for a model that asks narwhals about its rows, as scikit-learn does.

    Whoever looks for installed distributions once it is open fails.
    """

    def refuse() -> None:
        raise RuntimeError("the installed distributions are read")

    def open_model() -> Callable[[Rows], Rows]:
        dependencies: Any = importlib.import_module("narwhals.dependencies")
        vars(importlib.metadata)["distributions"] = refuse

        def call(rows: Rows) -> Rows:
            return np.full((len(rows), 1), dependencies.is_into_dataframe(rows), dtype=np.float32)

        return call

    return open_model
