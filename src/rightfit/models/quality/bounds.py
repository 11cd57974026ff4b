"""The metric and bounds that a block leaves out: by the task, and by what guessing reaches."""

from __future__ import annotations

import math
import warnings

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError, raise_faults
from rightfit._core.formatting import count
from rightfit.models.quality.metric import Array, QualityMetric
from rightfit.models.quality.params import COST, NEGATED, QualityBlock, is_function
from rightfit.models.quality.scorers import find_quality_faults
from rightfit.models.schema import Task

MAX_TARGET = 1e37  # largest number to predict: models answer in float32, which ends at 3e38
MAX_IMBALANCE = 1.5  # largest class against an even share; beyond it accuracy says little
N_GUESS_DIGITS = 2  # of what guessing reaches
FLATTERS = "quality looks better than it is"  # a remark that says so is a warning in reports


def is_even(largest_share: float, n_classes: int) -> bool:
    """Tell whether classes are of about even size, so that an accuracy tells models apart."""
    return largest_share <= MAX_IMBALANCE / n_classes


def complete_quality(block: QualityBlock, outcome: pl.Series, task: Task) -> QualityMetric:
    """Fill the gaps of a metric from the outcome.

    Returns:
        The metric. ``worst`` is what the best constant answer reaches: the most frequent class, the
        classes' shares, the mean or the median; ``best`` is 0 of a loss and 1 of any other.

    Raises:
        RightfitError: If the metric does not judge such answers, or its bounds cannot be inferred.

    >>> complete_quality(QualityBlock(), pl.Series(["a", "b", "c"]), "classification").name
    'accuracy'
    """
    settings = {key: value for key, value in block.model_dump().items() if value is not None}
    if None not in (block.name, block.worst, block.best):
        return QualityMetric(**settings)
    outcome, name = outcome.drop_nulls(), block.name
    n_classes = outcome.n_unique() if task == "classification" else None
    if name is None and block.costs is not None:
        name = COST
    if name is not None:
        raise_faults(find_quality_faults(block, name, task=task, n_classes=n_classes))
    elif task == "regression":
        name = "r2"
    else:
        counts = outcome.value_counts(name="n_rows")["n_rows"].to_list()
        is_fair = is_even(max(counts) / outcome.len(), len(counts))
        name = "roc_auc" if len(counts) == 2 else "accuracy" if is_fair else "balanced_accuracy"
    if is_function(name):
        raise RightfitError(
            f"quality: {name} is a function, so write worst and best too, as in "
            f"quality: {{name: {name}, worst: 40, best: 0}}"
        )
    best = 0.0 if name.startswith(NEGATED) else 1.0
    metric = QualityMetric(
        name=name, worst=best - 1, best=best, options=block.options, costs=block.costs
    )
    worst = guess_quality(outcome, metric, task)
    if worst == best:
        raise _no_bounds(name, f"it reaches the best, {best:g}")
    return QualityMetric(**{"name": name, "worst": worst, "best": best} | settings)


def guess_quality(outcome: pl.Series, metric: QualityMetric, task: Task) -> float:
    """Return what the best constant answer reaches, in two digits.

    Raises:
        RightfitError: If the metric cannot judge it.
    """
    if task == "classification":  # the classes' shares, for every row
        labels = outcome.rank("dense").cast(pl.Int64).to_numpy() - 1
        shares = np.bincount(labels) / len(labels)
        return _score_guess(metric, labels, np.tile(shares, (len(labels), 1)))
    values = outcome.cast(pl.Float64).to_numpy()
    if n_odd := int((~np.isfinite(values)).sum()):
        raise RightfitError(
            f"target: it is NaN or infinite in {count(n_odd, 'row')}; correct them, or leave "
            "them empty"
        )
    if values.size and (values == values[0]).all():
        raise RightfitError(
            f"target: it is {values[0]:g} in every row, so nothing is to be predicted"
        )
    if np.abs(values).max(initial=0) > MAX_TARGET:
        raise RightfitError(
            f"target: it has values up to {np.abs(values).max():.1e}, but models answer in "
            f"float32, so {MAX_TARGET:g} is the most; predict them in a larger unit, or correct "
            "them"
        )
    guesses = (np.full((len(values), 1), guess) for guess in (values.mean(), np.median(values)))
    return max(_score_guess(metric, values, guess) for guess in guesses)


def _score_guess(metric: QualityMetric, labels: Array, answers: Array) -> float:
    try:
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant answers cause some; the result is checked
            reached = metric.score(labels, answers)
    except Exception as err:  # whatever the metric raises
        raise _no_bounds(metric.name, str(err)) from err
    if not math.isfinite(reached):
        raise _no_bounds(metric.name, f"it is {reached}")
    return float(f"{reached:.{N_GUESS_DIGITS}g}")


def _no_bounds(name: str, reason: str) -> RightfitError:
    return RightfitError(
        f"quality: what guessing reaches in {name} can't be computed ({reason}); write worst and "
        "best too"
    )
