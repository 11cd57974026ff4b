"""Infer a dataset's quality metric from its outcome, with guessing as the worst value."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import polars as pl

from rightfit.errors import RightfitError
from rightfit.families.schema import Task
from rightfit.preparation.description import find_quality_faults, raise_faults
from rightfit.quality.metric import Array, QualityBlock, QualityMetric
from rightfit.quality.scorers import NEGATED, Option, is_function

MAX_IMBALANCE = 1.5  # largest class against an even share; beyond it accuracy says little
N_DIGITS = 2  # of an inferred worst value
MAX_TARGET = 1e150  # squares of larger values are infinite


def complete_quality(given: QualityBlock, outcome: pl.Series, task: Task) -> QualityMetric:
    """Fill the gaps of a metric from the outcome.

    Raises:
        RightfitError: If the metric does not judge such answers; or as :func:`infer_quality`.
    """
    said = {key: value for key, value in given.model_dump().items() if value is not None}
    if None not in (given.name, given.worst, given.best):
        return QualityMetric(**said)
    if given.name is not None:
        n_classes = outcome.drop_nulls().n_unique() if task == "classification" else None
        raise_faults(find_quality_faults(given.name, given.options, task=task, n_classes=n_classes))
    inferred = infer_quality(outcome.drop_nulls(), task, given.name, given.options)
    return QualityMetric(**inferred.model_dump() | said)


def infer_quality(
    outcome: pl.Series,
    task: Task,
    name: str | None = None,
    options: Mapping[str, Option] | None = None,
) -> QualityMetric:
    """Choose the metric that the outcome asks for, with guessing as its worst value.

    Returns:
        The metric. ``worst`` is what the best constant answer reaches: the most frequent class, the
        classes' shares, the mean or the median; ``best`` is 0 of a loss and 1 of any other.

    Raises:
        RightfitError: If the metric's bounds cannot be inferred.

    >>> infer_quality(pl.Series(["a", "b", "c"]), "classification").name
    'accuracy'
    """
    if name is None and task == "regression":
        name = "r2"
    elif name is None:
        counts = outcome.value_counts(name="n_rows")["n_rows"].to_list()
        is_even = max(counts) / outcome.len() <= MAX_IMBALANCE / len(counts)
        name = "roc_auc" if len(counts) == 2 else "accuracy" if is_even else "balanced_accuracy"
    if is_function(name):
        raise RightfitError(
            f"quality: {name} is a function, so write worst and best too, as in "
            f"quality: {{name: {name}, worst: 40, best: 0}}"
        )
    best = 0.0 if name.startswith(NEGATED) else 1.0
    metric = QualityMetric(name=name, worst=best - 1, best=best, options=dict(options or {}))
    worst = guess_quality(outcome, metric, task)
    if worst == best:
        raise _no_bounds(name, f"it reaches the best, {best:g}")
    return QualityMetric(name=name, worst=worst, best=best, options=dict(options or {}))


def guess_quality(outcome: pl.Series, metric: QualityMetric, task: Task) -> float:
    """Return what the best constant answer reaches, in two digits.

    Raises:
        RightfitError: If the metric cannot judge it.
    """
    if task == "classification":  # the classes' shares, for every row
        labels = outcome.rank("dense").cast(pl.Int64).to_numpy() - 1
        shares = np.bincount(labels) / len(labels)
        return _round(metric, labels, np.tile(shares, (len(labels), 1)))
    values = outcome.cast(pl.Float64).to_numpy()
    if n_odd := int((~np.isfinite(values)).sum()):
        raise RightfitError(
            f"target: it is NaN or infinite in {n_odd} rows; mend them, or leave them empty"
        )
    if values.size and (values == values[0]).all():
        raise RightfitError(
            f"target: it is {values[0]:g} in every row, so nothing is to be predicted"
        )
    if np.abs(values).max(initial=0) > MAX_TARGET:
        raise RightfitError(
            f"target: it has values up to {np.abs(values).max():.1e}, whose squares no computer "
            "holds; predict them in a larger unit, or mend them"
        )
    guesses = (np.full((len(values), 1), guess) for guess in (values.mean(), np.median(values)))
    return max(_round(metric, values, guess) for guess in guesses)


def _round(metric: QualityMetric, labels: Array, answers: Array) -> float:
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # told below
            reached = metric.score(labels, answers)
    except Exception as err:  # whatever the metric raises
        raise _no_bounds(metric.name, str(err)) from err
    if not math.isfinite(reached):
        raise _no_bounds(metric.name, f"it is {reached}")
    return float(f"{reached:.{N_DIGITS}g}")


def _no_bounds(name: str, reason: str) -> RightfitError:
    return RightfitError(
        f"quality: what guessing reaches in {name} can't be computed ({reason}); write worst and "
        "best too"
    )
