"""Which test rows choose, and which only judge what was chosen.

A winner is chosen by its quality among many candidates, so that figure flatters it. Rows that
nothing was chosen by give one that does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_SEED = 0  # a dataset's rows have one part in every run


def find_final_rows(
    labels: npt.NDArray[Any], *, share: float, min_rows: int
) -> npt.NDArray[np.bool_]:
    """Tell which test rows are left out of choosing.

    Args:
        labels: True class positions, or values in regression, shape (n_rows,).
        share: Share of the rows to leave out; of each class so many, rounded down.
        min_rows: A test split with fewer rows is not divided: all of them choose.

    Returns:
        Shape (n_rows,); the same for every candidate.

    >>> int(find_final_rows(np.array([0, 0, 0, 0, 1, 1]), share=0.5, min_rows=6).sum())
    3
    """
    final = np.zeros(len(labels), dtype=np.bool_)
    if len(labels) < min_rows:
        return final
    rng = np.random.default_rng(_SEED)
    is_class = labels.dtype.kind in "iu"
    strata = np.unique(labels) if is_class else [None]
    for label in strata:
        rows = np.flatnonzero(labels == label) if label is not None else np.arange(len(labels))
        final[rng.permutation(rows)[: int(share * len(rows))]] = True
    return final
