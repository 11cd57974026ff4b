"""Export models that somebody has to ONNX, as far as their libraries' converters reach.

A graph reads a matrix where all columns are numbers and none is chosen by name, else an input for
each column. A graph that answers otherwise than its model is refused; see
``models/bundle_exports.py``.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from typing import Any

from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of, require
from rightfit.models.booster import Booster
from rightfit.models.bundle import ONNX_FILE, Bundle
from rightfit.models.bundle_exports import add_onnx, keep_onnx, offer_export
from rightfit.models.imported.feeds import Feed, fill, make_rows, plan_feeds, read_inputs
from rightfit.models.imported.kinds import PICKLE_FILE
from rightfit.models.imported.objects import ServedObject
from rightfit.models.imported.onnx_form import GIVEN, OutputChoice, adapt_onnx
from rightfit.models.imported.predictors import AutoGluonModel, Trees
from rightfit.models.imported.row_table import RowTable
from rightfit.models.onnx_session import open_session
from rightfit.models.references import load_family
from rightfit.models.runtimes import NATIVE
from rightfit.models.schema import InputSchema
from rightfit.models.sklearn_io import list_steps
from rightfit.models.tree_export import add_trees_as_arrays

MAX_COMPARED_ROWS = 2_000
BOOSTERS = {"LGBM": "lightgbm", "XGB": "xgboost"}  # by how the names of their estimators begin


def offer_exports(bundle: Bundle, rows: RowTable, *, level: int = logging.WARNING) -> Bundle:
    """Export a bundle's model to ONNX, or note in the bundle why it stays native.

    Args:
        bundle: Bundle to extend in place.
        rows: Rows for the comparison, all columns that there are.
        level: Of the log's line that it stays native.
    """
    if ONNX_FILE in bundle.files:
        return bundle
    return offer_export(bundle, lambda: _export(bundle, rows.head(MAX_COMPARED_ROWS)), level=level)


def _export(bundle: Bundle, rows: RowTable) -> Bundle:
    if bundle.weights_file == PICKLE_FILE:
        raise RightfitError("only the measured process opens a pickle")
    native_rows = make_rows(bundle, NATIVE, rows)
    if "answers" not in bundle.configuration:  # the model of a library's own file
        return add_onnx(bundle, native_rows)
    if bundle.configuration["answers"] == "any":
        raise RightfitError("it is not known what it predicts")
    served: ServedObject = bundle.load_native()
    schema, read = bundle.schema, rows.select(bundle.schema.features, of=bundle.model)
    if isinstance(served.model, AutoGluonModel):
        exported = _convert_trees(served.model.find_trees(), read, schema)
        return keep_onnx(bundle, exported, served(native_rows), {"rows": read.to("floats")})
    if is_of(served.model, "flaml", "AutoML"):
        raise RightfitError("FLAML's own preparation of the columns has no ONNX form")
    is_sklearn = _find_library(served) is None
    reads_columns = is_sklearn and (
        any(hasattr(step, "transformers_") for step in _walk_steps(served.model))
        or not _are_numbers(read)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if reads_columns:
            exported, feeds = _convert_columns(served.model, read, schema)
        else:
            exported, feeds = _convert(served, read, schema), ()
        native = served(native_rows)
    inputs = fill(feeds, read) if feeds else {"rows": read.to("floats")}
    tensors = [feed.to_dict() for feed in feeds]
    return keep_onnx(bundle, exported, native, inputs, tensors=tensors)


def _convert(served: ServedObject, rows: RowTable, schema: InputSchema) -> bytes:
    """Return a graph that reads a matrix.

    Raises:
        RightfitError: If no converter is known, or it is known to be wrong.
    """
    model, kind = served.model, served.kind
    if kind == "function":
        raise RightfitError("a function has no ONNX form")
    if not schema.agrees_with(served.classes):
        raise RightfitError("its classes are in another order than those of the other models")
    if kind == "torch":
        require("onnxscript", purpose="Exporting a torch module to ONNX")
        if not rows.is_flat:
            raise RightfitError("only modules of rows with columns are exported")
        if served.answers not in ("scores", "values"):
            raise RightfitError(
                f"only modules that answer scores are exported, not {served.answers}"
            )
        return load_family("net").export_onnx(model, schema)
    library = _find_library(served)
    if library is None:
        _check_estimator(model)
        return load_family("sklearn:sklearn.pipeline.Pipeline").export_onnx(model, schema)
    if not _are_numbers(rows):
        raise RightfitError(f"the converter of {library} takes numbers alone, but there are others")
    if kind == "estimator":
        model = model.booster_ if library == "lightgbm" else model.get_booster()
    return load_family(library).export_onnx(Booster(model, schema.task), schema)


def _convert_trees(trees: Trees, rows: RowTable, schema: InputSchema) -> bytes:
    """Return a graph of another tuner's trees, which reads all columns as a matrix.

    Raises:
        RightfitError: If its preparation of the columns changes more than their types.
    """
    if not _are_numbers(rows):
        raise RightfitError("only trees of numbers are exported, but there are others")
    if trees.features != schema.features:
        raise RightfitError("the trees read other columns than the rows have")
    model = trees.model.get_booster() if trees.library == "xgboost" else trees.model
    booster = Booster(model, schema.task)
    return load_family(trees.library).export_onnx(booster, schema)


def _find_library(served: ServedObject) -> str | None:
    """Return what other library than scikit-learn a model is of, or its kind."""
    if served.kind != "estimator":
        return served.kind
    name = type(served.model).__name__
    return next((library for start, library in BOOSTERS.items() if name.startswith(start)), None)


def _check_estimator(model: Any) -> None:
    require("skl2onnx", purpose="Exporting an estimator to ONNX")
    if any(getattr(step, "is_categorical_", None) is not None for step in _walk_steps(model)):
        raise RightfitError(
            "the converter of HistGradientBoosting with native categories answers wrongly"
        )


def _convert_columns(
    model: Any, rows: RowTable, schema: InputSchema
) -> tuple[bytes, tuple[Feed, ...]]:
    """Convert an estimator to a graph with an input for each column.

    Raises:
        RightfitError: If it has no probabilities, or its converter is known to be wrong.
    """
    _check_estimator(model)
    if schema.classes and not hasattr(model, "predict_proba"):
        raise RightfitError("only classifiers with probabilities are exported with named columns")
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    add_trees_as_arrays()
    by_kind = {
        "i": Int64TensorType,
        "u": Int64TensorType,
        "f": FloatTensorType,
        "b": FloatTensorType,
    }
    types = [
        (name, by_kind.get(rows.column(name).dtype.kind, StringTensorType)([None, 1]))
        for name in schema.features
    ]
    options = {id(model): {"zipmap": False}} if schema.classes else None
    exported = to_onnx(model, initial_types=types, options=options)
    session = open_session(exported.SerializeToString(), is_optimised=False)
    plain = OutputChoice(is_configured=False)
    adapted = adapt_onnx(exported, session, schema, plain, keeps_inputs=True)
    inputs = read_inputs(session)  # in the order of the types, their names made plain: mean_area
    columns = schema.features if len(inputs) == len(types) else [tensor.name for tensor in inputs]
    tensors = [replace(tensor, name=name) for tensor, name in zip(inputs, columns, strict=True)]
    feeds = plan_feeds(tensors, rows)
    return adapted, tuple(
        replace(feed, name=f"{GIVEN}{tensor.name}")
        for feed, tensor in zip(feeds, inputs, strict=True)
    )


def _walk_steps(model: Any) -> list[Any]:
    """Return an estimator and all that it consists of, transformers of columns too."""
    steps = []
    waiting = [model]
    while waiting:
        estimator = waiting.pop()
        steps.append(estimator)
        waiting += [step for step in list_steps(estimator) if step is not estimator]
        waiting += [
            step for _, step, _ in getattr(estimator, "transformers_", ()) if hasattr(step, "fit")
        ]
    return steps


def _are_numbers(rows: RowTable) -> bool:
    return all(rows.column(name).dtype.kind in "biuf" for name in rows.columns)
