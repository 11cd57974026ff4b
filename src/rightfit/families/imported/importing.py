"""Make a model bundle of a file that somebody has already, after checking that it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rightfit.families.answers import check_answers
from rightfit.families.bundle import (
    ONNX_FILE,
    Bundle,
    write_bundle_files,
)
from rightfit.families.bundle_files import hash_file
from rightfit.families.family import Rows
from rightfit.families.imported.onnx_call import one_line, open_session
from rightfit.families.imported.onnx_form import ROWS, Answers, adapt_onnx
from rightfit.families.onnx_file import check_onnx_file
from rightfit.families.parity import MIN_AGREEMENT, compare_answers
from rightfit.families.schema import InputSchema

ONNX_FAMILY = "rightfit.families.imported.onnx_only"
FAMILIES = {".onnx": ONNX_FAMILY}
"""Import path of what serves a kind of file, by its suffix."""


@dataclass(frozen=True)
class GivenFile:
    """A model file as the configuration describes it.

    Args:
        name: The model's name in the configuration.
        path: The file.
        columns: ``raw`` or ``encoded``: which columns it reads.
        answers: What the configuration says of its answers.
    """

    name: str
    path: Path
    columns: str
    answers: Answers


@dataclass(frozen=True)
class GivenPredictions:
    """Rows and the answers that a model gave to them elsewhere.

    Args:
        path: Where they come from, for messages.
        rows: Shape (n_rows, n_features).
        probabilities: Shape (n_rows, n_classes); ``None`` where only classes are known.
        labels: Class positions, shape (n_rows,); ``None`` where probabilities are known.
    """

    path: Path
    rows: Rows
    probabilities: Rows | None
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] | None


def find_family(path: Path) -> str:
    """Return the import path of what serves a kind of file.

    Raises:
        ValueError: If no kind has such a suffix.
    """
    family = FAMILIES.get(path.suffix.lower())
    if family is None:
        raise ValueError(f"the file must end in one of {sorted(FAMILIES)}, but got {path.name!r}")
    return family


def check_file(path: Path) -> None:
    """Open a file, before anything slow starts.

    Raises:
        ValueError: If it is not there, of an unknown kind, or broken.
    """
    find_family(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    check_onnx_file(path, listed={other.name for other in path.parent.iterdir()})
    open_session(path, n_threads=1)


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

    Raises:
        ValueError: If the file does not fit the dataset, or answers otherwise than it should.
    """
    check_file(given.path)
    session = open_session(given.path, n_threads=1)
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(adapt_onnx(given.path, session, schema, given.answers))
    answers = _answer(folder / ONNX_FILE, rows, schema)
    _check_answers(answers, schema, len(rows))
    if predictions is not None:
        found = _answer(folder / ONNX_FILE, predictions.rows, schema)
        _compare(found, predictions, schema)
    return write_bundle_files(
        folder,
        model=given.name,
        family=find_family(given.path),
        weights_file=ONNX_FILE,
        configuration={
            "file": given.path.name,
            "sha256": hash_file(given.path),
            "input": given.columns,
        },
        schema=schema,
    )


def _answer(path: Path, rows: Rows, schema: InputSchema) -> Rows:
    try:
        answers: Rows = open_session(path, n_threads=1).run([schema.output_name], {ROWS: rows})[0]
    except Exception as err:  # onnxruntime raises a dozen kinds of its own
        raise ValueError(f"it cannot answer the dataset's rows: {one_line(err)}") from err
    return answers


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
    if predictions.probabilities is not None:
        agreement = compare_answers(predictions.probabilities, found)["agreement"]
    else:
        agreement = float(np.mean(found.argmax(axis=1) == predictions.labels))
    if not agreement >= MIN_AGREEMENT:  # also refuses NaN
        raise ValueError(
            f"its classes agree with {predictions.path} in {agreement:.1%} of "
            f"{len(predictions.rows)} rows; {MIN_AGREEMENT:.1%} are needed. Its columns or "
            f"classes may be in another order: they are {_shorten(schema.features)} and "
            f"{_shorten(schema.classes)}"
        )


def _shorten(names: Sequence[str], n_shown: int = 8) -> str:
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return f"{', '.join(names[:n_shown])}{more}"
