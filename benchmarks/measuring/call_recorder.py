"""A model that records its calls: opened in a measuring process in place of the one it wraps."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.latency import warm_up
from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.profiling.worker.single_stream import time_blocks
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S

WARM_UP_MS = 300

Rows = npt.NDArray[np.float32]


def open_recorded(
    *, factory: str, arguments: dict[str, Any], seconds: float, samples: str
) -> Callable[[], Callable[[Rows], npt.NDArray[np.float32]]]:
    """Return a loader for a model whose first call times single rows for some seconds.

    Args:
        factory: ``module:function`` of the model to time.
        arguments: Arguments of that factory.
        seconds: Time of timing.
        samples: Path of the .npz to write: ``samples_ns``, ``probe_ns`` beside each call, and
            ``looks_ns`` of the speed probe.
    """
    module, _, function = factory.partition(":")
    open_model = getattr(importlib.import_module(module), function)(**arguments)

    def open_recorder() -> Callable[[Rows], npt.NDArray[np.float32]]:
        call = open_model()
        is_recorded = False

        def record(rows: Rows) -> npt.NDArray[np.float32]:
            nonlocal is_recorded
            if not is_recorded:
                _record(call, rows, seconds, samples)
                is_recorded = True
            return np.zeros((len(rows), 1), dtype=np.float32)

        return record

    return open_recorder


def _record(call: Callable[[Rows], object], rows: Rows, seconds: float, samples: str) -> None:
    singles = [rows[i : i + 1] for i in range(len(rows))]
    warm_up(call, singles, max_ns=WARM_UP_MS * NS_PER_MS)
    probe = SpeedProbe(None)
    window_ns = int(seconds * NS_PER_S)
    blocks = time_blocks(
        call, singles, probe=probe, min_calls=1, min_ns=window_ns, max_ns=window_ns
    )
    np.savez(
        samples,
        samples_ns=np.concatenate([block.samples_ns for block in blocks]),
        probe_ns=np.repeat([b.probe_ns for b in blocks], [len(b.samples_ns) for b in blocks]),
        looks_ns=np.array(probe.looks_ns),
    )
