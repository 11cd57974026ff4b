"""The reference: a small model that is timed beside all others, the same in every run and release.

Change it, and the usual speed of every machine has to be learnt anew: give it another
``REFERENCE_VERSION``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rightfit.measuring.worker.latency import Call

REFERENCE_VERSION = 1
N_FEATURES = 16
N_UNITS = 64
N_CLASSES = 8
BATCH_SIZE = 256


def draw_reference_rows(n_rows: int) -> npt.NDArray[np.float32]:
    """Draw the rows it answers, shape (n_rows, 16)."""
    return np.random.default_rng(0).standard_normal((n_rows, N_FEATURES), dtype=np.float32)


def open_reference() -> Callable[[], Call]:
    """Return what opens it: a net of one hidden layer with fixed weights, in numpy."""
    rng = np.random.default_rng(1)
    hidden = rng.standard_normal((N_FEATURES, N_UNITS), dtype=np.float32)
    output = rng.standard_normal((N_UNITS, N_CLASSES), dtype=np.float32)

    def answer(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(np.maximum(rows @ hidden, 0) @ output, dtype=np.float32)

    return lambda: answer
