"""A fitted model as the object that it is: an estimator, boosted trees, a module, a function.

It says of which kind it is, which columns it reads and which classes it knows. Its first
predictions tell the kind of its answers: probabilities, scores, labels or values. Served, all
become class probabilities, or the values of a regression.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of
from rightfit.models.predictions import softmax
from rightfit.models.schema import InputSchema, Task
from rightfit.models.served_family import Configuration, ServedFamily
from rightfit.models.sklearn_io import (
    ESTIMATOR_TYPES,
    has_class_scores,
    load_skops,
    set_joblib_threads,
    softmax_scores,
)

Kind = Literal["estimator", "lightgbm", "xgboost", "catboost", "torch", "function", "onnx"]
Matrix = npt.NDArray[Any]
PredictionKind = Literal["probabilities", "second", "scores", "score", "labels", "values", "any"]
"""``second`` and ``score`` are of the second of two classes; ``any`` is not judged."""

MAX_SHOWN = 60  # characters of a class in a message
OBJECT_FILE = "object.pickle"  # of this user's own process, which is why it may be opened
LIBRARIES = ("sklearn", "lightgbm", "xgboost")
SKLEARN = (
    "sklearn.compose", "sklearn.ensemble", "sklearn.impute", "sklearn.linear_model",
    "sklearn.neighbors", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm",
)  # fmt: skip

_NO_NAME = re.compile(r"(f|Column_|feature_)?\d+")  # what the libraries call columns without names


@dataclass(frozen=True)
class ModelDescription:
    """The kind, task, classes and columns that a model declares.

    Args:
        kind: How it is called.
        name: Name of its type.
        task: What it predicts; ``None``: it does not say.
        classes: Names of its classes, in the order of its answers; empty where it names none.
        features: Names of the columns that it was fitted on; ``None``: it was on a matrix, or does
            not say.
        n_features: Number of its columns; ``None``: it does not say.
    """

    kind: Kind
    name: str
    task: Task | None
    classes: tuple[str, ...]
    features: tuple[str, ...] | None
    n_features: int | None


def describe_object(model: Any) -> ModelDescription:
    """Read what a fitted model says of itself; no library is imported for it.

    Raises:
        RightfitError: If it is none that could be measured.
    """
    name = type(model).__name__
    if is_of(model, "lightgbm", "Booster"):
        return _describe_lightgbm(model)
    if is_of(model, "xgboost", "Booster"):
        return _describe_xgboost(model)
    if is_of(model, "torch", "Module"):
        return ModelDescription("torch", name, None, (), None, None)
    if hasattr(model, "predict") and not isinstance(model, type):
        kind: Kind = "catboost" if is_of(model, "catboost", "CatBoost") else "estimator"
        return _describe_estimator(model, kind)
    if callable(model) and not isinstance(model, type):
        return ModelDescription("function", getattr(model, "__name__", name), None, (), None, None)
    hint = f"; make one first: {model.__name__}(…).fit(X, y)" if isinstance(model, type) else ""
    description = (
        f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
    )
    raise RightfitError(
        "A model must be a fitted estimator of scikit-learn, LightGBM, XGBoost or CatBoost, a "
        "torch module, an ONNX model, a function from rows to answers, or the path of a model "
        f"file, but got {description}{hint}."
    )


def is_own_code(model: Any, facts: ModelDescription) -> bool:
    """Tell whether a model is a function or an estimator of no library that is known.

    >>> is_own_code(print, describe_object(print))
    True
    """
    library = type(model).__module__.partition(".")[0]
    return facts.kind in ("function", "estimator") and library not in LIBRARIES


def name_class(value: Any) -> str:
    """Return a class label as text, as a table's description does.

    Whole numbers are alike whatever their type.

    >>> [name_class(value) for value in ("yes", 1, 1.0, np.int64(1), True)]
    ['yes', '1', '1', '1', 'true']
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return str(plain).lower()
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


class ServedObject:
    """A model that answers as bundles do.

    Args:
        model: The fitted model.
        configuration: What its bundle says of it: how it is called, its own classes in the order of
            its answers, and what it answers. That of a search's estimator says nothing.
        schema: Classes in the order wanted.
    """

    def __init__(self, model: Any, configuration: Configuration, schema: InputSchema) -> None:
        usual: PredictionKind = "probabilities" if schema.classes else "values"
        self.model = model
        self.kind: Kind = configuration.get("kind", "estimator")
        self.classes: Sequence[str] = configuration.get("classes", ())
        self.answers: PredictionKind = configuration.get("answers", usual)
        self._finish = make_finish(self.classes, schema, self.answers)
        self.use(n_threads=1, device="cpu")

    def use(self, *, n_threads: int, device: str) -> None:
        """Answer with so many threads on a device."""
        self._call = make_call(
            self.model, self.kind, self.classes, n_threads=n_threads, device=device
        )

    def __call__(self, rows: Any) -> Any:
        """Answer rows in the form that the model reads."""
        return self._finish(self._call(rows))


class ObjectFamily(ServedFamily):
    """Serves what this user's process has pickled.

    A bundle's configuration says of which kind the object is and what it answers.
    """

    weights_file: str = OBJECT_FILE

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:
        """Return the modules that the object is made of."""
        return tuple(configuration["imports"])

    def load_weights(
        self, path: Path, configuration: Configuration, schema: InputSchema
    ) -> ServedObject:
        """Open the object. Its hash was compared with the one that its own process has taken."""
        with path.open("rb") as file:
            model = pickle.load(file)  # noqa: S301 - see above
        return ServedObject(model, configuration, schema)

    def set_serving(self, model: ServedObject, *, n_threads: int, device: str) -> None:
        """See :class:`rightfit.Family`."""
        model.use(n_threads=n_threads, device=device)

    def predict(self, model: ServedObject, rows: Any) -> Any:
        """See :class:`rightfit.Family`."""
        return model(rows)


class ModuleObjectFamily(ObjectFamily):
    """Serves a torch module of this user's process, on a GPU too."""

    devices: tuple[str, ...] = ("cpu", "cuda")
    native_imports: tuple[str, ...] = ("torch",)


class SkopsFamily(ObjectFamily):
    """Serves an estimator of scikit-learn from a skops file, which names no module to import."""

    weights_file: str = "weights.skops"
    native_imports = ("sklearn", "skops.io")

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing: skops builds nothing but scikit-learn's types."""
        return ()

    def load_weights(
        self, path: Path, configuration: Configuration, schema: InputSchema
    ) -> ServedObject:
        """See :class:`rightfit.Family`."""
        model = load_skops(path, trusted=ESTIMATOR_TYPES, estimator=None)
        return ServedObject(model, configuration, schema)


class OnnxOnly(ServedFamily):
    """Serves what exists as an ONNX file alone."""

    devices: tuple[str, ...] = ("cpu", "cuda")
    weights_file: str = "model.onnx"
    native_imports: tuple[str, ...] = ("onnxruntime",)


def FAMILY(kind: str) -> ServedFamily:  # noqa: N802
    """Return the family of one kind of objects: one of :data:`Kind`, or ``skops``."""
    kinds = {"torch": ModuleObjectFamily, "skops": SkopsFamily, "onnx": OnnxOnly}
    return kinds.get(kind, ObjectFamily)()


def make_call(
    model: Any, kind: Kind, classes: Sequence[str], *, n_threads: int, device: str
) -> Callable[[Any], Matrix]:
    """Return a function from rows, in the form that the model reads, to its own answers.

    Args:
        model: The model; its settings of threads may be changed.
        kind: How it is called.
        classes: Its classes, empty where it predicts values.
        n_threads: Threads of a call.
        device: ``cpu`` or ``cuda``.
    """
    if kind == "estimator":
        if hasattr(model, "get_params"):
            set_joblib_threads(model, n_threads)
        if classes and hasattr(model, "predict_proba"):
            return model.predict_proba  # type: ignore[no-any-return]
        if classes and has_class_scores(model):
            return lambda rows: softmax_scores(model, rows)
        return model.predict  # type: ignore[no-any-return]
    if kind == "lightgbm":
        return lambda rows: model.predict(rows, num_threads=n_threads)
    if kind == "xgboost":
        model.set_param({"nthread": n_threads})
        return model.inplace_predict  # type: ignore[no-any-return]
    if kind == "catboost":
        if classes:
            return lambda rows: model.predict(
                rows, prediction_type="Probability", thread_count=n_threads
            )
        return lambda rows: model.predict(rows, thread_count=n_threads)
    if kind == "torch":
        import torch

        torch.set_num_threads(n_threads)
        model.to(device).eval()

        def call(rows: Matrix) -> Matrix:
            with torch.inference_mode():
                answers = model(torch.from_numpy(rows).to(device))
                matrix: Matrix = answers.cpu().numpy()
                return matrix

        return call
    return lambda rows: np.asarray(model(rows))


def make_finish(
    classes: Sequence[str], schema: InputSchema, answers: PredictionKind
) -> Callable[[Any], Any]:
    """Return what makes probabilities or values, float32, of a model's own answers.

    Args:
        classes: Its own classes, in the order of its answers.
        schema: Classes in the order wanted.
        answers: What it answers.
    """
    if answers == "any":
        return lambda output: output
    if answers == "values":
        return lambda output: _as_floats(output).reshape(-1, 1)
    if answers == "labels":
        positions = {name: position for position, name in enumerate(schema.classes)}
        certain = np.eye(schema.n_classes, dtype=np.float32)

        def finish(output: Any) -> Any:
            names = [name_class(label) for label in np.asarray(output).tolist()]
            if unknown := sorted(set(names) - set(positions)):
                shown = [name[:MAX_SHOWN] for name in unknown[:10]]
                raise RightfitError(
                    f"it answers the classes {shown}, but those known are "
                    f"{list(schema.classes[:10])}. Let it answer labels as the targets hold them, "
                    "or give it the attribute classes_ with all of them"
                )
            return certain[[positions[name] for name in names]]

        return finish
    both = _MAKE_BOTH[answers]
    if schema.agrees_with(classes):
        return lambda output: both(_as_floats(output))
    order = [schema.classes.index(name) for name in classes]  # of its answers among the schema's
    return lambda output: _spread(both(_as_floats(output)), order, schema.n_classes)


def _as_floats(output: Any) -> npt.NDArray[np.float32]:
    return np.asarray(output, dtype=np.float32)


def _join(first: Matrix, second: Matrix) -> Matrix:
    return np.stack([first.reshape(-1), second.reshape(-1)], axis=1)


_MAKE_BOTH: Mapping[str, Callable[[Matrix], Matrix]] = {
    "probabilities": lambda output: output,
    "second": lambda output: _join(1 - output, output),
    "scores": softmax,
    "score": lambda output: softmax(_join(np.zeros_like(output), output)),  # a sigmoid
}


def _spread(answers: Matrix, order: list[int], n_classes: int) -> Matrix:
    spread = np.zeros((len(answers), n_classes), dtype=np.float32)
    spread[:, order] = answers
    return spread


def _describe_estimator(model: Any, kind: Kind) -> ModelDescription:
    name = type(model).__name__
    classes = getattr(model, "classes_", None)
    if isinstance(classes, list) and any(
        isinstance(labels, list | np.ndarray) for labels in classes
    ):
        raise RightfitError(f"{name} predicts several targets at once; measure a model of one.")
    names = tuple(map(name_class, np.asarray(classes).tolist())) if classes is not None else ()
    try:
        learns = model.__sklearn_tags__().estimator_type
    except Exception:  # older versions have no tags, and an estimator may break them
        learns = getattr(model, "_estimator_type", None)
    is_regressor = not names and (kind == "catboost" or learns == "regressor")
    task: Task | None = "classification" if names else "regression" if is_regressor else None
    feature_names = getattr(model, "feature_names_in_", None)
    if feature_names is None:
        feature_names = getattr(model, "feature_names_", None)  # CatBoost's
    return ModelDescription(
        kind, name, task, names, _keep_names(feature_names), getattr(model, "n_features_in_", None)
    )


def _describe_lightgbm(booster: Any) -> ModelDescription:
    match = re.search(r"^objective=(\w+)", booster.model_to_string(num_iteration=1), re.MULTILINE)
    objective = match[1] if match else ""
    n_models = booster.num_model_per_iteration()
    n_classes = 2 if objective == "binary" else n_models if objective.startswith("multi") else 0
    features = _keep_names(booster.feature_name())
    return _describe_booster("lightgbm", n_classes, features, booster.num_feature())


def _describe_xgboost(booster: Any) -> ModelDescription:
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    if objective == "multi:softmax":
        raise RightfitError(
            "The Booster answers class numbers (multi:softmax); train it with multi:softprob, "
            "whose probabilities can be judged."
        )
    n_classes = (
        2 if objective.startswith("binary") else int(learner["learner_model_param"]["num_class"])
    )
    return _describe_booster(
        "xgboost", n_classes, _keep_names(booster.feature_names), booster.num_features()
    )


def _describe_booster(
    kind: Kind, n_classes: int, features: tuple[str, ...] | None, n_features: int
) -> ModelDescription:
    task: Task = "classification" if n_classes else "regression"
    classes = tuple(map(str, range(n_classes)))
    return ModelDescription(kind, "Booster", task, classes, features, n_features)


def _keep_names(names: Sequence[Any] | None) -> tuple[str, ...] | None:
    """Return names of columns that somebody gave; ``None`` for a library's numbers."""
    if names is None or all(_NO_NAME.fullmatch(str(name)) for name in names):
        return None
    return tuple(map(str, names))
