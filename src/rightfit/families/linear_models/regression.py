"""Linear regression (scikit-learn): ridge, lasso or elastic net, fitted exactly.

Stochastic gradient descent needs its rate tuned to the rows, and many passes where there are few
of them. The exact solution needs neither, at the cost of one pass, so a training grows by shares of
the rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from rightfit.families.family import Checkpoint, Configuration, TrainingData, split_training
from rightfit.families.schema import InputSchema

REGRESSORS = ("Ridge", "ElasticNet")

_L1_RATIOS = {"l1": 1.0, "elasticnet": 0.15}  # 0.15 as in SGDClassifier
_MAX_ITERATIONS = 1_000


def build_untrained_regression(
    configuration: Configuration, schema: InputSchema, *, seed: int
) -> Any:
    """Return a model of random coefficients; see ``Family.build_untrained``."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2, schema.n_features), dtype=np.float32)
    return _make_estimator(configuration, n_rows=2, spread=1.0).fit(rows, np.array([0.0, 1.0]))


def train_regression(
    configuration: Configuration, data: TrainingData, *, n_checkpoints: int, seed: int
) -> Iterator[Checkpoint]:
    """Fit growing shares of the shuffled rows; a step is a row.

    ``alpha`` counts against the mean loss of a row and for a target of standard deviation 1, as in
    stochastic gradient descent with standardised targets. ``n_epochs``, ``learning_rate`` and
    ``eta0`` are not used.
    """
    from sklearn.exceptions import ConvergenceWarning

    order = np.random.default_rng(seed).permutation(len(data.labels))
    spread = float(data.labels.std())
    for n_rows in split_training(len(order), n_checkpoints):
        chosen = order[:n_rows]
        model = _make_estimator(configuration, n_rows=n_rows, spread=spread)
        with warnings.catch_warnings():
            # what stops short of the exact solution is judged by its quality, as any other model
            warnings.simplefilter("ignore", ConvergenceWarning)
            # float32 loses too much where columns are nearly dependent
            model.fit(data.rows[chosen].astype(np.float64), data.labels[chosen])
        yield Checkpoint(model, n_steps=n_rows)


def _make_estimator(configuration: Configuration, *, n_rows: int, spread: float) -> Any:
    from sklearn.linear_model import ElasticNet, Ridge

    alpha, penalty = configuration["alpha"], configuration["penalty"]
    if penalty in _L1_RATIOS:
        return ElasticNet(
            alpha=alpha * spread, l1_ratio=_L1_RATIOS[penalty], max_iter=_MAX_ITERATIONS
        )
    return Ridge(alpha=alpha * n_rows if penalty else 0.0)
