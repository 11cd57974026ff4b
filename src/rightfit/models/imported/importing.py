"""Make a model bundle of a file that somebody has already, after checking that it fits."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rightfit._core.spelling import name_some
from rightfit.models.booster import Booster
from rightfit.models.bundle import ONNX_FILE, Bundle, write_bundle_files
from rightfit.models.bundle_files import check_onnx_file, hash_regular_file
from rightfit.models.imported.feeds import (
    Feed,
    list_columns,
    make_rows,
    plan_feeds,
    read_inputs,
    reads_matrix,
)
from rightfit.models.imported.first_predictions import FirstPredictions, try_object
from rightfit.models.imported.kinds import (
    BOOSTER_FILES,
    FAMILIES,
    PICKLE_FILE,
    SKOPS_FILE,
    find_family,
    name_weights,
)
from rightfit.models.imported.objects import ModelDescription, describe_object
from rightfit.models.imported.onnx_form import GIVEN, OutputChoice, adapt_onnx
from rightfit.models.imported.row_table import RowTable
from rightfit.models.onnx_session import first_line, open_session
from rightfit.models.predictions import MIN_AGREEMENT, check_predictions, compare_predictions
from rightfit.models.references import load_family
from rightfit.models.runtimes import NATIVE, ONNX, Predict, open_predictor
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Rows
from rightfit.models.sklearn_io import ESTIMATOR_TYPES, load_skops


@dataclass(frozen=True)
class ModelFile:
    """A model file as the configuration describes it.

    Args:
        name: The model's name in the configuration.
        path: The file.
        columns: ``raw`` or ``encoded``: which columns it reads.
        answers: What the configuration says of its answers.
        trust: Whether it may be opened though it is neither ONNX nor safetensors.
        module: Import path of the torch module whose weights it holds.
        settings: Further arguments of that module.
    """

    name: str
    path: Path
    columns: Literal["raw", "encoded"] = "raw"
    answers: OutputChoice = field(default_factory=OutputChoice)
    trust: bool = False
    module: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """Reference of the family that serves it.

        Raises:
            ValueError: If the kind is unknown, or needs trust or a module.
        """
        return find_family(self.weights_file, trust=self.trust, module=self.module)

    @property
    def weights_file(self) -> str:
        """Name of its kind in a bundle.

        Raises:
            ValueError: If the kind is unknown, or needs trust.
        """
        return name_weights(self.path, trust=self.trust)


@dataclass(frozen=True)
class ReferencePredictions:
    """Rows and the answers that a model gave to them elsewhere.

    Args:
        path: Where they come from, for messages.
        rows: The rows, all columns that the model reads.
        answers: Probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1); ``None``
            where only classes are known.
        labels: Class positions, shape (n_rows,); ``None`` where the answers are known.
    """

    path: Path
    rows: RowTable
    answers: Rows | None
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] | None


def check_file(model_file: ModelFile) -> None:
    """Open a file, before anything slow starts; a pickle is not opened.

    Raises:
        ValueError: If it is of an unknown kind, or broken, or needs trust.
    """
    load_family(model_file.family)
    if model_file.weights_file == ONNX_FILE:
        open_onnx(model_file.path)
    elif model_file.weights_file in BOOSTER_FILES:
        open_native(model_file.path, model_file.weights_file)


def open_onnx(path: Path) -> Any:
    """Open an ONNX file; weights in other files must lie beside it.

    Raises:
        ValueError: If it is no ONNX model, or this onnxruntime cannot run it.
    """
    check_onnx_file(path, listed={other.name for other in path.parent.iterdir()})
    return open_session(path, is_optimised=False)


def read_columns(model_file: ModelFile) -> tuple[str, ...] | None:
    """Return the names of the columns that a file's model reads; ``None`` if it names none.

    Raises:
        ValueError: If it cannot be read.
    """
    if model_file.weights_file == ONNX_FILE:
        return list_columns(read_inputs(open_onnx(model_file.path)))
    if model_file.weights_file == SKOPS_FILE:
        return open_skops(model_file.path)[1].features
    if model_file.weights_file in BOOSTER_FILES:
        return open_native(model_file.path, model_file.weights_file)[1].features
    return None


def open_skops(path: Path) -> tuple[Any, ModelDescription]:
    """Open an estimator of scikit-learn from a skops file, which can run no code.

    Raises:
        ValueError: If it holds anything else.
    """
    model = load_skops(path, trusted=ESTIMATOR_TYPES, estimator=None)
    return model, describe_object(model)


def open_native(path: Path, weights_file: str) -> tuple[Any, ModelDescription]:
    """Open a file of a library of boosted trees, one of :data:`BOOSTER_FILES`.

    Raises:
        ValueError: If the library is not installed, or cannot read the file.
    """
    family: Any = load_family(FAMILIES[weights_file])
    family.import_library()
    try:
        trees = family.open_file(path)
        return trees, describe_object(trees)
    except Exception as err:  # each library raises kinds of its own
        raise ValueError(f"{family.library} cannot read {path}: {first_line(err)}") from err


def import_file(
    model_file: ModelFile,
    folder: Path,
    *,
    schema: InputSchema,
    rows: RowTable,
    predictions: ReferencePredictions | None = None,
    tried: FirstPredictions | None = None,
) -> Bundle:
    """Make a bundle of a model file.

    Args:
        model_file: The file.
        folder: Folder to create.
        schema: The columns it reads, and the dataset's classes.
        rows: Rows to try it on, with these columns.
        predictions: What it must answer; ``None``: not known.
        tried: What the model of a pickle has answered, in a process of its own.

    Returns:
        The bundle, not yet exported to ONNX.

    Raises:
        ValueError: If the file does not fit the dataset, or answers otherwise than it should.
    """
    family = model_file.family  # refuses what needs trust, before anything is written
    folder.mkdir(parents=True, mode=0o700)
    configuration = {
        "file": model_file.path.name,
        "sha256": hash_regular_file(model_file.path),
        "input": model_file.columns,
        **({"settings": dict(model_file.settings)} if model_file.module else {}),
    }
    bundle = write_bundle_files(
        folder,
        model=model_file.name,
        family=family,
        weights_file=model_file.weights_file,
        configuration=configuration | _store(model_file, folder, schema, rows, tried),
        schema=schema,
    )
    if model_file.weights_file == PICKLE_FILE:
        if predictions is not None:
            raise ValueError("predictions cannot be checked: only the measured process opens it")
        return bundle
    runtime = ONNX if bundle.weights_file == ONNX_FILE else NATIVE
    predict = open_predictor(bundle, runtime=runtime, n_threads=1, device="cpu")
    answers = _answer(predict, make_rows(bundle, runtime, rows))
    try:
        check_predictions(answers, n_rows=len(rows), schema=schema)
    except ValueError as err:
        if schema.task == "regression" or runtime != ONNX:  # logits describes ONNX files alone
            raise
        raise ValueError(
            f"{err} If its answers are scores before a softmax or sigmoid, write logits: true."
        ) from err
    if predictions is not None:
        copy_answers = _answer(predict, make_rows(bundle, runtime, predictions.rows))
        _compare(copy_answers, predictions, schema)
    return bundle


def _store(
    model_file: ModelFile,
    folder: Path,
    schema: InputSchema,
    rows: RowTable,
    tried: FirstPredictions | None,
) -> dict[str, Any]:
    """Store a file under its name in a bundle; return what the bundle says of it."""
    if model_file.weights_file == ONNX_FILE:
        import onnx

        session = open_onnx(model_file.path)
        inputs = read_inputs(session)
        has_feeds = model_file.columns == "raw" and not reads_matrix(inputs)
        feeds = plan_feeds(inputs, rows) if has_feeds else ()
        adapted = adapt_onnx(
            onnx.load(model_file.path), session, schema, model_file.answers, keeps_inputs=has_feeds
        )
        (folder / ONNX_FILE).write_bytes(adapted)
        return describe_feeds(feeds, prefix=GIVEN)
    if model_file.answers != OutputChoice():
        raise ValueError("output, classes and logits describe ONNX files alone")
    if model_file.weights_file == SKOPS_FILE:
        shutil.copyfile(model_file.path, folder / SKOPS_FILE)
        tried = try_object(*open_skops(model_file.path), rows)
    elif model_file.weights_file == PICKLE_FILE:
        shutil.copyfile(model_file.path, folder / PICKLE_FILE)
        if tried is None:
            raise ValueError("a pickle is tried in a process of its own before it is imported")
    if tried is not None:
        facts = tried.facts
        if bool(facts.classes) != bool(schema.classes) and facts.task is not None:
            kind = "classifier" if schema.classes else "regressor"
            raise ValueError(f"it holds a {facts.name}, which is no fitted {kind}")
        _check_classes(facts.classes, schema)
        return tried.configure(schema.classes)
    target = folder / model_file.weights_file
    if model_file.weights_file in BOOSTER_FILES:  # written in the text format of its family
        trees, description = open_native(model_file.path, model_file.weights_file)
        _check_classes(description.classes, schema)
        load_family(model_file.family).save_weights(Booster(trees), target)
    else:
        shutil.copyfile(model_file.path, target)
    return {}


def describe_feeds(feeds: Sequence[Feed], *, prefix: str = "") -> dict[str, Any]:
    """Return what a bundle says of its graph's named inputs; nothing where it has none."""
    tensors = [replace(feed, name=f"{prefix}{feed.name}").to_dict() for feed in feeds]
    return {"tensors": tensors} if tensors else {}


def _check_classes(classes: Sequence[str], schema: InputSchema) -> None:
    if classes and not schema.classes:
        raise ValueError(
            f"it is a classifier of {name_some(classes)}, but the dataset's target is a number"
        )
    if not schema.agrees_with(classes):
        raise ValueError(
            f"its classes are {name_some(classes)}, the dataset's are {name_some(schema.classes)}; "
            "name them so, and in this order, in target.classes of the dataset"
        )


def _answer(predict: Predict, rows: Any) -> Rows:
    try:
        answers: Rows = predict(rows)
    except Exception as err:  # each runtime raises kinds of its own
        raise ValueError(f"it cannot answer the dataset's rows: {first_line(err)}") from err
    return answers


def _compare(answers: Rows, predictions: ReferencePredictions, schema: InputSchema) -> None:
    if predictions.answers is not None:
        agreement = compare_predictions(predictions.answers, answers)["agreement"]
    else:
        agreement = float(np.mean(answers.argmax(axis=1) == predictions.labels))
    if not agreement >= MIN_AGREEMENT:  # also refuses NaN
        raise ValueError(
            f"its answers agree with {predictions.path} in {agreement:.1%} of "
            f"{len(predictions.rows)} rows; {MIN_AGREEMENT:.1%} are needed. Its columns or "
            f"classes may be in another order: they are {name_some(schema.features)} and "
            f"{name_some(schema.classes)}"
        )
