"""Quality metrics by name: scikit-learn's scorers and losses, and functions by import path."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit._core.extras import require
from rightfit._core.import_path import import_by_path
from rightfit._core.spelling import find_nearest
from rightfit.models.quality.params import COST, NEGATED, Option, QualityBlock, is_function
from rightfit.models.schema import Task
from rightfit.models.sources import read_own_sources

Array = npt.NDArray[Any]
Score = Callable[[Array, Array], float]

_OF_TWO_CLASSES = {  # and what judges more of them
    "roc_auc": "roc_auc_ovr, accuracy or balanced_accuracy",
    **{
        kind: f"{kind}_macro, {kind}_micro or {kind}_weighted"
        for kind in ("f1", "jaccard", "precision", "recall")
    },
}
_N_TRIED_ROWS = 4  # of each class, or of a regression
_N_BINS = 15  # of a calibration error
_FROM_0_TO_1 = (  # how names of scorers that are shares, or areas, begin
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "f1",
    "jaccard",
    "precision",
    "recall",
    "roc_auc",
    "top_k_accuracy",
)


LOG_ERRORS = ("neg_mean_squared_log_error", "neg_root_mean_squared_log_error")
"""Metrics of values of 0 and more, which judge a prediction below as 0."""


def find_range(name: str) -> tuple[float, float]:
    """Return the lowest and the highest value of a metric, as far as its name tells them."""
    if is_function(name) or name in ("positive_likelihood_ratio", "mutual_info_score"):
        return -math.inf, math.inf
    if name.startswith(NEGATED):
        return -math.inf, 0.0
    return (0.0 if name.startswith(_FROM_0_TO_1) else -math.inf), 1.0


def read_function_sources(name: str) -> dict[str, str]:
    """Read the project's own code that a metric is made of, by module; of any other metric nothing.

    >>> read_function_sources("sklearn.metrics.log_loss"), read_function_sources("r2")
    ({}, {})
    """
    return read_own_sources(name.rpartition(".")[0]) if is_function(name) else {}


def find_score(name: str, options: Mapping[str, Option]) -> Score:
    """Return a metric as a function of labels and answers.

    Args:
        name: A scorer of scikit-learn (``sklearn.metrics.get_scorer_names()``); ``neg_`` and a
            loss of ``sklearn.metrics`` that compares values, such as ``neg_mean_pinball_loss``; or
            the import path of a function ``(y_true, y_answer) -> float``. Such a function gets the
            class positions and the class probabilities, shape (n_rows, n_classes), or, in
            regression, values and values, shape (n_rows,).
        options: Further arguments of the function or the loss, by name.

    Raises:
        ValueError: If there is no such metric, or a scorer is given options.
    """
    if is_function(name):
        function = import_by_path(name, kind="metric", key="quality.name")
        if not callable(function):
            raise RightfitError(f"the metric {name} is no function")
        return _call_function(function, options)
    if name in _OWN and not options:
        return _OWN[name]
    require("sklearn", purpose=f"The metric {name}")
    import sklearn.metrics

    if name in sklearn.metrics.get_scorer_names():
        if options:
            raise RightfitError(
                f"the scorer {name} takes no options, but got {dict(options)}; name a function "
                "that takes them by its import path, as in sklearn.metrics.mean_pinball_loss"
            )
        score = _ask_scorer(sklearn.metrics.get_scorer(name))
        return _clip(score) if name in LOG_ERRORS else score
    loss = getattr(sklearn.metrics, name.removeprefix(NEGATED), None)
    if name.startswith(NEGATED) and callable(loss):
        return lambda labels, answers: -float(loss(labels, answers[:, 0], **options))
    names = [*sklearn.metrics.get_scorer_names(), "neg_mean_pinball_loss"]
    near = find_nearest(name, names)
    raise RightfitError(
        f"there is no metric {name!r}"
        + (f"; did you mean {near!r}?" if near else ".")
        + " Allowed are scikit-learn's scorers (sklearn.metrics.get_scorer_names()), such as "
        "accuracy, f1_macro, r2 or neg_root_mean_squared_error, and the import path of a function, "
        "such as my_study.metrics.cost"
    )


def check_metric(
    name: str, options: Mapping[str, Option], *, task: Task, n_classes: int | None
) -> None:
    """Try a metric on a few made-up answers, so that a search cannot fail over it later.

    Raises:
        ValueError: If there is no such metric, or it does not judge such answers.
    """
    if name == COST and task == "classification":  # judged by the block that holds the costs
        return
    if task == "classification" and n_classes not in (None, 2) and name in _OF_TWO_CLASSES:
        _refuse_classes(name, n_classes)
    # known to fit: made-up answers of thousands of classes would take gigabytes
    if name in _OWN_OF_CLASSES and not options and task == "classification":
        return
    score = find_score(name, options)
    if not is_function(name) and judges_numbers(score) != (task == "regression"):
        other = "classification" if task == "regression" else "regression"
        raise RightfitError(f"the metric {name} is one of {other}, but the task is {task}")
    if task == "classification" and n_classes is None:
        return
    subject = "values" if task == "regression" else f"probabilities of {n_classes} classes"
    labels, answers = _make_up(task, n_classes or 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the answers are made up, so are the warnings
            value = score(labels, answers)
        if not np.isfinite(value):
            raise RightfitError(f"it is {value}")
    except Exception as err:  # whatever the function raises
        raise RightfitError(f"the metric {name} can't judge {subject}: {err}") from err


def find_quality_faults(
    quality: QualityBlock, name: str, *, task: Task, n_classes: int | None
) -> list[str]:
    """List why a metric of a name cannot judge a task; it is tried on made-up answers."""
    costs = quality.costs
    if costs is not None and (task == "regression" or n_classes not in (None, len(costs))):
        return [
            f"quality.costs is for {len(costs)} classes, but there are {n_classes or 'none'}: give "
            "it a row and a column for each, in the order of target.classes; a class that is only "
            "missing from the test rows needs more of these, or split: {method: stratified, "
            "share: 0.2}"
        ]
    try:
        check_metric(name, quality.options, task=task, n_classes=n_classes)
    except ValueError as err:
        return [f"quality.name: {err}"]
    return []


def judges_numbers(score: Score) -> bool:
    """Tell whether a metric compares numbers: one of classes refuses fractions as labels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # clustering metrics only warn
            score(*_make_up("regression", 0))
    except Exception:  # the refusal is the answer
        return False
    return True


def average_ranks(values: Array) -> npt.NDArray[np.float64]:
    """Rank numbers from 1; equal ones share the mean of their ranks.

    >>> average_ranks(np.array([0.5, 0.1, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, group, n_equal = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (n_equal.cumsum() - (n_equal - 1) / 2)[group]
    return ranks


def _make_up(task: Task, n_classes: int) -> tuple[Array, Array]:
    """Make up labels and answers that are neither perfect nor constant; numbers are positive."""
    if task == "regression":
        labels = np.linspace(1.25, 4.75, 2 * _N_TRIED_ROWS)
        return labels, (labels + np.resize([0.25, -0.125], len(labels)))[:, None]
    labels = np.repeat(np.arange(n_classes), _N_TRIED_ROWS)
    right = np.eye(n_classes)[labels]
    sureness = np.resize([0.9, 0.6, 0.3, 0.7], len(labels))[:, None]
    return labels, (right * sureness + (1 - sureness) / n_classes).astype(np.float32)


def _call_function(function: Callable[..., float], options: Mapping[str, Option]) -> Score:
    def score(labels: Array, answers: Array) -> float:
        is_flat = answers.shape[1] == 1
        try:
            return float(function(labels, answers[:, 0] if is_flat else answers, **options))
        except (Exception, SystemExit) as err:  # whatever the function raises
            name = getattr(function, "__name__", type(function).__name__)
            hint = (
                ""
                if is_flat
                else ". A function gets class positions and class probabilities; of predicted "
                f"classes, sklearn.metrics.make_scorer({name}) makes a metric"
            )
            raise RightfitError(f"the metric {name} fails: {err!s:.200}{hint}") from err

    return score


def wrap_function(function: Callable[..., float]) -> Score:
    """Return a function, or a scorer as ``sklearn.metrics.make_scorer`` makes it, as a metric.

    Args:
        function: ``(y_true, y_answer) -> float`` as in :func:`find_score`, or a scorer
            ``(estimator, X, y) -> float``.

    >>> wrap_function(lambda labels, shares: shares[labels == 1, 1].mean())(
    ...     np.array([0, 1]), np.array([[0.9, 0.1], [0.5, 0.5]])
    ... )
    0.5
    """
    parameters = inspect.signature(function).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind in positional
    ]
    return _ask_scorer(function) if len(needed) == 3 else _call_function(function, {})


def _ask_scorer(scorer: Callable[..., float]) -> Score:
    from rightfit.models.quality.answering import AnsweredClasses, AnsweredValues

    def score(labels: Array, answers: Array) -> float:
        answering = AnsweredValues() if answers.shape[1] == 1 else AnsweredClasses(answers.shape[1])
        return float(scorer(answering, answers, labels))

    return score


def _clip(score: Score) -> Score:
    return lambda labels, answers: score(labels, np.maximum(answers, 0))


def _accuracy(labels: Array, answers: Array) -> float:
    _require_classes(labels)
    return float((answers.argmax(axis=1) == labels).mean())


def _balanced_accuracy(labels: Array, answers: Array) -> float:
    _require_classes(labels)
    hits = answers.argmax(axis=1) == labels
    return float(np.mean([hits[labels == label].mean() for label in np.unique(labels)]))


def _roc_auc(labels: Array, answers: Array) -> float:
    _require_classes(labels)
    if answers.shape[1] != 2:
        _refuse_classes("roc_auc", answers.shape[1])
    positive = labels == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise RightfitError("roc_auc needs rows of both classes")
    n_below = average_ranks(answers[:, 1])[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(n_below / (n_positive * n_negative))


def squared_differences(labels: Array, answers: Array) -> Array:
    """Return what each row adds to the Brier score, shape (n_rows,); of two classes half the sum.

    >>> squared_differences(np.array([0, 1]), np.array([[0.5, 0.5], [0.0, 1.0]])).tolist()
    [0.25, 0.0]
    """
    differences = answers.astype(np.float64)
    differences[np.arange(len(labels)), labels] -= 1
    sums: Array = (differences**2).sum(axis=1)
    return sums / 2 if answers.shape[1] == 2 else sums


def _neg_brier_score(labels: Array, answers: Array) -> float:
    _require_classes(labels)
    return -float(squared_differences(labels, answers).mean())


def _neg_calibration_error(labels: Array, answers: Array) -> float:
    """Return minus the mean gap between sureness and accuracy, in bins of equal width.

    The sureness is the highest probability: the expected calibration error of Guo et al. (2017).
    """
    _require_classes(labels)
    sureness = answers.max(axis=1).astype(np.float64)
    gaps = (answers.argmax(axis=1) == labels) - sureness
    bins = np.minimum((sureness * _N_BINS).astype(np.int64), _N_BINS - 1)
    return -float(np.abs(np.bincount(bins, weights=gaps)).sum() / len(labels))


def _r2(labels: Array, answers: Array) -> float:
    missed = float(((labels - answers[:, 0]) ** 2).sum())
    total = float(((labels - labels.mean()) ** 2).sum())
    if total == 0:
        return float(missed == 0)
    return 1 - missed / total


def _neg_mean_absolute_error(labels: Array, answers: Array) -> float:
    return -float(np.abs(labels - answers[:, 0].astype(np.float64)).mean())


def _neg_mean_squared_error(labels: Array, answers: Array) -> float:
    return -float(((labels - answers[:, 0].astype(np.float64)) ** 2).mean())


def _refuse_classes(name: str, n_classes: int | None) -> None:
    raise RightfitError(
        f"{name} needs two classes, but got {n_classes}; choose {_OF_TWO_CLASSES[name]}"
    )


def _require_classes(labels: Array) -> None:
    if labels.dtype.kind not in "iu":
        raise ValueError("labels must be class positions")


# What is computed most often needs neither scikit-learn nor its checks of each call.
_OWN_OF_CLASSES: Mapping[str, Score] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "neg_brier_score": _neg_brier_score,
    "neg_calibration_error": _neg_calibration_error,
    "roc_auc": _roc_auc,
}
_OWN: Mapping[str, Score] = {
    **_OWN_OF_CLASSES,
    "neg_mean_absolute_error": _neg_mean_absolute_error,
    "neg_mean_squared_error": _neg_mean_squared_error,
    "neg_root_mean_squared_error": lambda *both: -math.sqrt(-_neg_mean_squared_error(*both)),
    "r2": _r2,
}
