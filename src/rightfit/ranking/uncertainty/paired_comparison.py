"""Paired comparison: on the same test rows, the errors of two candidates' qualities go together.

Of two models that are right on mostly the same rows, the difference in quality is known far better
than either quality. Each profile carries how its quality deviates row by row (or resample by
resample); the correlation of two profiles' deviations is that of their errors, and the variance of
a difference is the sum of both variances less twice the covariance. For accuracy this is McNemar's
test (Psychometrika 12, 1947), for the ROC AUC DeLong's paired one (Biometrics 44, 1988), for
anything else a paired bootstrap.
"""

from __future__ import annotations

import numpy as np

from rightfit._core.errors import RightfitError
from rightfit.models.quality.standard_errors import unpack_deviations
from rightfit.ranking.applications.utility import Floats, Ints
from rightfit.ranking.assessment.profile_table import DEVIATIONS, ProfileTable

# Counts as four more rows on which the answers have nothing to do with each other, so that three
# rows of difference are no proof: about one more discordant pair (Agresti and Min, Statistics in
# Medicine 24, 2005, add two to a table of matched pairs).
_PSEUDO_ROWS = 4


def read_deviations(table: ProfileTable, rows: Ints) -> Floats | None:
    """Return what rows or resamples add to the deviations of some profiles' raw qualities.

    Args:
        table: All profiles.
        rows: Rows of one dataset.

    Returns:
        Shape (n_rows, n_deviations), zeros where a profile has none, or its own number of them;
        ``None`` if no profile has any.

    Raises:
        ValueError: If deviations have the form of another version.
    """
    texts = table.frame[DEVIATIONS].gather(rows)
    try:
        unpacked = [unpack_deviations(text) if text else np.zeros(0) for text in texts]
    except ValueError as err:
        raise RightfitError(
            f"resource_profiles was written by another version of Rightfit: {err} "
            "Measure again: kedro run --pipelines evaluation,ranking"
        ) from err
    lengths = np.array([len(deviations) for deviations in unpacked], dtype=np.int64)
    longest = int(lengths.max(initial=0))
    if longest == 0:
        return None
    read: Floats = np.zeros((len(rows), longest))
    for row in np.flatnonzero(lengths == longest):
        read[row] = unpacked[row] - unpacked[row].mean()
    return read


def standardise_deviations(table: ProfileTable, rows: Ints) -> Floats | None:
    """Return the deviations of some profiles, so scaled that their products are correlations.

    Args and return value are those of :func:`read_deviations`.
    """
    scaled = read_deviations(table, rows)
    if scaled is None:
        return None
    sizes = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
    np.divide(scaled, sizes, out=scaled, where=sizes > 0)
    n_parts = scaled.shape[1]
    scaled *= np.sqrt(n_parts / (n_parts + _PSEUDO_ROWS))
    return scaled


def draw_together(
    scaled: Floats | None, shape: tuple[int, int], rng: np.random.Generator
) -> Floats:
    """Draw standard normal errors that go together as the deviations do.

    Args:
        scaled: From :func:`standardise_deviations`, or ``None``: independent errors.
        shape: (n_draws, n_rows).
        rng: Source of randomness.

    Returns:
        Errors of variance 1, of the shape asked for.
    """
    if scaled is None:
        return rng.standard_normal(shape)
    correlation = scaled @ scaled.T
    np.fill_diagonal(correlation, 1.0)
    mean = np.zeros(len(correlation))
    return rng.multivariate_normal(mean, correlation, shape[0], "ignore", method="eigh")
