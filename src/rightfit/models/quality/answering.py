"""Answers that are already given, in the shape of scikit-learn's estimators, for its scorers.

A module of its own, because scoring by Rightfit's own metrics needs no scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

Array = npt.NDArray[Any]


class AnsweredClasses(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """A classifier whose rows are its answers."""

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes
        self.classes_ = np.arange(n_classes)

    def predict(self, answers: Array) -> Array:
        """Return the first class with the highest probability."""
        chosen: Array = answers.argmax(axis=1)
        return chosen

    def predict_proba(self, answers: Array) -> Array:
        """Return the probabilities, summing to 1 more exactly than float32 and int8 models do."""
        positive = np.clip(answers.astype(np.float64), 0, None)
        probabilities: Array = positive / positive.sum(axis=1, keepdims=True)
        return probabilities


class AnsweredValues(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """A regressor whose rows are its answers, shape (n_rows, 1)."""

    def predict(self, answers: Array) -> Array:
        """Return the values, shape (n_rows,)."""
        return answers[:, 0]
