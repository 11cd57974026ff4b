"""Measure one model file, with no project and no dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rightfit.errors import RightfitError
from rightfit.evaluation.own_models import MeasuringPlan, measure_models
from rightfit.families.bundle_files import hash_regular_file
from rightfit.families.imported.feeding import Tensor, read_inputs, read_outputs
from rightfit.families.imported.importing import open_onnx
from rightfit.families.imported.kinds import resolve_file
from rightfit.families.imported.row_table import RowTable, read_row_table
from rightfit.processes.regular_files import require_regular
from rightfit.profiling.hardware.environment import Environment, usable_cores
from rightfit.profiling.profile import Profile

MAX_ROWS = 10_000  # that are not judged: measuring needs no more
RANDOM_ROWS = "random values of the declared shapes; --rows names a table of real ones"


@dataclass(frozen=True)
class MeasuredFile:
    """A model's resource profile and what it belongs to.

    Args:
        path: The file or folder.
        sha256: Of the file; ``None`` of a folder.
        inputs: Of an ONNX file; empty of any other.
        outputs: Of an ONNX file; empty of any other.
        rows: Where the rows come from.
        n_rows: How many there are.
        preset: Name of the settings of measuring.
        environment: The machine.
        profile: The profile.
    """

    path: Path
    sha256: str | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    rows: str
    n_rows: int
    preset: str
    environment: Environment
    profile: Profile


def measure_file(
    path: Path,
    *,
    rows: Path | None = None,
    columns: Sequence[str] | None = None,
    target: str | None = None,
    quality: str | None = None,
    n_threads: int | None = 1,
    preset: str = "quick",
    trust: bool = False,
) -> MeasuredFile:
    """Measure a model file in fresh processes, as :func:`rightfit.api.measuring.measure` does.

    Args:
        path: The file, or the folder of a bundle, an export or an MLflow model.
        rows: Table of rows to answer (Parquet, CSV or .npy); ``None``: random values.
        columns: The table's columns that the model reads, in order; ``None``: all.
        target: The table's column that holds what is right; ``None``: answers are not judged.
        quality: How answers are judged, by name.
        n_threads: Threads of a call; ``None``: as many as this machine has cores.
        preset: Name of the library's settings of measuring.
        trust: Whether a file that is no ONNX may be opened.

    Raises:
        RightfitError: If it is no model, the rows do not fit it, or it fails while it is measured.
    """
    n_cores = usable_cores()
    if n_threads is not None and n_threads > n_cores:
        raise RightfitError(f"--threads is {n_threads}, but this machine has {n_cores} cores.")
    file = _find_file(path)
    table = None if rows is None else _read_rows(rows, columns, target)
    plan = MeasuringPlan(None, (n_threads or n_cores,), ("cpu",), preset)
    found = measure_models(
        {path.name: path}, table, target, plan, dataset="data", quality=quality, trust=trust
    )
    session = open_onnx(file) if file is not None and file.suffix == ".onnx" else None
    return MeasuredFile(
        path=path,
        sha256=None if file is None else hash_regular_file(file),
        inputs=() if session is None else read_inputs(session),
        outputs=() if session is None else read_outputs(session),
        rows=RANDOM_ROWS if rows is None else rows.name,
        n_rows=found.n_rows,
        preset=preset,
        environment=found.environment,
        profile=found.require_profile(),
    )


def _find_file(path: Path) -> Path | None:
    """Return the file of a model; ``None`` of a bundle or an export."""
    require_regular(path)
    if not path.exists():
        raise RightfitError(f"There is no file {path}.")
    if os.fsencode(path).decode(errors="ignore") != str(path):  # no library opens it
        raise RightfitError(f"The name of {path} is not UTF-8; rename it.")
    try:
        return resolve_file(path)
    except ValueError:
        return None


def _read_rows(path: Path, columns: Sequence[str] | None, target: str | None) -> RowTable:
    """Read a table, and choose its columns.

    Raises:
        RightfitError: If it cannot be read, or lacks a column.
    """
    require_regular(path)
    table = read_row_table(path)
    if columns is not None:
        missing = [name for name in columns if name not in table.columns]
        if missing:
            raise RightfitError(f"{path} has no columns {missing}; it has {list(table.columns)}.")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise RightfitError(f"--columns names {twice} twice.")
        table = table.select([*columns, *([target] if target else [])], of="--columns")
    if empty := [name for name in table.columns if not _has_value(table, name)]:
        raise RightfitError(f"{path} has columns without any value: {empty}. Leave them out.")
    return table if target else table.head(MAX_ROWS)


def _has_value(table: RowTable, name: str) -> bool:
    """Tell whether a column holds anything but gaps."""
    values = table.column(name).ravel()
    return any(one is not None and np.all(one == one) for one in values)  # NaN is not itself
