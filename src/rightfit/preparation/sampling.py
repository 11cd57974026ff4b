"""Draw rows so that the same seed gives the same rows on every machine and in every version."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

N_STRATA = 10  # tenths of the values to predict


def find_strata(labels: npt.NDArray[Any], *, is_number: bool) -> npt.NDArray[np.int64]:
    """Return what a stratified draw takes its share of: classes, or tenths of the values.

    Args:
        labels: Class positions or values, shape (n,).
        is_number: Whether they are values.

    >>> find_strata(np.array([3.0, 1.0]), is_number=True)
    array([5, 0])
    """
    if not is_number:
        return labels.astype(np.int64)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[np.argsort(labels, kind="stable")] = np.arange(len(labels))
    return rank * N_STRATA // max(1, len(labels))


def draw_stratified(
    labels: npt.NDArray[np.int64],
    *,
    n_rows: int,
    seed: int,
    min_drawn: int = 1,
    min_left: int = 0,
) -> npt.NDArray[np.bool_]:
    """Draw rows at random, from each class its share.

    Only the raw stream of the bit generator is used: NumPy promises never to change it, which it
    does not for shuffles.

    Args:
        labels: Class positions or other strata, shape (n,).
        n_rows: Rows to draw; all of them if there are fewer.
        seed: Seed of the drawing.
        min_drawn: Rows that each class gives at least, as far as it has them and ``n_rows`` allows.
        min_left: Rows that each class keeps back at least, after ``min_drawn``.

    Returns:
        Which rows were drawn, shape (n,).

    >>> draw_stratified(np.array([0, 0, 0, 0, 1, 1]), n_rows=3, seed=0).sum()
    np.int64(3)
    """
    n = len(labels)
    if n_rows >= n:
        return np.ones(n, dtype=np.bool_)
    keys = np.random.PCG64(seed).random_raw(n)
    by_class = np.lexsort((keys, labels))
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank, size = np.arange(n) - np.repeat(starts, sizes), np.repeat(sizes, sizes)
    rank_share = np.where(rank >= size - min_left, 1.0, rank / size)
    rank_share[rank < min_drawn] = 0.0
    first = np.lexsort((keys[by_class], rank_share))[:n_rows]
    drawn = np.zeros(n, dtype=np.bool_)
    drawn[by_class[first]] = True
    return drawn
