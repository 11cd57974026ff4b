"""Throughput as a curve over batch sizes: which size is the best, and which may be.

Sizes are compared within each process, and all processes say together by how much they differ: what
one process saw by luck decides nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rightfit.measuring.blocks import polish
from rightfit.measuring.worker.results import ProcessResult

# A larger batch must be faster by this share to be preferred: it takes more memory.
WORTHWHILE_GAIN = 0.03
# A size that is slower than the best by more is not timed longer than for the curve.
CONTENDING_GAP = 0.15


def list_batch_sizes(processes: Sequence[ProcessResult]) -> list[int]:
    """Return the batch sizes that most of the processes timed, rising."""
    counts = Counter(batch.batch_size for one in processes for batch in one.batches)
    return sorted(size for size, n in counts.items() if 2 * n > len(processes))


def find_best_batch_size(processes: Sequence[ProcessResult]) -> int:
    """Return the smallest batch size beyond which a larger one gains too little.

    Args:
        processes: What processes of one model found, at least one.
    """
    return _list_near_best(processes, gap=WORTHWHILE_GAIN)[0]


def find_contending_sizes(processes: Sequence[ProcessResult]) -> list[int]:
    """Return the batch sizes that are about as fast as the best, rising; of no process none."""
    return _list_near_best(processes, gap=CONTENDING_GAP) if processes else []


def _list_near_best(processes: Sequence[ProcessResult], *, gap: float) -> list[int]:
    sizes = list_batch_sizes(processes)
    rates = [{batch.batch_size: batch.rows_per_s for batch in one.batches} for one in processes]
    logs = np.log([[rate.get(size, math.nan) for size in sizes] for rate in rates])
    _, effects = polish(logs)
    enough = effects.max() - math.log1p(gap)
    return [size for size, effect in zip(sizes, effects, strict=True) if effect >= enough]
