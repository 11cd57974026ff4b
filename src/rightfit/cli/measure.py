"""Measure what serving a model file costs, in any folder, without a project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import add_unit, count, format_number
from rightfit._core.processes.regular_files import require_regular
from rightfit.api.own_models import prepare_models, read_params, require_profile
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import (
    AS_JSON,
    echo_json,
    echo_lines,
    echo_table,
    faults_as_message,
    make_table,
)
from rightfit.measuring.given_models import list_export_texts
from rightfit.measuring.hardware.environment import usable_cores
from rightfit.measuring.naming import listing, metric_name, sentence_case
from rightfit.models.bundle_files import hash_regular_file
from rightfit.models.imported.feeds import read_inputs, read_outputs
from rightfit.models.imported.importing import open_onnx
from rightfit.models.imported.kinds import resolve_file
from rightfit.models.imported.row_table import RowTable, read_row_table
from rightfit.ranking.explanation.answer import profile_to_json
from rightfit.ranking.explanation.decisions import describe_disturbance

SECTION = "Measure elsewhere"
TIER_COLUMN = "min_hardware_tier"
MAX_ROWS = 10_000  # that are not judged: measuring needs no more
RANDOM_ROWS = "random values of the declared shapes; --rows names a table of real ones"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rows", type=click.Path(path_type=Path), help="Table of rows: .parquet, .csv, .npy."
)
@click.option("--columns", help="Columns that the model reads, in order: a,b,c; all if not given.")
@click.option(
    "--threads", default="1", show_default=True, help="Threads of a call: 1, 2, … or all."
)
@click.option("--target", help="Column of the rows that holds the targets, to judge predictions.")
@click.option("--quality", help="Scorer of scikit-learn; accuracy or r2 if not given.")
@click.option(
    "--preset",
    type=click.Choice(["quick", "standard", "publish"]),
    default="quick",
    show_default=True,
    help="How thoroughly to measure.",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Open what is no ONNX, as you trust who wrote it: a pickle runs whatever code it holds.",
)
@AS_JSON
def measure(
    file: Path,
    rows: Path | None,
    columns: str | None,
    threads: str,
    *,
    target: str | None,
    quality: str | None,
    preset: str,
    trust: bool,
    as_json: bool,
) -> None:
    """Measure what serving a model file costs, in any folder, without a project.

    FILE may be an ONNX file; with --trust one of scikit-learn (skops or a pickle), XGBoost,
    LightGBM or CatBoost; or the folder of a bundle, an export or an MLflow model.
    """
    with faults_as_message(RuntimeError), showing_progress():
        params = read_params(None, (_read_threads(threads),), ("cpu",), preset)
        _require_file(file)
        try:
            model_file = resolve_file(file)
        except ValueError:
            model_file = None  # the folder of a bundle or an export
        names = None if columns is None else columns.split(",")
        table = None if rows is None else _read_rows(rows, names, target, file)
        models = {file.name: file}
        with prepare_models(
            models, table, target, params, dataset="data", quality=quality, trust=trust
        ) as prepared:
            profile = require_profile(prepared.measure(None))
            n_rows, environment = prepared.n_rows, prepared.environment
        is_onnx = model_file is not None and model_file.suffix == ".onnx"
        session = open_onnx(model_file) if model_file is not None and is_onnx else None
    inputs = () if session is None else read_inputs(session)
    outputs = () if session is None else read_outputs(session)
    source = RANDOM_ROWS if rows is None else rows.name
    if as_json:
        echo_json(
            {
                "file": str(file),
                "sha256": None if model_file is None else hash_regular_file(model_file),
                "inputs": [asdict(tensor) for tensor in inputs],
                "outputs": [asdict(tensor) for tensor in outputs],
                "rows": source,
                "n_rows": n_rows,
                "environment": asdict(environment),
                "profile": profile_to_json(profile),
            }
        )
        return
    declared = [
        f"  inputs    {'; '.join(map(str, inputs))}",
        f"  outputs   {'; '.join(map(str, outputs))}",
    ]
    echo_lines(
        [
            f"{file.name}, {profile.serving.label}",
            *(declared if inputs else []),
            f"  rows      {n_rows:,} of {source}",
            f"  machine   {environment.machine}",
            f"  measured  {describe_disturbance(profile)}; preset {preset}",
            "",
        ]
    )
    figures = []
    for figure in profile.measured():
        metric = figure.metric
        number = add_unit(format_number(figure.value), metric.unit)
        shown = f"{figure.name} {number}".strip()
        if metric.column == TIER_COLUMN:
            shown = str(profile.hardware_tier)
        ends = format_number(figure.low), format_number(figure.high)
        interval = " to ".join(ends) if ends[0] != ends[1] else ""  # not known, or without width
        figures.append((metric.label, shown, interval))
    echo_table(make_table(("", "value", "95 % interval"), figures))
    for reason, metrics in profile.missing().items():
        labels = listing([metric_name(metric.column) for metric in metrics])
        echo_lines([f"not measured: {labels} ({sentence_case(reason)})"])


def _read_threads(threads: str) -> int:
    if threads == "all":
        return usable_cores()
    if not threads.isdecimal() or len(threads) > 6 or int(threads) < 1:
        raise RightfitError(f"--threads must be 1 or more, or all, but got {threads[:20]!r}.")
    if int(threads) > usable_cores():
        raise RightfitError(
            f"--threads is {threads}, but this machine has {count(usable_cores(), 'core')}."
        )
    return int(threads)


def _require_file(path: Path) -> None:
    require_regular(path)
    if not path.exists():
        raise RightfitError(f"There is no file {path}.")
    if os.fsencode(path).decode(errors="ignore") != str(path):  # no library opens it
        raise RightfitError(f"The name of {path} is not UTF-8; rename it.")


def _read_rows(
    path: Path, columns: Sequence[str] | None, target: str | None, model: Path
) -> RowTable:
    """Read a table, and choose its columns.

    Raises:
        RightfitError: If it cannot be read, or lacks a column.
    """
    table = read_row_table(path, texts=list_export_texts([model]))
    if columns is not None:
        missing = [name for name in columns if name not in table.columns]
        if missing:
            raise RightfitError(f"{path} has no columns {missing}; it has {list(table.columns)}.")
        if twice := sorted({name for name in columns if columns.count(name) > 1}):
            raise RightfitError(f"--columns names {twice} twice.")
        if target in columns:
            raise RightfitError(f"--columns names the target, {target!r}, which no model reads.")
        table = table.select([*columns, *([target] if target else [])], of="--columns")
    if empty := [
        name
        for name in table.columns  # NaN is not itself
        if all(value is None or np.any(value != value) for value in table.column(name).ravel())
    ]:
        raise RightfitError(f"{path} has columns without any value: {empty}. Leave them out.")
    return table if target else table.head(MAX_ROWS)
