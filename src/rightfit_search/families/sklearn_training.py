"""Training estimators of scikit-learn through checkpoints: by members, passes or shares of rows.

Each function yields what ``Family.train`` does. While an estimator fits, or answers the rows that
judge it, OpenMP has one thread: its threads wait for each other by spinning, and where something
else used a core, two took many times the CPU seconds of one. Threads of joblib (``n_jobs``) do not.
Warnings are not shown: what stops short of its optimum is judged by its quality, as any other
model.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rightfit_search.families.family import Checkpoint, TrainingRun, split_training
from rightfit_search.families.stored_rows import StoredRows

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_ROWS_PER_STEP = 2_048
_LEAST_ROWS = 128  # as few are neighbours' and folds' least
_LEAST_PER_CLASS = 5  # the folds of scikit-learn's own cross-validation


def grow_members(model: Any, run: TrainingRun, *, length_setting: str) -> Iterator[Checkpoint]:
    """Add members to an ensemble that takes ``warm_start``; a step is a member.

    Args:
        model: Not yet fitted; ``length_setting`` says how many members it will have.
        run: What to learn from.
        length_setting: The argument that counts its members.
    """
    n_members = model.get_params(deep=False)[length_setting]
    model.set_params(warm_start=True)
    n_grown = 0
    for n in split_training(n_members, run.n_checkpoints):
        if n > n_grown:
            model.set_params(**{length_setting: n})
            with _fitting():
                model.fit(run.data.rows, run.data.labels)
        n_grown = n
        yield Checkpoint(model, n_steps=n)


def grow_passes(
    model: Any, run: TrainingRun, *, n_passes: int, n_least_steps: int = 1
) -> Iterator[Checkpoint]:
    """Pass over the shuffled rows with ``partial_fit``; a step is a block of 2,048 rows or fewer.

    Args:
        model: Not yet fitted.
        run: What to learn from.
        n_passes: Passes, each in an order of its own.
        n_least_steps: Blocks that a pass is cut into at least.
    """
    data, rng = run.data, np.random.default_rng(run.seed)
    n_rows = len(data.labels)
    n_blocks = max(-(-n_rows // _ROWS_PER_STEP), n_least_steps)
    classes = {"classes": np.arange(data.schema.n_classes)} if data.schema.classes else {}
    blocks = [
        block
        for _ in range(n_passes)
        for block in np.array_split(rng.permutation(n_rows), n_blocks)
    ]
    n_grown = 0
    for n_steps in split_training(len(blocks), run.n_checkpoints):
        with _fitting():
            for block in blocks[n_grown:n_steps]:
                model.partial_fit(data.rows[block], data.labels[block], **classes)
        n_grown = n_steps
        yield Checkpoint(model, n_steps=n_grown)


def pass_stored(model: Any, run: TrainingRun, stored: StoredRows) -> Checkpoint:
    """Pass over stored rows with ``partial_fit``; a step is a block of 2,048 rows or fewer.

    Args:
        model: Not yet fitted.
        run: Its configuration holds ``n_epochs``: passes, each in an order of its own.
        stored: The rows.
    """
    schema, n_steps, n_passes = run.data.schema, 0, run.configuration["n_epochs"]
    classes = {"classes": np.arange(schema.n_classes)} if schema.classes else {}
    with _fitting():
        for rows, labels in stored.iterate_batches(
            _ROWS_PER_STEP, n_passes=n_passes, seed=run.seed
        ):
            model.partial_fit(rows, labels, **classes)
            n_steps += 1
    return Checkpoint(model, n_steps)


def grow_rows(model: Any, run: TrainingRun) -> Iterator[Checkpoint]:
    """Fit anew on growing shares of the rows; a step is a row.

    All shares hold the classes in equal proportion, as far as their rows allow.
    """
    from sklearn.base import clone

    data, n_rows = run.data, len(run.data.labels)
    kinds = data.labels if data.schema.classes else np.zeros(n_rows)
    order = _order_evenly(kinds, seed=run.seed)
    least = min(n_rows, max(_LEAST_ROWS, _LEAST_PER_CLASS * len(np.unique(kinds))))
    n_grown = 0
    for planned in split_training(max(n_rows, run.n_checkpoints), run.n_checkpoints):
        n = min(n_rows, max(planned, least))
        if n > n_grown:
            share = np.sort(order[:n])
            with _fitting():
                model = clone(model).fit(data.rows[share], data.labels[share])
        n_grown = n
        yield Checkpoint(model, n_steps=n)


def _order_evenly(kinds: npt.NDArray[Any], *, seed: int) -> npt.NDArray[np.int64]:
    """Order rows so that every beginning holds the kinds in proportion, first a few of each."""
    shuffled = np.random.default_rng(seed).permutation(len(kinds))
    keys = np.empty(len(kinds))
    for kind in np.unique(kinds):
        of_kind = shuffled[kinds[shuffled] == kind]
        ranks = np.arange(len(of_kind))
        keys[of_kind] = np.maximum(0, ranks - _LEAST_PER_CLASS + 1) / len(of_kind)
    return shuffled[np.argsort(keys[shuffled], kind="stable")]


def find_thread_pools() -> ThreadpoolController:
    """Return the thread pools of the libraries in this process, looked for anew with new ones."""
    return _look_for_pools(len(sys.modules))


@lru_cache(maxsize=1)
def _look_for_pools(n_modules: int) -> ThreadpoolController:  # noqa: ARG001
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def with_one_openmp_thread() -> Iterator[None]:
    """Let OpenMP use one thread in this process."""
    with find_thread_pools().limit(limits=1, user_api="openmp"):
        yield


@contextmanager
def _fitting() -> Iterator[None]:
    with with_one_openmp_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
