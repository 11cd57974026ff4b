"""Make a model bundle of a file that somebody has already, after checking that it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rightfit.families.answers import check_answers
from rightfit.families.bundle import ONNX_FILE, Bundle, write_bundle_files
from rightfit.families.bundle_exports import offer_onnx
from rightfit.families.bundle_files import hash_file
from rightfit.families.family import Rows, check_task
from rightfit.families.imported.kinds import PICKLE_FILE, find_family, name_weights
from rightfit.families.imported.native_files import open_native, store_native
from rightfit.families.imported.onnx_call import one_line, open_session
from rightfit.families.imported.onnx_form import Answers, adapt_onnx
from rightfit.families.onnx_file import check_onnx_file
from rightfit.families.parity import MIN_AGREEMENT, compare_answers
from rightfit.families.registry import get_family
from rightfit.families.runtimes import Predict, open_model
from rightfit.families.schema import InputSchema


@dataclass(frozen=True)
class GivenFile:
    """A model file as the configuration describes it.

    Args:
        name: The model's name in the configuration.
        path: The file.
        columns: ``raw`` or ``encoded``: which columns it reads.
        answers: What the configuration says of its answers.
        trust: Whether it may run code when a measuring process opens it.
        module: Import path of the torch module whose weights it holds.
        settings: Further arguments of that module.
    """

    name: str
    path: Path
    columns: str
    answers: Answers
    trust: bool
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
class GivenPredictions:
    """Rows and the answers that a model gave to them elsewhere.

    Args:
        path: Where they come from, for messages.
        rows: Shape (n_rows, n_features).
        answers: Probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1); ``None``
            where only classes are known.
        labels: Class positions, shape (n_rows,); ``None`` where the answers are known.
    """

    path: Path
    rows: Rows
    answers: Rows | None
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] | None


def check_file(given: GivenFile) -> None:
    """Open a file, before anything slow starts; a pickle is not opened.

    Raises:
        ValueError: If it is of an unknown kind, or broken, or needs trust.
    """
    get_family(given.family)
    if given.weights_file == ONNX_FILE:
        beside = {other.name for other in given.path.parent.iterdir()}
        check_onnx_file(given.path, listed=beside)
        open_session(given.path, n_threads=1, optimizes=False)
    else:
        open_native(given.path, given.weights_file)


def read_columns(given: GivenFile) -> tuple[str, ...] | None:
    """Return the names of the columns that a file of boosted trees reads; ``None`` if it has none.

    Raises:
        ValueError: If it cannot be read.
    """
    native = open_native(given.path, given.weights_file)
    return (native.features or None) if native is not None else None


def import_file(
    given: GivenFile,
    folder: Path,
    *,
    schema: InputSchema,
    rows: Rows,
    predictions: GivenPredictions | None,
) -> Bundle:
    """Make a bundle of a model file.

    Args:
        given: The file.
        folder: Folder to create.
        schema: The columns it reads, and the dataset's classes.
        rows: Rows to try it on, shape (n_rows, n_features).
        predictions: What it must answer; ``None``: not known.

    Returns:
        The bundle. Beside a file of boosted trees or of skops lies its ONNX export, if that answers
        alike; a pickle is neither opened nor exported.

    Raises:
        ValueError: If the file does not fit the dataset, or answers otherwise than it should.
    """
    check_file(given)
    folder.mkdir(parents=True)
    _store(given, folder, schema)
    bundle = write_bundle_files(
        folder,
        model=given.name,
        family=given.family,
        weights_file=given.weights_file,
        configuration={
            "file": given.path.name,
            "sha256": hash_file(given.path),
            "input": given.columns,
            **({"settings": dict(given.settings)} if given.module else {}),
        },
        schema=schema,
    )
    if given.weights_file == PICKLE_FILE:
        if predictions is not None:
            raise ValueError("predictions cannot be checked: only the measured process opens it")
        return bundle
    predict = _open(bundle)
    _check_answers(_answer(predict, rows), schema, len(rows))
    if predictions is not None:
        _compare(_answer(predict, predictions.rows), predictions, schema)
    return bundle if given.weights_file == ONNX_FILE else offer_onnx(bundle, rows)


def _store(given: GivenFile, folder: Path, schema: InputSchema) -> None:
    if given.weights_file == ONNX_FILE:
        session = open_session(given.path, n_threads=1, optimizes=False)
        adapted = adapt_onnx(given.path, session, schema, given.answers)
        (folder / ONNX_FILE).write_bytes(adapted)
        return
    if given.answers != Answers(None, None, are_logits=False):
        raise ValueError("output, classes and logits describe ONNX files alone")
    check_task(get_family(given.family), schema.task)
    native = open_native(given.path, given.weights_file)
    positions = tuple(str(i) for i in range(schema.n_classes))
    if native is not None and native.classes not in ((), schema.classes, positions):
        raise ValueError(
            f"its classes are {_shorten(native.classes)}, the dataset's are "
            f"{_shorten(schema.classes)}"
        )
    store_native(given.path, folder, given.weights_file, model=native)


def _open(bundle: Bundle) -> Predict:
    runtime = "onnx" if bundle.weights_file == ONNX_FILE else "native"
    return open_model(bundle, runtime=runtime, n_threads=1, device="cpu")


def _answer(predict: Predict, rows: Rows) -> Rows:
    try:
        return predict(rows)
    except Exception as err:  # each runtime raises kinds of its own
        raise ValueError(f"it cannot answer the dataset's rows: {one_line(err)}") from err


def _check_answers(answers: Rows, schema: InputSchema, n_rows: int) -> None:
    try:
        check_answers(answers, n_rows=n_rows, schema=schema)
    except ValueError as err:
        if schema.task == "regression":
            raise
        raise ValueError(
            f"{err} If its answers are scores before a softmax or sigmoid, write logits: true."
        ) from err


def _compare(found: Rows, predictions: GivenPredictions, schema: InputSchema) -> None:
    if predictions.answers is not None:
        agreement = compare_answers(predictions.answers, found)["agreement"]
    else:
        agreement = float(np.mean(found.argmax(axis=1) == predictions.labels))
    if not agreement >= MIN_AGREEMENT:  # also refuses NaN
        raise ValueError(
            f"its answers agree with {predictions.path} in {agreement:.1%} of "
            f"{len(predictions.rows)} rows; {MIN_AGREEMENT:.1%} are needed. Its columns or "
            f"classes may be in another order: they are {_shorten(schema.features)} and "
            f"{_shorten(schema.classes)}"
        )


def _shorten(names: Sequence[str], n_shown: int = 8) -> str:
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return f"{', '.join(names[:n_shown])}{more}"
