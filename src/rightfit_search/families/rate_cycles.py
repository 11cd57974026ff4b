"""The learning rate of nets on tables: cosine cycles that double in length.

It is the schedule ``coslog`` of Holzmüller, Grinsztajn and Steinwart (2024), arXiv:2407.04491, with
six cycles instead of four. A checkpoint lies at the end of each cycle, where the rate is zero: in
between a net is worse than it has been.
"""

from __future__ import annotations

import math

N_CYCLES = 6
_N_FIRST: float = 2**N_CYCLES - 1  # lengths of the first cycle in a training


def cycle_rate(share: float) -> float:
    """Return the rate at a share of the training, in shares of the highest.

    >>> [round(cycle_rate(n / 63), 6) for n in (0, 1, 3, 7, 15, 31, 63)]
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    >>> round(cycle_rate((2**5.5 - 1) / 63), 6)
    1.0
    """
    return 0.5 - 0.5 * math.cos(2 * math.pi * math.log2(1 + _N_FIRST * share))


def share_at(checkpoint: int, n_checkpoints: int) -> float:
    """Return the share of a training that a checkpoint lies at, about half of the next one's.

    Args:
        checkpoint: From 1.
        n_checkpoints: Those of a whole training; the last ones lie at the ends of cycles.

    >>> [round(63 * share_at(n, 6)) for n in range(1, 7)]
    [1, 3, 7, 15, 31, 63]
    >>> [round(63 * share_at(n, 7), 1) for n in (1, 2, 7)]
    [0.5, 1.0, 63.0]
    """
    n_left = n_checkpoints - checkpoint
    if n_left < N_CYCLES:
        return float(2 ** (N_CYCLES - n_left) - 1) / _N_FIRST
    return float(2.0 ** (N_CYCLES - 1 - n_left)) / _N_FIRST
