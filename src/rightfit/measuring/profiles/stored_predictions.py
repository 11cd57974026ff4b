"""Predictions for the test rows, kept so that another metric judges them without any model.

Each set of predictions is a Parquet file beside the measurements, named by the hash of its content,
which its profile holds; so are the rows that were predicted, to which it points.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.regular_files import require_regular
from rightfit.measuring.profile import PREDICTIONS
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import Task

MAX_VALUES = 1_000  # of a column by which rows may fall into segments
_ROWS, _PREDICTION, _TARGET, _IS_FINAL = "rows", "prediction", "target", "is_final"
_COLUMN = "column."  # how raw columns begin in the file of rows


@dataclass(frozen=True)
class JudgedRows:
    """Test rows of a dataset, and what candidates predicted for them.

    Args:
        metric: The dataset's own.
        task: What is predicted.
        targets: True class positions, or values, shape (n_rows,).
        final_rows: Rows that nothing is chosen by, shape (n_rows,).
        seed: Of quality intervals.
        columns: Raw columns by which rows may fall into segments, in the same order.
        predictions: By hash: probabilities, shape (n_rows, n_classes), or values, (n_rows, 1).
    """

    metric: QualityMetric
    task: Task
    targets: npt.NDArray[Any]
    final_rows: npt.NDArray[np.bool_]
    seed: int
    columns: pl.DataFrame = field(default_factory=pl.DataFrame)
    predictions: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    @cached_property
    def content(self) -> bytes:
        """The rows as a Parquet file, without predictions."""
        kept = [column for column in self.columns if makes_segments(column)]
        table = pl.DataFrame({_TARGET: self.targets, _IS_FINAL: self.final_rows}).hstack(
            [column.alias(f"{_COLUMN}{column.name}") for column in kept]
        )
        about = {"metric": self.metric.model_dump_json(), "task": self.task, "seed": str(self.seed)}
        file = io.BytesIO()
        table.write_parquet(file, metadata=about)
        return file.getvalue()

    def store(self, store: JsonStore, predictions: npt.NDArray[Any]) -> str:
        """Keep predictions, and the rows that they are for; return the hash of their content.

        Args:
            store: Of the measurements.
            predictions: Shape (n_rows, n_outputs); kept as float32.
        """
        rows_name = hashlib.sha256(self.content).hexdigest()
        _write(locate_predictions(store, rows_name), self.content)
        values = np.ascontiguousarray(predictions, dtype=np.float32)
        file = io.BytesIO()
        pl.DataFrame({_PREDICTION: values}).write_parquet(file, metadata={_ROWS: rows_name})
        name = _name(rows_name, values)
        _write(locate_predictions(store, name), file.getvalue())
        return name


def makes_segments(column: pl.Series) -> bool:
    """Tell whether rows may fall into segments by a raw column: few values that can be told."""
    dtype = column.dtype
    is_text = dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum)
    is_told = is_text or dtype.is_numeric() or (dtype.is_temporal() and dtype != pl.Duration)
    return is_told and column.n_unique() <= MAX_VALUES


def load_predictions(store: JsonStore, profiles: pl.DataFrame) -> dict[str, JudgedRows]:
    """Read the predictions that profiles name, by dataset, as far as they are stored.

    Raises:
        RightfitError: If a file is damaged: what it holds is not what its name is the hash of.
    """
    judged_rows: dict[str, JudgedRows] = {}
    named = profiles.filter(pl.col(PREDICTIONS).is_not_null())
    for dataset, *names in named.group_by("dataset", maintain_order=True).agg(PREDICTIONS).rows():
        paths = {name: locate_predictions(store, name) for name in dict.fromkeys(names[0])}
        paths = {name: path for name, path in paths.items() if path.exists()}
        try:
            by_rows: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
            for name, path in paths.items():
                rows_name, values = _read_predictions(path, name)
                by_rows.setdefault(rows_name, {})[name] = values
            for rows_name, predictions in by_rows.items():
                rows = _read_rows(locate_predictions(store, rows_name), rows_name, predictions)
                before = judged_rows.setdefault(dataset, rows)
                if np.array_equal(rows.targets, before.targets):  # of another metric, perhaps
                    both = {**before.predictions, **predictions}
                    judged_rows[dataset] = replace(before, predictions=both)
        except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as err:
            raise RightfitError(
                f"The stored predictions for {dataset} in {store.folder / 'predictions'} are "
                f"damaged: {err}. Remove that folder and measure again, which predicts once more."
            ) from err
    return judged_rows


def locate_predictions(store: JsonStore, name: str) -> Path:
    """Return where predictions lie, or would, by the hash of their content.

    Raises:
        RightfitError: If the name is no hash; a path would lead elsewhere.
    """
    if not re.fullmatch("[0-9a-f]{64}", name):
        raise RightfitError(f"{name!r:.80} names no stored predictions; measure again.")
    return store.folder / "predictions" / f"{name}.parquet"


def _name(rows_name: str, values: npt.NDArray[np.float32]) -> str:
    """Return the hash that names predictions for rows."""
    return hashlib.sha256(f"{rows_name} {values.shape}".encode() + values.tobytes()).hexdigest()


def _read_predictions(path: Path, name: str) -> tuple[str, npt.NDArray[np.float32]]:
    """Return the hash of the rows that predictions are for, and the predictions."""
    require_regular(path)
    rows_name = pl.read_parquet_metadata(path)[_ROWS]
    values = pl.read_parquet(path, glob=False)[_PREDICTION].to_numpy()
    if _name(rows_name, np.ascontiguousarray(values)) != name:
        raise RightfitError(f"{path.name} is not what was stored")
    return rows_name, values


def _read_rows(
    path: Path, name: str, predictions: Mapping[str, npt.NDArray[np.float32]]
) -> JudgedRows:
    require_regular(path)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != name:
        raise RightfitError(f"{path.name} is not what was stored")
    # the lowest polars reads metadata from files alone
    table, about = pl.read_parquet(content), pl.read_parquet_metadata(io.BytesIO(content))
    columns = table.drop(_TARGET, _IS_FINAL)
    return JudgedRows(
        QualityMetric.model_validate_json(about["metric"]),
        "regression" if about["task"] == "regression" else "classification",
        table[_TARGET].to_numpy(),
        table[_IS_FINAL].to_numpy(),
        int(about["seed"]),
        columns.rename({name: name.removeprefix(_COLUMN) for name in columns.columns}),
        predictions,
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file named by its content, unless it is there; readers never see half of it."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
