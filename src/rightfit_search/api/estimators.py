"""Rightfit as estimators of scikit-learn: fit searches, predict answers with the model chosen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import (
    assert_all_finite,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from rightfit._core.errors import RightfitError
from rightfit._core.frames import read_frame
from rightfit._core.spelling import name_some
from rightfit.api.progress_line import showing_progress
from rightfit.api.rank import read_example
from rightfit.measuring.targets import Quality
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import Task
from rightfit.ranking.applications.applications import Application
from rightfit_search.api.search import search_dataset
from rightfit_search.api.search_arguments import FamiliesLike, StoppingLike, read_rules
from rightfit_search.api.search_result import SearchResult
from rightfit_search.api.searched_table import NAME, prepare_rows, quality_block
from rightfit_search.tables.description import RESERVED_COLUMNS, DatasetSpec
from rightfit_search.tables.splitting import Parted, assign_parts, draw_stratified, find_strata
from rightfit_search.tables.tables import require_names

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

APPLICATION = "application"  # name of the one that a user gives
LEAST_ROWS = 2
VALIDATION_SHARE = 0.2
LEAST_VALIDATED = 10  # rows; or half of all, where that is less
LEAST_LOOKED_AT = 32  # rows that a training is first looked at with
MAX_CHECKPOINTS = 6
SEEDS = 2**31


class _SearchingEstimator(BaseEstimator):  # type: ignore[misc]  # untyped base
    """Base of both estimators."""

    _task: Task

    def __init__(
        self,
        application: Application | Mapping[str, object] | str | None = None,
        *,
        families: FamiliesLike | None = None,
        budget_cpu_s: float | None = 60.0,
        budget_s: float | None = None,
        n_trials: int | None = None,
        quality: Quality | None = None,
        early_stopping: StoppingLike = "pausing",
        refit: bool = True,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool | int | None = None,
    ) -> None:
        self.application = application
        self.families = families
        self.budget_cpu_s = budget_cpu_s
        self.budget_s = budget_s
        self.n_trials = n_trials
        self.quality = quality
        self.early_stopping = early_stopping
        self.refit = refit
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X: object) -> Array:  # noqa: N803 - scikit-learn's name
        """Predict with the model that was chosen.

        Args:
            X: Rows as of ``fit``, shape (n_rows, n_features).

        Returns:
            Classes or values, shape (n_rows,).
        """
        check_is_fitted(self)
        answers: Array = self.best_.predict(self._read_rows(X))
        return answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        is_timed = self.budget_cpu_s is not None or self.budget_s is not None
        tags.non_deterministic = is_timed  # the clock decides what is tried
        return tags

    def _read_rows(self, rows: object) -> pl.DataFrame:
        """Check rows that are to be predicted."""
        if _is_frame(rows):
            validate_data(self, rows, reset=False, skip_check_array=True)
            return self._read_frame(rows)
        frame = _name_columns(
            validate_data(self, rows, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        )
        names = getattr(self, "feature_names_in_", frame.columns)  # by position, as scikit-learn
        return frame.rename(dict(zip(frame.columns, names, strict=True)))

    def _read_training(self, rows: object, y: object) -> tuple[pl.DataFrame, Array]:
        """Check rows and targets to learn from."""
        if not _is_frame(rows):
            array, y = validate_data(
                self,
                rows,
                y,
                dtype=np.float64,
                ensure_all_finite="allow-nan",
                ensure_min_samples=LEAST_ROWS,
            )
            return _name_columns(array), np.asarray(y)
        validate_data(self, rows, y, skip_check_array=True)
        targets: Array = column_or_1d(y, warn=True)
        assert_all_finite(targets)
        check_consistent_length(rows, targets)
        if len(targets) < LEAST_ROWS:
            raise RightfitError(
                f"X must have {LEAST_ROWS} rows or more, but has n_samples={len(targets)}."
            )
        return self._read_frame(rows), targets

    def _read_frame(self, rows: object) -> pl.DataFrame:
        """Read a checked frame; scikit-learn goes by position where names are no texts."""
        frame = require_names(read_frame(rows, entry="X"), entry="X")
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - no lazy frame is one of scikit-learn's
        if not frame.width:
            raise RightfitError("X must have columns, but has 0 feature(s).")
        if not hasattr(self, "feature_names_in_"):
            positions = _name_positions(frame.width)
            frame = frame.rename(dict(zip(frame.columns, positions, strict=True)))
        return frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))

    def _search(self, rows: pl.DataFrame, y: Array, labels: Array | None) -> SearchResult:
        """Search by checked rows, and class positions or values.

        Where quality alone decides, no rows are kept for a test: those that validate choose.
        """
        application = self.application
        if isinstance(application, str):
            application = read_example(application)
        has_test = application is not None
        try:
            seed = int(check_random_state(self.random_state).randint(SEEDS))
        except ValueError as err:
            raise RightfitError(f"random_state: {err!s:.200}.") from err
        is_validation = choose_validation_rows(y, is_number=labels is None, seed=seed)
        rules = read_rules(
            applications=None if application is None else {APPLICATION: application},
            families=self.families,
            budget_cpu_s=self.budget_cpu_s,
            budget_s=self.budget_s,
            n_trials=self.n_trials,
            early_stopping=self.early_stopping,
            refit=self.refit,
            n_jobs=None if has_test else 1,
            n_threads=None if has_test else 1,
            n_checkpoints=count_checkpoints(int((~is_validation).sum())),
            seed=seed,
        )
        target = "target"
        while target in rows.columns:
            target += "_"
        quality = self.quality
        if quality is None and labels is not None and len(np.unique(y[is_validation])) < 2:
            quality = "accuracy"  # other metrics need rows of two classes
        learnt_from = rows if has_test else rows.filter(pl.Series(~is_validation))
        described = {
            "tables": [NAME],
            "target": {
                "column": target,
                "classes": [] if labels is None else list(map(str, labels)),
            },
            "task": self._task,
            "quality": quality_block(quality),
            "features": list_features(learnt_from),
            "seed": seed,
        }
        values = pl.Series(target, y if labels is None else [str(labels[value]) for value in y])
        part = pl.Series("part", np.where(is_validation, "validation", "train"))

        def assign(spec: DatasetSpec, labelled: pl.DataFrame) -> Parted:
            if has_test:
                return assign_parts(spec, labelled)
            return Parted(labelled.with_columns(part), ())

        prepared = prepare_rows(described, rows.with_columns(values), quality, assign)
        if labels is not None and not has_test and is_validation.any():
            require_judgement(prepared.data_card.quality, y[is_validation], labels)
        with showing_progress(self.verbose):
            return search_dataset(prepared, rules, labels)

    def _keep(self, result: SearchResult) -> None:
        self.ranking_ = result.ranking
        self.profiles_ = result.profiles
        self.trials_ = result.trials
        best = result.best()
        if best is None:
            [application] = result.applications
            raise RightfitError(result.ranking.decision(application).sentence)
        self.best_ = best


class RightfitClassifier(ClassifierMixin, _SearchingEstimator):  # type: ignore[misc]  # untyped base
    """A classifier that searches models, measures them and keeps the one that fits its application.

    Rows are a NumPy array of numbers, or a pandas or polars frame, whose texts are categories or
    free text and whose values may be missing.

    Args:
        application: Who will use the model: a :class:`rightfit.Application`, a mapping of its
            values, or the name of one of the library's examples
            (``interactive``, ``batch``, ``small_device``, ``quality_first``). Its
            candidates are measured in other processes, by rows that are kept from the search.
            ``None``: quality alone decides, in this process.
        families: Families to search, as of :func:`rightfit.search`.
        budget_cpu_s: CPU seconds of ``fit``, as of :func:`rightfit.search`; ``None``: no limit.
        budget_s: Wall seconds of the same; ``None``: no limit.
        n_trials: Configurations of each family at most; ``None``: the library's limit.
        quality: Metric that judges, as of :func:`rightfit.search`; ``None``: ROC AUC of two
            classes, else accuracy, balanced where the classes are not.
        early_stopping: As of :func:`rightfit.search`.
        refit: Whether the chosen model is trained again on all rows.
        random_state: Seed of splits, sampling and training. A search repeats itself with the same
            seed where both budgets are ``None``.
        verbose: As of :func:`rightfit.search`.

    Attributes:
        best_: The model that was chosen, a :class:`rightfit.FittedModel`.
        ranking_: The candidates in order, a :class:`rightfit.Ranking`.
        profiles_: What was measured of them, :class:`rightfit.Profiles`.
        trials_: What was tried.
        classes_: The classes, shape (n_classes,).
        n_features_in_: Columns of ``X``.
        feature_names_in_: Their names, where all are texts.
    """

    _task = "classification"

    def fit(self, X: object, y: object) -> Self:  # noqa: N803 - scikit-learn's name
        """Search for a model.

        Args:
            X: Rows, shape (n_rows, n_features).
            y: Their classes, shape (n_rows,).

        Raises:
            RightfitError: If something is wrong with a parameter, or nothing can be learnt.
        """
        rows, targets = self._read_training(X, y)
        check_classification_targets(targets)
        classes, positions = np.unique(targets, return_inverse=True)
        if len(classes) < 2:
            raise RightfitError(
                f"A classifier needs two classes or more, but y holds one class only: {classes}."
            )
        self.classes_ = classes
        self._keep(self._search(rows, positions, classes))
        return self

    def predict_proba(self, X: object) -> npt.NDArray[np.float64]:  # noqa: N803
        """Predict the probability of each class with the model that was chosen.

        Args:
            X: Rows as of ``fit``, shape (n_rows, n_features).

        Returns:
            Shape (n_rows, n_classes), in the order of ``classes_``.
        """
        check_is_fitted(self)
        answers: npt.NDArray[np.float64] = self.best_.predict_proba(self._read_rows(X))
        return answers


class RightfitRegressor(RegressorMixin, _SearchingEstimator):  # type: ignore[misc]  # untyped base
    """A regressor that searches models, measures them and keeps the one that fits its application.

    Args:
        application: As of :class:`RightfitClassifier`, also for the others.
        families: Families to search.
        budget_cpu_s: CPU seconds of ``fit``.
        budget_s: Wall seconds of it.
        n_trials: Configurations of each family.
        quality: Metric that judges; ``None``: R².
        early_stopping: Which trainings are stopped.
        refit: Whether the chosen model is trained again.
        random_state: Seed.
        verbose: As of :func:`rightfit.search`.

    Attributes:
        best_: The model that was chosen, a :class:`rightfit.FittedModel`.
        ranking_: The candidates in order, a :class:`rightfit.Ranking`.
        profiles_: What was measured of them, :class:`rightfit.Profiles`.
        trials_: What was tried.
        n_features_in_: Columns of ``X``.
        feature_names_in_: Their names, where all are texts.
    """

    _task = "regression"

    def fit(self, X: object, y: object) -> Self:  # noqa: N803 - scikit-learn's name
        """Search for a model.

        Args:
            X: Rows, shape (n_rows, n_features).
            y: Their values, shape (n_rows,).

        Raises:
            RightfitError: If something is wrong with a parameter, or nothing can be learnt.
        """
        rows, targets = self._read_training(X, y)
        values = np.asarray(targets, dtype=np.float64)
        if not np.ptp(values) > 0:
            raise RightfitError(f"y is {values[0]:g} in all rows, so there is nothing to learn.")
        self._keep(self._search(rows, values, None))
        return self


def choose_validation_rows(y: Array, *, is_number: bool, seed: int) -> Mask:
    """Choose the rows that validate: a fifth, more of few rows, none where that leaves too few.

    Args:
        y: Class positions or values, shape (n_rows,).
        is_number: Whether they are values.
        seed: Seed of the draw.

    Returns:
        Shape (n_rows,). The others hold a row of every class, or two different values.
    """
    n_rows, n_classes = len(y), 0 if is_number else len(np.unique(y))
    n_wanted = max(round(VALIDATION_SHARE * n_rows), min(LEAST_VALIDATED, n_rows // 2))
    n_wanted = min(n_wanted, n_rows - n_classes)
    nobody = np.zeros(n_rows, dtype=np.bool_)
    if n_wanted < 1:
        return nobody
    strata = find_strata(y, is_number=is_number)
    chosen = ~draw_stratified(strata, n_rows=n_rows - n_wanted, seed=seed)
    varies = all(np.ptp(part) > 0 for part in (y[chosen], y[~chosen]))
    return chosen if varies or not is_number else nobody


def require_judgement(metric: QualityMetric, validation: Array, classes: Array) -> None:
    """Check that a metric can judge validation rows, which may lack rare classes.

    Args:
        metric: The metric.
        validation: Class positions of the rows, shape (n_rows,).
        classes: The classes, shape (n_classes,).

    Raises:
        RightfitError: If it cannot; says which classes are absent.
    """
    absent = np.delete(classes, np.unique(validation))
    if not absent.size:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the answers are made up, so are the warnings
            value = metric.score(validation, np.eye(len(classes))[validation])
        if not np.isfinite(value):
            raise RightfitError(f"it is {value}")
    except Exception as err:  # whatever the metric raises
        raise RightfitError(
            f"quality: {metric.name} needs validation rows of every class, but "
            f"{name_some(list(map(repr, absent.tolist())))} have too few rows. Add rows of them, "
            "or choose accuracy or balanced_accuracy."
        ) from err


def count_checkpoints(n_rows: int) -> int:
    """Return how often a training on so many rows is looked at.

    >>> [count_checkpoints(n_rows) for n_rows in (20, 64, 1024, 10**6)]
    [1, 2, 6, 6]
    """
    halvings = math.floor(math.log2(max(1.0, n_rows / LEAST_LOOKED_AT)))
    return min(MAX_CHECKPOINTS, 1 + halvings)


def list_features(learnt_from: pl.DataFrame) -> dict[str, list[str]]:
    """Describe features: every number, since the caller has chosen the columns; the rest by kind.

    Args:
        learnt_from: Rows; a column of numbers that are all missing there is left out.

    Raises:
        RightfitError: If a column has a name that preparation needs.
    """
    reserved = sorted(set(learnt_from.columns) & set(RESERVED_COLUMNS))
    if reserved:
        raise RightfitError(
            f"X has columns called {reserved}, names that Rightfit needs; rename them."
        )
    numeric = [
        column.name
        for column in learnt_from
        if (column.dtype.is_numeric() or column.dtype == pl.Boolean)
        and column.null_count() < column.len()
    ]
    return {
        "numeric": [*numeric, "*"],  # texts that are numbers
        **{kind: ["*"] for kind in ("categorical", "text", "date", "indicate_missing")},
    }


def _is_frame(rows: object) -> bool:
    return isinstance(rows, pl.DataFrame) or hasattr(rows, "__dataframe__")


def _name_columns(array: Array) -> pl.DataFrame:
    """Return an array of numbers as a frame; NaN stands for a missing value."""
    return pl.DataFrame(array, schema=_name_positions(array.shape[1])).fill_nan(None)


def _name_positions(n_columns: int) -> list[str]:
    return [f"x{position}" for position in range(n_columns)]
