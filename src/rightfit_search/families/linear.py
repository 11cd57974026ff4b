"""Linear models (scikit-learn): logistic regression, and ridge or lasso for values.

Logistic regression is trained by stochastic gradient descent or, with the setting
``solver: lbfgs``, to its minimum, where gradient steps come only near it. Values are fitted
exactly: stochastic gradient descent needs its rate tuned to the rows, and many passes where there
are few of them. Exact trainings grow by shares of the rows.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.models.predictions import softmax
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration, Rows
from rightfit.models.sklearn_io import load_skops
from rightfit_search.families.family import (
    Checkpoint,
    TrainingRun,
    require_settings,
    split_training,
)
from rightfit_search.families.sklearn_family import SklearnFamily
from rightfit_search.families.sklearn_training import find_thread_pools, grow_passes, pass_stored
from rightfit_search.families.stored_rows import StoredRows
from rightfit_search.families.training_work import TrainingSize

REGRESSORS = ("Ridge", "ElasticNet")

_L1_RATIOS = {"l1": 1.0, "elasticnet": 0.15}  # 0.15 as in SGDClassifier

_SETTINGS = ("n_epochs", "alpha", "penalty", "learning_rate", "eta0")
_SOLVERS = ("sgd", "lbfgs")
_MAX_NEWTON_WEIGHTS, _N_NEWTON_STEPS = 300, 2


class LinearFamily(SklearnFamily):
    """Logistic or linear regression; see :class:`rightfit.Family`."""

    length_setting: str = "n_epochs"

    def check_configuration(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        # the solver is for classes alone: it may be left out, and is sgd then
        settings = {name: value for name, value in configuration.items() if name != "solver"}
        require_settings(settings, _SETTINGS)

    def check_values(self, configuration: Configuration) -> None:
        """See :class:`rightfit.Family`."""
        if configuration.get("solver", "sgd") not in _SOLVERS:
            raise ValueError(f"solver must be one of {_SOLVERS}, not {configuration['solver']!r}")
        if _is_exact(configuration):
            _make_logistic(configuration, n_rows=1)._validate_params()
        model = _estimator(configuration, seed=0)
        model._validate_params()
        model._more_validate_params(for_partial_fit=True)

    def predict(self, model: Any, rows: Rows) -> Rows:
        """See :class:`rightfit.Family`.

        Of two classes both probabilities are sigmoids: 1 minus the other in float32 is 0 or a
        multiple of 6e-8, which a temperature makes large.
        """
        if len(getattr(model, "classes_", ())) != 2:
            return super().predict(model, rows)
        from scipy.special import expit

        scores = model.decision_function(rows)
        probabilities: Rows = expit(np.stack([-scores, scores], axis=1))
        return probabilities.astype(np.float32, copy=False)

    def build_untrained(
        self, configuration: Configuration, schema: InputSchema, *, seed: int
    ) -> Any:
        """Return a model with random coefficients: its cost to serve is that of a trained one."""
        rng = np.random.default_rng(seed)
        if schema.task == "regression":
            rows = rng.standard_normal((2, schema.n_features), dtype=np.float32)
            model = _make_regression(configuration, n_rows=2, spread=1.0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that two rows are not fitted to the end
                return model.fit(rows, np.array([0.0, 1.0]))
        labels = np.repeat(np.arange(schema.n_classes), 3)  # of one row each scikit-learn warns
        rows = rng.standard_normal((len(labels), schema.n_features), dtype=np.float32)
        if _is_exact(configuration):
            # a strong penalty, as a weak one takes a hundred iterations to come to nothing better
            return _make_logistic({"alpha": 1.0}, n_rows=len(labels)).fit(rows, labels)
        return _estimator(configuration, seed=seed).partial_fit(
            rows, labels, classes=np.unique(labels)
        )

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count the coefficients; each is one multiplication a row."""
        n_coefficients = float(model.coef_.size)
        return {"n_parameters": n_coefficients, "n_operations": n_coefficients}

    def count_work(
        self,
        configuration: Configuration,
        size: TrainingSize,
        structure: Mapping[str, float],
        *,
        checkpoint: int,
        n_checkpoints: int,
    ) -> dict[str, float]:
        """Count rows that are fitted exactly in place of passes, where they are."""
        counts = super().count_work(
            configuration, size, structure, checkpoint=checkpoint, n_checkpoints=n_checkpoints
        )
        if not _is_exact(configuration):
            return counts
        n_rows = size.n_rows * 2.0 ** (checkpoint - n_checkpoints)
        fitted = {
            "fitted_values": n_rows * size.n_features,
            "fitted_outputs": n_rows * size.n_features * size.n_outputs,
        }
        passed = [name for name in counts if name.startswith("passed")]
        return counts | dict.fromkeys(passed, 0.0) | fitted

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Pass over the shuffled rows ``n_epochs`` times; a step is a block of 2,048 rows.

        What is fitted exactly grows by shares of the rows instead; a step is a row.
        """
        if run.data.schema.task == "regression" or _is_exact(run.configuration):
            return _fit_exactly(run)
        model = _estimator(run.configuration, seed=run.seed)
        return grow_passes(model, run, n_passes=run.configuration["n_epochs"])

    def train_stored(self, run: TrainingRun, stored: StoredRows) -> Iterator[Checkpoint] | None:
        """See :class:`rightfit.Family`.

        Values are fitted exactly in one pass. A logistic regression that is fitted exactly takes
        Newton steps from the sample's minimum; with many classes and columns it does not. Products
        of blocks take one thread: where others use the cores, two wait for each other.
        """
        schema, pools = run.data.schema, find_thread_pools()
        if schema.task == "regression":
            with pools.limit(limits=1):
                return iter([_fit_moments(run, stored)])
        if not _is_exact(run.configuration):
            return iter([pass_stored(_estimator(run.configuration, seed=run.seed), run, stored)])
        if schema.n_outputs * (schema.n_features + 1) > _MAX_NEWTON_WEIGHTS:
            return None
        with pools.limit(limits=1):
            return iter([_fit_newton(run, stored)])

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:
        """See :class:`rightfit.Family`."""
        classifier = "LogisticRegression" if _is_exact(configuration) else "SGDClassifier"
        estimator = REGRESSORS if schema.task == "regression" else classifier
        return load_skops(path, trusted=(), estimator=estimator)


FAMILY = LinearFamily()


def _is_exact(configuration: Configuration) -> bool:
    return bool(configuration.get("solver") == "lbfgs")


def _estimator(configuration: Configuration, *, seed: int) -> Any:
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(
        loss="log_loss",
        alpha=configuration["alpha"],
        penalty=configuration["penalty"],
        learning_rate=configuration["learning_rate"],
        eta0=configuration["eta0"],
        shuffle=False,  # the rows arrive shuffled anew each pass
        random_state=seed,
        average=True,
    )


def _fit_exactly(run: TrainingRun) -> Iterator[Checkpoint]:
    """Fit growing shares of the shuffled rows; a step is a row.

    ``alpha`` counts against the mean loss of a row and for a target of standard deviation 1, as in
    stochastic gradient descent with standardised targets. ``n_epochs``, ``learning_rate`` and
    ``eta0`` are not used; the penalty of logistic regression is always L2. It takes one thread, as
    :meth:`LinearFamily.train_stored` does, which so costs what that of a sample foretells.
    """
    data, is_regression = run.data, run.data.schema.task == "regression"
    order = np.random.default_rng(run.seed).permutation(len(data.labels))
    if not is_regression:  # even the smallest share holds one of every class
        _, first = np.unique(data.labels[order], return_index=True)
        order = np.concatenate([order[first], np.delete(order, first)])
    spread = float(data.labels.std())
    for n_planned in split_training(len(order), run.n_checkpoints):
        n_rows = max(n_planned, data.schema.n_classes)
        rows, labels = data.rows[order[:n_rows]], data.labels[order[:n_rows]]
        if is_regression:
            rows = rows.astype(np.float64)  # float32 loses too much: columns nearly dependent
            model = _make_regression(run.configuration, n_rows=n_rows, spread=spread)
        else:
            model = _make_logistic(run.configuration, n_rows=n_rows)
        with find_thread_pools().limit(limits=1), warnings.catch_warnings():
            # what stops short of the minimum is judged by its quality, as any other model
            warnings.simplefilter("ignore")
            model.fit(rows, labels)
        yield Checkpoint(model, n_steps=n_rows)


def _make_logistic(configuration: Configuration, *, n_rows: int) -> Any:
    """Return the estimator, not yet fitted."""
    from sklearn.linear_model import LogisticRegression

    # as many iterations as by scikit-learn's default
    return LogisticRegression(C=1 / (configuration["alpha"] * n_rows), max_iter=100)


def _make_regression(configuration: Configuration, *, n_rows: int, spread: float) -> Any:
    from sklearn.linear_model import ElasticNet, Ridge

    alpha, penalty = configuration["alpha"], configuration["penalty"]
    if penalty in _L1_RATIOS:
        return ElasticNet(alpha=alpha * spread, l1_ratio=_L1_RATIOS[penalty], max_iter=1_000)
    return Ridge(alpha=alpha * n_rows if penalty else 0.0)


def _fit_moments(run: TrainingRun, stored: StoredRows) -> Checkpoint:
    """Fit values by the first and second moments of all rows, which one pass adds up.

    With centred rows X, targets y and X'X / n = R'R, the mean squared error of n rows is a constant
    and that of as many rows as there are columns: R with targets R'^-1 X'y / n. These are fitted.
    """
    n_columns = run.data.schema.n_features
    shift = np.append(run.data.rows.mean(axis=0, dtype=np.float64), run.data.labels.mean())
    total, products = np.zeros(n_columns + 1), np.zeros((n_columns + 1, n_columns + 1))
    for rows, labels in stored.iterate(seed=run.seed):
        shifted = np.column_stack([rows, labels]) - shift  # float64, as labels are
        total += shifted.sum(axis=0)
        products += shifted.T @ shifted
    mean = total / stored.n_rows
    covariance = products / stored.n_rows - np.outer(mean, mean)
    variances, axes = np.linalg.eigh(covariance[:-1, :-1])
    spreads = np.sqrt(np.maximum(variances, 0.0))
    along = axes.T @ covariance[:-1, -1]
    is_seen = variances > variances[-1] * np.finfo(np.float64).eps * n_columns
    targets = np.divide(along, spreads, out=np.zeros(n_columns), where=is_seen)
    spread = math.sqrt(covariance[-1, -1])
    model = _make_regression(run.configuration, n_rows=n_columns, spread=spread)
    scale = math.sqrt(n_columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(fit_intercept=False)
        model.fit(scale * spreads[:, None] * axes.T, scale * targets)
    model.set_params(fit_intercept=True)
    centre = mean + shift
    model.intercept_ = float(centre[-1] - centre[:-1] @ model.coef_)
    return Checkpoint(model, stored.n_rows)


def _fit_newton(run: TrainingRun, stored: StoredRows) -> Checkpoint:
    """Go from the minimum of the sample to that of all rows by Newton's method, a pass a step.

    From an estimate of n rows one step leaves an error of the order 1 / n (van der Vaart,
    Asymptotic Statistics, 1998, chapter 5.7).
    """
    *_, sampled = _fit_exactly(run)
    model, n_rows = sampled.model, stored.n_rows
    weights = np.column_stack([model.coef_, model.intercept_])  # (n_scores, n_features + 1)
    n_scores, n_inputs = weights.shape
    penalty = run.configuration["alpha"] * n_rows * np.append(np.ones(n_inputs - 1), 0.0)
    for _ in range(_N_NEWTON_STEPS):
        gradient = weights * penalty
        curvature = np.kron(np.eye(n_scores), np.diag(penalty))
        blocks = curvature.reshape(n_scores, n_inputs, n_scores, n_inputs)
        for rows, labels in stored.iterate(seed=run.seed):
            inputs = np.column_stack([rows, np.ones(len(labels))])
            scores = inputs @ weights.T
            if n_scores == 1:
                scores = np.column_stack([np.zeros(len(labels)), scores])
            chances = softmax(scores)[:, -n_scores:]
            hits = labels[:, None] == np.arange(scores.shape[1])[-n_scores:]
            gradient += (chances - hits).T @ inputs
            for first in range(n_scores):
                for second in range(n_scores):
                    share = chances[:, first] * ((first == second) - chances[:, second])
                    blocks[first, :, second] += (inputs * share[:, None]).T @ inputs
        step = np.linalg.lstsq(curvature, gradient.ravel())[0]
        weights = weights - step.reshape(weights.shape)
    model.coef_ = weights[:, :-1].astype(model.coef_.dtype)
    model.intercept_ = weights[:, -1].astype(model.intercept_.dtype)
    return Checkpoint(model, n_rows)
