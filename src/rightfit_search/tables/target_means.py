"""Target encoding: a category as the mean of the target in the train rows that have it.

Serving looks the means of all train rows up. Train rows themselves get means that were learnt from
the other folds, since the mean of a rare category repeats the target of its rows: a model would
trust it more than it deserves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

MIN_COVERED_SHARE = 0.5  # of the rows: where frequent categories cover less, all get means
MIN_CATEGORY_ROWS = 1.3  # on average, of a category among many; else they hardly repeat
N_FOLDS = 5
FOLD_SEED = 0
MAX_COPIES = 4  # of a row, with labels that share its classes' probabilities
MAX_CLASSES = 10  # with means of their own; each adds a column
LEAST_CORRELATION = 0.05  # of out-of-fold means with the target
N_ERRORS = 3  # standard errors by which this correlation must exceed 0

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CategoryMeans:
    """Standardised means of a target by category.

    Args:
        of_categories: Of each category, then of all others, shape (n_categories + 1,).
        out_of_fold: What each train row is encoded as, shape (n_rows,).
        correlation: Of the latter with the target; 0 if either is constant.
    """

    of_categories: Floats
    out_of_fold: Floats
    correlation: float

    @property
    def tell(self) -> bool:
        """Whether they tell of the target what cannot be chance."""
        n_rows = len(self.out_of_fold)
        return self.correlation > max(LEAST_CORRELATION, N_ERRORS / math.sqrt(n_rows))


def list_targets(labels: pl.Series) -> Mapping[int | None, Floats]:
    """Return what is averaged: values, the second of two classes, or each of a few classes.

    >>> list_targets(pl.Series([0, 1, 1]))
    {None: array([0., 1., 1.])}
    """
    values = labels.to_numpy()
    if labels.dtype.is_float():
        return {None: values}
    n_classes = int(values.max()) + 1
    if n_classes == 2:
        return {None: values.astype(np.float64)}
    n_averaged = n_classes if n_classes <= MAX_CLASSES else 0
    return {i: (values == i).astype(np.float64) for i in range(n_averaged)}


def number_rows(rows: pl.DataFrame) -> Positions:
    """Number rows, those that repeat the row before, but for the label, as that row.

    So do the copies of a row that a teacher has labelled several times. A number has at most
    ``MAX_COPIES`` rows, as a sorted table of few columns repeats itself for long.

    >>> number_rows(pl.DataFrame({"x": [1, 1, None, None, 1], "label": [0, 1, 1, 1, 0]}))
    array([0, 0, 1, 1, 2])
    """
    changes = [
        pl.col(name).ne_missing(pl.col(name).shift())
        for name, dtype in rows.schema.items()
        if name != "label" and not dtype.is_nested() and dtype != pl.Object
    ]
    is_new = rows.select(pl.any_horizontal(changes)).to_series().to_numpy().copy()
    is_new[:1] = True
    positions = np.arange(rows.height)
    repeats = positions - np.maximum.accumulate(np.where(is_new, positions, 0))
    numbers: Positions = (repeats % MAX_COPIES == 0).cumsum() - 1
    return numbers


def fit_category_means(
    texts: pl.Series, categories: Sequence[str], target: Floats, *, numbers: Positions
) -> CategoryMeans:
    """Average a target by category, over all rows and over all folds but the row's own.

    Args:
        texts: Category of each train row.
        categories: Those that get a mean; all others share one.
        target: Shape (n_rows,).
        numbers: Of the rows, rising from 0; those of one number are in one fold.
    """
    n_known, n_rows = len(categories), len(target)
    positions = {category: i for i, category in enumerate(categories)}
    codes = texts.replace_strict(positions, default=n_known, return_dtype=pl.Int64).to_numpy()
    n_folded = int(numbers.max()) + 1
    folds = (np.random.default_rng(FOLD_SEED).permutation(n_folded) % N_FOLDS)[numbers]
    out_of_fold = np.zeros(n_rows)
    for fold in range(min(N_FOLDS, n_folded)):
        is_held_out = folds == fold
        means = _shrink_means(codes[~is_held_out], target[~is_held_out], n_known + 1)
        out_of_fold[is_held_out] = means[codes[is_held_out]]
    varies = out_of_fold.std() > 0 and target.std() > 0
    correlation = float(np.corrcoef(out_of_fold, target)[0, 1]) if varies else 0.0
    means = _shrink_means(codes, target, n_known + 1)
    scale = means[codes].std() or 1.0
    return CategoryMeans(means / scale, out_of_fold / scale, correlation)


def _shrink_means(codes: npt.NDArray[np.int64], target: Floats, n_codes: int) -> Floats:
    """Return how far each category's mean lies from that of all rows, shrunk where it is rare.

    The weight of the overall mean, in rows, is the variance within categories over that between
    them: empirical Bayes, as in Micci-Barreca (2001), ACM SIGKDD Explorations 3(1), with the
    variances of a one-way random-effects model by the analysis of variance.
    """
    deviations = target - target.mean()
    n_rows = np.bincount(codes, minlength=n_codes)
    means = np.bincount(codes, weights=deviations, minlength=n_codes) / np.maximum(n_rows, 1)
    n, n_seen = len(target), int((n_rows > 0).sum())
    if not 1 < n_seen < n:
        return np.zeros(n_codes)
    within = float(((deviations - means[codes]) ** 2).sum()) / (n - n_seen)
    excess = float((n_rows * means**2).sum()) - (n_seen - 1) * within
    between = excess / (n - float((n_rows.astype(np.float64) ** 2).sum()) / n)
    if not between > 0:
        return np.zeros(n_codes)
    shrunk: Floats = means * n_rows / np.maximum(n_rows + within / between, np.finfo(float).tiny)
    return shrunk
