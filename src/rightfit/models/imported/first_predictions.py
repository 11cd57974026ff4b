"""Try some rows on a fitted model: which form it reads, and what it answers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import count, describe_error
from rightfit.models.imported.objects import (
    ModelDescription,
    PredictionKind,
    make_call,
    make_finish,
)
from rightfit.models.imported.row_table import Form, RowTable
from rightfit.models.predictions import TOLERANCE
from rightfit.models.schema import InputSchema

N_TRIED = 16  # rows; they tell what is answered, and what does not fit


@dataclass(frozen=True)
class FirstPredictions:
    """A model's answers to the first rows.

    Args:
        facts: What it says of itself.
        columns: Columns that it read, in order.
        form: The form in which it read them.
        answers: Its answers, as it gives them.
        imports: Modules that a process should import before it opens the model.
    """

    facts: ModelDescription
    columns: tuple[str, ...]
    form: Form
    answers: Any
    imports: tuple[str, ...] = ()

    def configure(self, classes: tuple[str, ...] | None) -> dict[str, Any]:
        """Return how a bundle's object is served, as JSON types.

        Args:
            classes: The classes, empty in regression; ``None``: its answers are not judged.

        Raises:
            RightfitError: If its answers are none of these.
        """
        schema = None if classes is None else InputSchema(self.columns, classes, None)
        return {
            "object": self.facts.name,
            "kind": self.facts.kind,
            "rows": self.form,
            "classes": list(self.facts.classes),
            "answers": find_prediction_kind(self.answers, self.facts, schema),
            "imports": list(self.imports),
        }


def try_object(
    model: Any,
    facts: ModelDescription,
    rows: RowTable,
    *,
    imports: tuple[str, ...] = (),
    unnamed: Sequence[str] | None = None,
) -> FirstPredictions:
    """Answer the first rows.

    Args:
        model: The model; its settings of threads may be changed.
        facts: What it says of itself.
        rows: Rows that it can answer, all columns that there are.
        imports: As of :class:`FirstPredictions`.
        unnamed: Columns of a model that names none; ``None``: all that there are.

    Raises:
        RightfitError: If it cannot answer them in any form.
    """
    if facts.features is None and unnamed is not None:
        rows = rows.select(unnamed, of=facts.name)
    read = select_columns(rows, facts).head(N_TRIED)
    call = make_call(model, facts.kind, facts.classes, n_threads=1, device="cpu")
    # An estimator that was fitted on a frame knows its columns' names. A model that says nothing of
    # its rows gets them as they were given; the weights of torch modules are float32.
    likeliest: tuple[Form, ...]
    if facts.kind == "torch":
        likeliest = ("floats", "matrix")
    elif facts.features is not None:
        likeliest = (read.frame, "pandas", "polars")
    elif facts.n_features is not None:
        likeliest = ("matrix",)
    else:
        likeliest = (read.form, read.frame, "matrix")
    failures: list[BaseException] = []
    for form in dict.fromkeys(likeliest):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # a model may write to its rows, which are the caller's
                answers = call(copy.deepcopy(read.to(form, facts.features or ())))
        except (Exception, SystemExit) as err:  # models raise whatever they stumble over
            failures.append(err)
        else:
            return FirstPredictions(facts, facts.features or read.columns, form, answers, imports)
    first = failures[0]
    says_so = getattr(model, "is_fitted", None)  # CatBoost's
    is_unfitted = type(first).__name__.endswith("NotFittedError")
    if is_unfitted or (callable(says_so) and not says_so()):
        raise RightfitError(
            f"{facts.name} is not fitted yet: call its fit(X, y) first, then measure it."
        ) from first
    raise RightfitError(
        f"{facts.name} cannot answer the rows ({describe_error(first)}). Give "
        "it the columns and types that it was fitted on; the rows have "
        f"{list(rows.columns[:10])}."
    ) from first


def find_prediction_kind(
    output: Any, facts: ModelDescription, schema: InputSchema | None
) -> PredictionKind:
    """Tell what a model's answers to some rows are.

    Args:
        output: The answers.
        facts: What it says of itself.
        schema: What is predicted; ``None``: nothing is judged.

    Raises:
        RightfitError: If they are not what the schema asks for.

    >>> binary = InputSchema(("x",), ("no", "yes"), None)
    >>> function = ModelDescription("function", "f", None, (), None, None)
    >>> outputs = ([0.5], ["no"], [[3.0, -1.0]])
    >>> [find_prediction_kind(np.array(output), function, binary) for output in outputs]
    ['second', 'labels', 'scores']
    """
    if schema is None:
        return "any"
    answers = np.asarray(output)
    n_classes, shape = schema.n_classes, answers.shape
    if not answers.size or not shape:
        raise RightfitError(
            f"{facts.name} answers {answers.dtype} of shape {shape}; it must answer each row."
        )
    flat = answers.reshape(len(answers), -1)
    is_number = answers.dtype.kind in "fiub"
    if not n_classes:
        if is_number and flat.shape[1] == 1:
            return "values"
        raise RightfitError(
            f"{facts.name} answers {answers.dtype} of shape {shape}, but the targets are numbers: "
            "one number a row is needed."
        )
    if facts.classes != schema.class_numbers and not set(facts.classes) <= set(schema.classes):
        raise RightfitError(
            f"{facts.name} predicts the classes {list(facts.classes[:10])}, but the targets hold "
            f"{list(schema.classes[:10])}. Give them as they were when it was fitted."
        )
    if answers.ndim == 1 and answers.dtype.kind != "f":
        try:
            make_finish((), schema, "labels")(answers)
        except RightfitError as err:
            raise RightfitError(f"{facts.name} can't be judged: {err}.") from err
        return "labels"
    if is_number and n_classes == 2 and flat.shape[1] == 1:
        return "second" if _are_shares(flat) else "score"
    if is_number and flat.shape[1] == (len(facts.classes) or n_classes):
        sums = flat.sum(axis=1)
        are_probabilities = _are_shares(flat) and bool((np.abs(sums - 1) <= TOLERANCE).all())
        if answers.dtype.kind != "f" and (flat == flat[:, :1]).all():
            raise RightfitError(
                f"{facts.name} answers {answers.dtype} of shape {shape} that are the same for "
                "every class of a row: it must answer a probability of each, or the class."
            )
        return "probabilities" if are_probabilities else "scores"
    raise RightfitError(
        f"{facts.name} answers {answers.dtype} of shape {shape}, but there are {n_classes} "
        f"classes, {list(schema.classes[:10])}: it must answer a probability of each, or the class."
    )


def select_columns(rows: RowTable, facts: ModelDescription) -> RowTable:
    """Return the columns that a model reads, in its order.

    Raises:
        RightfitError: If there are others.
    """
    if facts.features is not None:
        return rows.select(facts.features, of=facts.name)
    if facts.n_features not in (None, len(rows.columns)):
        raise RightfitError(
            f"{facts.name} was fitted on {count(facts.n_features, 'column')} without names, but "
            f"the rows have {len(rows.columns)}: {list(rows.columns[:10])}. Give the columns that "
            "it was fitted on, in their order."
        )
    return rows


def _are_shares(answers: npt.NDArray[Any]) -> bool:
    return bool(((answers >= -TOLERANCE) & (answers <= 1 + TOLERANCE)).all())
