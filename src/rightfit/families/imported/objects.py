"""Serve a fitted model as the object that it is: an estimator, boosted trees, a module, a function.

What a model answers is told from some rows that it has answered: probabilities, scores, labels or
values. All become class probabilities, or the values of a regression.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rightfit.errors import RightfitError
from rightfit.families.family import Configuration, ServedFamily
from rightfit.families.imported.model_facts import Facts, Kind, name_class
from rightfit.families.predictions import TOLERANCE, softmax
from rightfit.families.schema import InputSchema
from rightfit.families.sklearn_io import ESTIMATOR_TYPES, load_skops

Matrix = npt.NDArray[Any]
Answers = Literal["probabilities", "second", "scores", "score", "labels", "values", "any"]
"""``second`` and ``score`` are of the second of two classes; ``any`` is not judged."""

OBJECT_FILE = "object.pickle"  # of this user's own process, which is why it may be opened
SKLEARN = (
    "sklearn.compose", "sklearn.ensemble", "sklearn.impute", "sklearn.linear_model",
    "sklearn.neighbors", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm",
)  # fmt: skip


class ServedObject:
    """A model that answers as bundles do.

    Args:
        model: The fitted model.
        kind: How it is called.
        classes: Its own classes, in the order of its answers.
        answers: What it answers.
        schema: Classes in the order wanted.
    """

    def __init__(
        self,
        model: Any,
        kind: Kind,
        classes: Sequence[str],
        answers: Answers,
        schema: InputSchema,
    ) -> None:
        self.model, self.kind, self.classes, self.answers = model, kind, classes, answers
        self._finish = make_finish(classes, schema, answers)
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
        return serve_object(model, configuration, schema)

    def set_serving(self, model: ServedObject, *, n_threads: int, device: str) -> None:
        """See :class:`rightfit.families.family.Family`."""
        model.use(n_threads=n_threads, device=device)

    def predict(self, model: ServedObject, rows: Any) -> Any:
        """See :class:`rightfit.families.family.Family`."""
        return model(rows)


class ModuleObjectFamily(ObjectFamily):
    """Serves a torch module of this user's process, on a GPU too."""

    devices: tuple[str, ...] = ("cpu", "cuda")


class SkopsFamily(ObjectFamily):
    """Serves an estimator of scikit-learn from a skops file, which names no module to import."""

    weights_file: str = "weights.skops"
    native_imports = ("sklearn", "skops.io")

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def load_weights(
        self, path: Path, configuration: Configuration, schema: InputSchema
    ) -> ServedObject:
        """See :class:`rightfit.families.family.Family`."""
        model = load_skops(path, trusted=ESTIMATOR_TYPES, estimator=None)
        return serve_object(model, configuration, schema)


def FAMILY(kind: str) -> ObjectFamily:  # noqa: N802
    """Return the family of one kind of objects: one of :data:`Kind`, or ``skops``."""
    kinds = {"torch": ModuleObjectFamily, "skops": SkopsFamily}
    return kinds.get(kind, ObjectFamily)()


def serve_object(model: Any, configuration: Configuration, schema: InputSchema) -> ServedObject:
    """Return an opened model that answers as a bundle's configuration says."""
    usual: Answers = "probabilities" if schema.classes else "values"
    return ServedObject(
        model,
        configuration.get("kind", "estimator"),
        configuration.get("classes", ()),
        configuration.get("answers", usual),
        schema,
    )


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
            names = [name for name in model.get_params() if name.rpartition("__")[2] == "n_jobs"]
            model.set_params(**dict.fromkeys(names, n_threads))
        return _find_method(model, has_classes=bool(classes))
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
        return _call_module(model, n_threads=n_threads, device=device)
    return lambda rows: np.asarray(model(rows))


def _find_method(model: Any, *, has_classes: bool) -> Callable[[Any], Matrix]:
    if has_classes:
        for name in ("predict_proba", "decision_function"):
            if hasattr(model, name):
                return getattr(model, name)  # type: ignore[no-any-return]
    return model.predict  # type: ignore[no-any-return]


def _call_module(module: Any, *, n_threads: int, device: str) -> Callable[[Any], Matrix]:
    import torch

    torch.set_num_threads(n_threads)
    module.to(device).eval()

    def call(rows: Matrix) -> Matrix:
        with torch.inference_mode():
            answers = module(torch.from_numpy(rows).to(device))
            found: Matrix = answers.cpu().numpy()
            return found

    return call


def find_prediction_kind(found: Any, facts: Facts, schema: InputSchema | None) -> Answers:
    """Tell what a model's answers to some rows are.

    Args:
        found: The answers.
        facts: What it says of itself.
        schema: What is predicted; ``None``: nothing is judged.

    Raises:
        RightfitError: If they are not what the schema asks for.

    >>> binary = InputSchema(("x",), ("no", "yes"), None)
    >>> function = Facts("function", "f", None, (), None, None)
    >>> found = ([0.5], ["no"], [[3.0, -1.0]])
    >>> [find_prediction_kind(np.array(one), function, binary) for one in found]
    ['second', 'labels', 'scores']
    """
    if schema is None:
        return "any"
    answers = np.asarray(found)
    flat = answers.reshape(len(answers), -1)
    n_classes, shape = schema.n_classes, answers.shape
    is_number = answers.dtype.kind in "fiub"
    if not n_classes:
        if is_number and flat.shape[1] == 1:
            return "values"
        raise RightfitError(
            f"{facts.name} answers {answers.dtype} of shape {shape}, but the targets are numbers: "
            "one number a row is needed."
        )
    if facts.classes != _number(schema) and not set(facts.classes) <= set(schema.classes):
        raise RightfitError(
            f"{facts.name} predicts the classes {list(facts.classes[:10])}, but the targets hold "
            f"{list(schema.classes[:10])}. Give them as they were when it was fitted."
        )
    if answers.ndim == 1 and answers.dtype.kind != "f":
        return "labels"
    if is_number and n_classes == 2 and flat.shape[1] == 1:
        return "second" if _are_shares(flat) else "score"
    if is_number and flat.shape[1] == (len(facts.classes) or n_classes):
        sums = flat.sum(axis=1)
        are_probabilities = _are_shares(flat) and bool((np.abs(sums - 1) <= TOLERANCE).all())
        return "probabilities" if are_probabilities else "scores"
    raise RightfitError(
        f"{facts.name} answers {answers.dtype} of shape {shape}, but there are {n_classes} "
        f"classes, {list(schema.classes[:10])}: it must answer a probability of each, or the class."
    )


def _are_shares(answers: Matrix) -> bool:
    return bool(((answers >= -TOLERANCE) & (answers <= 1 + TOLERANCE)).all())


def make_finish(
    classes: Sequence[str], schema: InputSchema, answers: Answers
) -> Callable[[Any], Any]:
    """Return what makes probabilities or values, float32, of a model's own answers.

    Args:
        classes: Its own classes, in the order of its answers.
        schema: Classes in the order wanted.
        answers: What it answers.
    """
    if answers == "any":
        return lambda found: found
    if answers == "values":
        return lambda found: _as_floats(found).reshape(-1, 1)
    if answers == "labels":
        return _name_labels(schema)
    both = _MAKE_BOTH[answers]
    order = _find_order(tuple(classes), schema)
    if order is None:
        return lambda found: both(_as_floats(found))
    return lambda found: _spread(both(_as_floats(found)), order, schema.n_classes)


def _as_floats(found: Any) -> npt.NDArray[np.float32]:
    return np.asarray(found, dtype=np.float32)


def _share_out(second: Matrix) -> Matrix:
    flat = second.reshape(-1)
    return np.stack([1 - flat, flat], axis=1)


def _sigmoid(score: Matrix) -> Matrix:
    flat = score.reshape(-1)
    return softmax(np.stack([np.zeros_like(flat), flat], axis=1))


_MAKE_BOTH: Mapping[str, Callable[[Matrix], Matrix]] = {
    "probabilities": lambda found: found,
    "second": _share_out,
    "scores": softmax,
    "score": _sigmoid,
}


def _name_labels(schema: InputSchema) -> Callable[[Any], Matrix]:
    positions = {name: position for position, name in enumerate(schema.classes)}
    certain = np.eye(schema.n_classes, dtype=np.float32)

    def finish(found: Any) -> Matrix:
        named = map(name_class, np.asarray(found).tolist())
        return certain[[positions[name] for name in named]]

    return finish


def _number(schema: InputSchema) -> tuple[str, ...]:
    """Return the names of classes that are only numbered."""
    return tuple(map(str, range(schema.n_classes)))


def _find_order(classes: tuple[str, ...], schema: InputSchema) -> list[int] | None:
    """Return the schema's positions of a model's classes; ``None`` where they are the same."""
    if classes in ((), schema.classes, _number(schema)):
        return None
    return [schema.classes.index(name) for name in classes]


def _spread(answers: Matrix, order: list[int], n_classes: int) -> Matrix:
    spread = np.zeros((len(answers), n_classes), dtype=np.float32)
    spread[:, order] = answers
    return spread
