"""Pareto front: which profiles no other one equals or beats in everything."""

from __future__ import annotations

import numpy as np

from rightfit.ranking.applications.utility import Bools, Floats, Ints

_HUGE = 1e150  # stands for infinite gains in sums


def find_pareto_front(gains: Floats) -> Bools:
    """Find the rows that no other row dominates.

    A row dominates another if it is at least as good in every column and better in one. Equal rows
    do not dominate each other.

    Args:
        gains: Shape (n_rows, n_columns), higher is better, without NaN.

    Returns:
        Shape (n_rows,), true on the front.

    >>> find_pareto_front(np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 1.0]])).tolist()
    [True, True, False]
    """
    front: Bools = np.zeros(len(gains), dtype=np.bool_)
    sums = np.clip(gains, -_HUGE, _HUGE).sum(axis=1)  # never higher than a dominating row's
    remaining: Ints = np.arange(len(gains))
    while len(remaining):
        rest = gains[remaining]
        highest = np.flatnonzero(sums[remaining] == sums[remaining].max())
        first = rest[highest[np.lexsort(-rest[highest].T[::-1])[0]]]  # of equal sums, undominated
        front[remaining[(rest == first).all(axis=1)]] = True
        remaining = remaining[(rest > first).any(axis=1)]
    return front


def find_dominators(gains: Floats) -> Ints:
    """Find for each row the first front row that dominates it.

    Args:
        gains: As in :func:`find_pareto_front`.

    Returns:
        Row numbers, shape (n_rows,); -1 where nothing dominates the row.

    >>> find_dominators(np.array([[1.0], [3.0], [2.0]])).tolist()
    [1, -1, 1]
    """
    dominators: Ints = np.full(len(gains), -1, dtype=np.int64)
    for row in np.flatnonzero(find_pareto_front(gains)):
        dominated = (gains[row] >= gains).all(axis=1) & (gains[row] > gains).any(axis=1)
        dominators[dominated & (dominators == -1)] = row
    return dominators
