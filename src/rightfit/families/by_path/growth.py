"""How an estimator of scikit-learn is looked at early: by members, by passes, by shares of rows.

The last checkpoint is what the estimator's own ``fit`` makes of all rows, except where the
configuration sets the passes of an estimator with ``partial_fit``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rightfit.families.family import Checkpoint, Configuration, TrainingRun, split_training

Growth = Literal["members", "passes", "rows"]

_ROWS_PER_STEP = 2_048
_LEAST_ROWS = 128  # as few are neighbours' and folds' least
_LEAST_PER_CLASS = 5  # the folds of scikit-learn's own cross-validation
_GROWS_BY_ITERATIONS = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")


def find_length_setting(estimator: Any) -> str | None:
    """Return the argument that counts an estimator's members or passes; ``None`` without one."""
    names = estimator.get_params(deep=False)
    if "warm_start" in names and "n_estimators" in names:
        return "n_estimators"
    if type(estimator).__name__ in _GROWS_BY_ITERATIONS:
        return "max_iter"
    return "max_iter" if hasattr(estimator, "partial_fit") and "max_iter" in names else None


def choose_growth(estimator: Any, configuration: Configuration) -> Growth:
    """Return how an estimator grows.

    Args:
        estimator: Not yet fitted.
        configuration: Settings from ``parameters_models.yml``. Passes are taken only where it says
            how many: an estimator that stops by its own rule is fitted by shares of rows.
    """
    length = find_length_setting(estimator)
    if length is not None and "warm_start" in estimator.get_params(deep=False):
        has_members = length == "n_estimators" or type(estimator).__name__ in _GROWS_BY_ITERATIONS
        if has_members:
            return "members"
    if hasattr(estimator, "partial_fit") and (length is None or length in configuration):
        return "passes"
    return "rows"


def grow_members(model: Any, run: TrainingRun) -> Iterator[Checkpoint]:
    """Add members to a ``warm_start`` ensemble; a step is a member."""
    length = find_length_setting(model) or "n_estimators"
    n_members = model.get_params(deep=False)[length]
    model.set_params(warm_start=True)
    done = 0
    for n in split_training(n_members, run.n_checkpoints):
        if n > done:
            model.set_params(**{length: n})
            model.fit(run.data.rows, run.data.labels)
        done = n
        yield Checkpoint(model, n_steps=n)


def grow_passes(model: Any, run: TrainingRun) -> Iterator[Checkpoint]:
    """Pass over the shuffled rows with ``partial_fit``; a step is a block of rows."""
    from sklearn.base import is_classifier

    data, rng = run.data, np.random.default_rng(run.seed)
    n_rows, n_passes = len(data.labels), run.configuration.get("max_iter", 1)
    n_blocks = max(-(-n_rows // _ROWS_PER_STEP), run.n_checkpoints if n_passes == 1 else 1)
    first = {"classes": np.unique(data.labels)} if is_classifier(model) else {}
    blocks = [
        block
        for _ in range(n_passes)
        for block in np.array_split(rng.permutation(n_rows), n_blocks)
    ]
    done = 0
    for n_steps in split_training(len(blocks), run.n_checkpoints):
        for block in blocks[done:n_steps]:
            model.partial_fit(data.rows[block], data.labels[block], **first)
        done = n_steps
        yield Checkpoint(model, n_steps=done)


def grow_rows(model: Any, run: TrainingRun) -> Iterator[Checkpoint]:
    """Fit anew on growing shares of the rows; a step is a row.

    All shares hold the classes in equal proportion, as far as their rows allow.
    """
    from sklearn.base import clone, is_classifier

    data, n_rows = run.data, len(run.data.labels)
    kinds = np.zeros(n_rows, dtype=np.int64)
    if is_classifier(model):
        kinds = data.labels.astype(np.int64, copy=False)
    order = _order_evenly(kinds, seed=run.seed)
    least = min(n_rows, max(_LEAST_ROWS, _LEAST_PER_CLASS * len(np.unique(kinds))))
    done = 0
    for planned in split_training(max(n_rows, run.n_checkpoints), run.n_checkpoints):
        n = min(n_rows, max(planned, least))
        if n > done:
            share = np.sort(order[:n])
            model = clone(model).fit(data.rows[share], data.labels[share])
        done = n
        yield Checkpoint(model, n_steps=n)


def _order_evenly(kinds: npt.NDArray[np.int64], *, seed: int) -> npt.NDArray[np.int64]:
    """Order rows so that every beginning holds the kinds in proportion, first a few of each."""
    shuffled = np.random.default_rng(seed).permutation(len(kinds))
    keys = np.empty(len(kinds))
    for kind in np.unique(kinds):
        of_kind = shuffled[kinds[shuffled] == kind]
        ranks = np.arange(len(of_kind))
        keys[of_kind] = np.maximum(0, ranks - _LEAST_PER_CLASS + 1) / len(of_kind)
    return shuffled[np.argsort(keys[shuffled], kind="stable")]
