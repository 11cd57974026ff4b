"""Logistic regression (scikit-learn) by L-BFGS: the minimum, where gradient steps come near it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from rightfit.families.family import Checkpoint, Configuration, TrainingData, split_training

_MAX_ITERATIONS = 100  # scikit-learn's own


def train_logistic(
    configuration: Configuration, data: TrainingData, *, n_checkpoints: int, seed: int
) -> Iterator[Checkpoint]:
    """Fit growing shares of the shuffled rows; a step is a row.

    ``alpha`` counts against the mean loss of a row, as in stochastic gradient descent. The penalty
    is always L2; ``n_epochs``, ``learning_rate`` and ``eta0`` are not used.
    """
    from threadpoolctl import threadpool_limits

    order = _put_each_class_first(data, seed=seed)
    for n_planned in split_training(len(order), n_checkpoints):
        n_rows = max(n_planned, data.schema.n_classes)
        chosen = order[:n_rows]
        with threadpool_limits(1), warnings.catch_warnings():
            # what stops short of the minimum is judged by its quality, as any other model
            warnings.simplefilter("ignore")
            model = make_logistic(configuration, n_rows=n_rows)
            model.fit(data.rows[chosen], data.labels[chosen])
        yield Checkpoint(model, n_steps=n_rows)


def make_logistic(configuration: Configuration, *, n_rows: int) -> Any:
    """Return the estimator, not yet fitted."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1 / (configuration["alpha"] * n_rows), max_iter=_MAX_ITERATIONS)


def _put_each_class_first(data: TrainingData, *, seed: int) -> Any:
    """Shuffle the rows; even the smallest share holds one of every class."""
    order = np.random.default_rng(seed).permutation(len(data.labels))
    _, first = np.unique(data.labels[order], return_index=True)
    return np.concatenate([order[first], np.delete(order, first)])
