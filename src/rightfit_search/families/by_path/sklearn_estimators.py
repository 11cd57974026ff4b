"""Any estimator of scikit-learn by import path, or several as a pipeline: no Python needed.

``family: sklearn`` with ``estimator: sklearn.svm.SVC`` in a model's block. A class, or a
function without arguments that returns an estimator; a list of paths is a pipeline, whose settings
are named as scikit-learn does: ``svc__C``. A classifier stands for its regressor too where there is
one of that name beside it: ``…Regressor`` for ``…Classifier``, ``SVR`` for ``SVC``.

Training grows an estimator by members, by passes or by shares of the rows. The last checkpoint is
what the estimator's own ``fit`` makes of all rows, except where the configuration sets the passes
of an estimator with ``partial_fit``.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rightfit._core.import_path import import_by_path
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration, Rows
from rightfit.models.sklearn_io import (
    ESTIMATOR_TYPES,
    export_scores,
    has_class_scores,
    list_steps,
    load_skops,
    set_joblib_threads,
    softmax_scores,
)
from rightfit_search.families.family import Checkpoint, Scaling, TrainingRun
from rightfit_search.families.sklearn_family import SklearnFamily, measure_tree
from rightfit_search.families.sklearn_training import grow_members, grow_passes, grow_rows
from rightfit_search.families.training_work import TrainingSize

_NOT_SERVED = ("classes_", "feature_importances_", "train_score_", "oob_score_", "loss_curve_")

SEPARATOR = "+"

Growth = Literal["members", "passes", "rows"]

_GROWS_BY_ITERATIONS = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")

_REGRESSORS = (("Classifier", "Regressor"), ("classifier", "regressor"), ("SVC", "SVR"))
_STORES_ROWS = ("sklearn.gaussian_process", "sklearn.neighbors", "sklearn.semi_supervised")


class EstimatorFamily(SklearnFamily):
    """A family made of an import path; see :class:`rightfit.Family`.

    Args:
        estimator: Import path of a class, or of a function without arguments that returns an
            estimator; several with ``+`` between them are the steps of a pipeline.
    """

    def __init__(self, estimator: str) -> None:
        self._paths = estimator.split(SEPARATOR)
        modules = dict.fromkeys(path.rpartition(".")[0] for path in self._paths)
        other_modules = [name for name in modules if not name.startswith("sklearn.")]
        self.native_imports = (*other_modules, *SklearnFamily.native_imports)

    @property
    def length_setting(self) -> str | None:
        """See :class:`rightfit.Family`."""
        return find_length_setting(self._prototype)

    @property
    def growth(self) -> Scaling:
        """Whether more steps make a larger model: more members do, and rows that it stores."""
        last = self._prototype.steps[-1][1] if len(self._paths) > 1 else self._prototype
        if choose_growth(last, {}) == "members" or hasattr(last, "_get_coef"):  # of kernels
            return "affine"
        return "affine" if type(last).__module__.startswith(_STORES_ROWS) else "constant"

    def list_defaults(self) -> Configuration:
        """Return the library's own value of every setting."""
        defaults: Configuration = self._prototype.get_params()
        return defaults

    def check_task(self, task: Task) -> None:
        """See :class:`rightfit.Family`."""
        self._find_prototype(task)

    def check_configuration(self, configuration: Configuration) -> None:
        """Check the settings' names, and the values where the estimator can.

        Raises:
            ValueError: If the path leads nowhere, or a setting is unknown or has a wrong value.
        """
        defaults = self.list_defaults()
        unknown = sorted(set(configuration) - set(defaults))
        if unknown:
            raise ValueError(f"{self._named} has no settings {unknown}; it has {sorted(defaults)}.")
        settings = {name: value for name, value in configuration.items() if value is not None}
        try:
            model = self._estimator(settings, seed=0, n_threads=1)
            for step in list_steps(model):
                if hasattr(step, "_parameter_constraints"):  # not every estimator declares any
                    step._validate_params()
        except (TypeError, ValueError) as err:
            raise ValueError(f"{self._named}: {err}") from err

    def describe_structure(self, model: Any) -> dict[str, float]:
        """Count the stored numbers and the operations of a row.

        Of a tree, a row passes only its path. Of everything else each stored number is taken to be
        used once a row, as in matrix products, support vectors and neighbours.

        Returns:
            ``n_parameters`` and ``n_operations``, both at least 1; of a support vector machine also
            ``n_iterations``, those of its solver for all pairs of classes together.
        """
        n_parameters, n_operations = 0.0, 0.0
        for part in _walk(model, set()):
            if isinstance(part, np.ndarray):
                n_stored = n_used = float(part.size)
            else:
                _, n_stored, n_used = measure_tree(part)
            n_parameters += n_stored
            n_operations += n_used
        counts = {"n_parameters": max(n_parameters, 1.0), "n_operations": max(n_operations, 1.0)}
        if hasattr(model, "n_support_"):
            counts["n_iterations"] = max(float(np.sum(model.n_iter_)), 1.0)
        return counts

    def count_work(
        self,
        configuration: Configuration,
        size: TrainingSize,
        structure: Mapping[str, float],
        *,
        checkpoint: int,
        n_checkpoints: int,
    ) -> dict[str, float]:
        """Count what an iteration of a support vector machine passes over, too: rows of a pair.

        How many iterations there are follows from the data and ``C`` more than from the rows.
        """
        counts = super().count_work(
            configuration, size, structure, checkpoint=checkpoint, n_checkpoints=n_checkpoints
        )
        pair_rows = counts["values"] / size.n_features * 2 / size.n_outputs  # one versus one
        return counts | {"iterated_rows": structure.get("n_iterations", 0.0) * pair_rows}

    def train(self, run: TrainingRun) -> Iterator[Checkpoint]:
        """Fit through checkpoints, see :func:`choose_growth`."""
        task, configuration = run.data.schema.task, run.configuration
        model = self._estimator(configuration, seed=run.seed, n_threads=run.n_threads, task=task)
        if not all(type(step).__module__.startswith("sklearn.") for step in list_steps(model)):
            # code of others may write to its rows, which the other trials learn from as well
            rows, labels = run.data.rows.copy(), run.data.labels.copy()
            run = replace(run, data=replace(run.data, rows=rows, labels=labels))
        growth = choose_growth(model, configuration)
        if growth == "members":
            length_setting = find_length_setting(model) or "n_estimators"
            return grow_members(model, run, length_setting=length_setting)
        if growth == "passes":
            n_passes = configuration.get("max_iter", 1)
            n_least = run.n_checkpoints if n_passes == 1 else 1
            return grow_passes(model, run, n_passes=n_passes, n_least_steps=n_least)
        return grow_rows(model, run)

    def predict(self, model: Any, rows: Rows) -> Rows:
        """Return class probabilities, or a regressor's values.

        Of a classifier that has no probabilities: its scores put through a sigmoid or softmax,
        which keeps their order and is not calibrated; without scores of the classes 1 for the one
        predicted.
        """
        if hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
            return super().predict(model, rows)
        if has_class_scores(model):
            return softmax_scores(model, rows)
        certain: Rows = np.eye(len(model.classes_), dtype=np.float32)[model.predict(rows)]
        return certain

    def set_serving(self, model: Any, *, n_threads: int, device: str) -> None:  # noqa: ARG002
        """Set the joblib threads where there are any; those of OpenMP are the process'."""
        set_joblib_threads(model, n_threads)

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:  # noqa: ARG002
        """See :class:`rightfit.Family`."""
        prototype = self._find_prototype(schema.task)
        step_kinds = [type(step) for step in list_steps(prototype)]
        trusted = {f"{kind.__module__}.{kind.__qualname__}" for kind in step_kinds}
        name = type(prototype).__name__
        return load_skops(path, trusted=(*ESTIMATOR_TYPES, *sorted(trusted)), estimator=name)

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """Convert with skl2onnx.

        Raises:
            ValueError: If the converter is known to be wrong, or the model has no probabilities.
        """
        for step in list_steps(model):
            if getattr(step, "weights", None) == "distance":
                raise ValueError(
                    "Neighbours weighted by distance can't be exported to ONNX: the converter "
                    "loses precision where rows lie close together."
                )
        has_scores = hasattr(model, "classes_") and not hasattr(model, "predict_proba")
        export = export_scores if has_scores else super().export_onnx
        with warnings.catch_warnings():  # the converters read what scikit-learn has deprecated
            warnings.simplefilter("ignore")
            return export(model, schema)

    @property
    def _named(self) -> str:
        return " + ".join(self._paths)

    @cached_property
    def _prototype(self) -> Any:
        from sklearn.pipeline import make_pipeline

        steps = [make_estimator(path) for path in self._paths]
        return make_pipeline(*steps) if len(steps) > 1 else steps[0]

    def _find_prototype(self, task: Task) -> Any:
        """Return the estimator as it is named, or the one that learns the task in its place.

        Raises:
            ValueError: If there is none.
        """
        from sklearn.base import is_classifier, is_regressor

        learns = {"classification": is_classifier, "regression": is_regressor}[task]
        if learns(self._prototype):
            return self._prototype
        paths = [find_regressor(path) for path in self._paths]
        if task == "classification" or paths == self._paths:
            raise ValueError(f"{self._named} can't learn {task}")
        estimators = [make_estimator(path) for path in paths]
        if len(estimators) == 1:
            return estimators[0]
        from sklearn.pipeline import Pipeline

        # named as the block's settings name them
        names = [name for name, _ in self._prototype.steps]
        return Pipeline(list(zip(names, estimators, strict=True)))

    def _estimator(
        self,
        configuration: Configuration,
        *,
        seed: int,
        n_threads: int,
        task: Task | None = None,
    ) -> Any:
        from sklearn.base import clone

        model = clone(self._find_prototype(task) if task else self._prototype)
        usual = {"random_state": seed, "n_jobs": n_threads}
        for name, value in model.get_params().items():
            kind = name.rpartition("__")[2]
            if value is None and kind in usual:
                model.set_params(**{name: usual[kind]})
        model.set_params(**configuration)
        for step in list_steps(model):
            if not type(step).__module__.startswith("sklearn.neighbors"):
                continue
            # the nodes of a tree of neighbours cannot be stored without pickle
            algorithm = step.get_params().get("algorithm")
            if algorithm == "auto":
                step.set_params(algorithm="brute")
            elif algorithm in ("ball_tree", "kd_tree"):
                raise ValueError(
                    "algorithm must be brute or auto, since a tree of neighbours can't be stored "
                    f"without pickle, but got {algorithm!r}."
                )
        return model


FAMILY = EstimatorFamily


def make_estimator(path: str) -> Any:
    """Make an estimator from the import path of its class, or of a function that returns one.

    Raises:
        ValueError: If the path leads nowhere, to what needs arguments, or to no estimator.
    """
    make = import_by_path(path, kind="model's estimator", key="the model's estimator")
    try:
        estimator = make()
    except TypeError as err:
        raise ValueError(
            f"{path} can't be made without arguments: {err}. Name a function of your own that "
            "returns the estimator."
        ) from err
    if not (hasattr(estimator, "fit") and hasattr(estimator, "get_params")):
        raise ValueError(f"{path} is no estimator of scikit-learn: it has no fit or no get_params.")
    return estimator


def find_regressor(path: str) -> str:
    """Return the import path of the regressor of a classifier's name; the same if there is none."""
    for suffix, other in _REGRESSORS:
        library, _, name = (path.removesuffix(suffix) + other).rpartition(".")
        if path.endswith(suffix) and hasattr(importlib.import_module(library), name):
            return f"{library}.{name}"
    return path


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
        configuration: Settings from the model's block. Passes are taken only where it says
            how many: an estimator that stops by its own rule is fitted by shares of rows.
    """
    length = find_length_setting(estimator)
    if length == "n_estimators" or type(estimator).__name__ in _GROWS_BY_ITERATIONS:
        return "members"
    if hasattr(estimator, "partial_fit") and (length is None or length in configuration):
        return "passes"
    return "rows"


def _walk(value: Any, visited_ids: set[int]) -> Iterator[Any]:
    """Yield the arrays and trees that an estimator was fitted to, each once."""
    if id(value) in visited_ids:
        return
    visited_ids.add(id(value))
    is_tree = type(value).__name__ in ("Tree", "TreePredictor")
    if is_tree or (isinstance(value, np.ndarray) and value.dtype.kind in "fiu"):
        yield value
    elif isinstance(value, np.ndarray | list | tuple):
        for item in value.flat if isinstance(value, np.ndarray) else value:
            yield from _walk(item, visited_ids)
    elif type(value).__module__.startswith("numpy"):
        return
    elif hasattr(value, "steps"):  # a pipeline keeps what it fitted among its arguments
        yield from _walk([step for _, step in value.steps], visited_ids)
    elif hasattr(value, "__dict__"):
        arguments = value.get_params(deep=False) if hasattr(value, "get_params") else {}
        for name, fitted in vars(value).items():
            if name not in arguments and name not in _NOT_SERVED:
                yield from _walk(fitted, visited_ids)
