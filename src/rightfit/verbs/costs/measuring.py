"""Measure one model file, with no project and no dataset: ``rightfit measure model.onnx``."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rightfit.families.imported.feeding import FedRows, feed_random, feed_table
from rightfit.families.imported.onnx_call import (
    ONNX_RUNTIME,
    OPEN_FILE,
    Tensor,
    list_inputs,
    list_outputs,
    one_line,
    open_session,
)
from rightfit.families.onnx_file import check_onnx_file, list_external_files
from rightfit.parameters.defaults import read_default
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.hardware.environment import Environment, describe_environment
from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.worker_pool import WorkerKind, WorkerPool
from rightfit.profiling.profile import Profile
from rightfit.profiling.profiles.file_profile import profile_subject
from rightfit.profiling.serving import Serving
from rightfit.profiling.worker.messages import Failure, RanOnce, RunOnceRequest
from rightfit.profiling.worker.meters.speed import SpeedProbe

MAX_ROWS = 10_000  # measuring needs no more
MAX_BATCH_VALUES = 2**25  # of one call: 128 MiB
FIRST_ANSWER_MAX_S = 30.0  # to open the model and answer one row
SEED = 0
RANDOM_ROWS = "random values of the declared shapes; --rows names a table of real ones"


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file that can be opened."""

    path: Path
    sha256: str
    size_bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class MeasuredFile:
    """A file's resource profile and what it belongs to."""

    file: ModelFile
    rows: str
    n_rows: int
    preset: str
    environment: Environment
    profile: Profile


def measure_file(
    path: Path,
    *,
    rows: Path | None,
    columns: Sequence[str] | None,
    n_threads: int | None,
    preset: str,
) -> MeasuredFile:
    """Measure an ONNX file in fresh processes, as an evaluation measures its candidates.

    Args:
        path: The file.
        rows: Table of rows to answer (Parquet, CSV or .npy); ``None``: random values.
        columns: The table's columns that the model reads, in order; ``None``: all.
        n_threads: Threads of a call; ``None``: as many as this machine has cores.
        preset: Name of the library's settings of measuring.

    Raises:
        ValueError: If the file is no ONNX model, or the rows do not fit its inputs.
        RuntimeError: If it fails while being measured.
    """
    file = read_model_file(path)
    fed = (
        feed_random(file.inputs, seed=SEED)
        if rows is None
        else feed_table(file.inputs, read_rows(rows, columns))
    )
    params = EvaluationParams.model_validate(read_default("evaluation") | {"preset": preset})
    environment = describe_environment()
    return MeasuredFile(
        file=file,
        rows=RANDOM_ROWS if rows is None else rows.name,
        n_rows=len(fed.matrix),
        preset=preset,
        environment=environment,
        profile=_profile(file, fed, params, environment, n_threads=n_threads),
    )


def _profile(
    file: ModelFile,
    fed: FedRows,
    params: EvaluationParams,
    here: Environment,
    *,
    n_threads: int | None,
) -> Profile:
    wanted = here.n_cores if n_threads is None else n_threads
    if wanted > here.n_cores:
        raise ValueError(f"--threads is {wanted}, but this machine has {here.n_cores} cores.")
    serving = Serving("onnx", wanted, "cpu")
    settings = _fit_batches(params.settings, file.inputs, n_columns=fed.matrix.shape[1])
    with temporary_folder("rows") as folder:
        np.save(matrix := folder / "rows.npy", fed.matrix)
        pool = WorkerPool(max_open=1)
        subject = _make_subject(file, fed, serving)
        bench = Bench(pool, matrix, folder, settings, params.preset, SpeedProbe(None))
        try:
            _try_row(file, subject, bench)
            builder = profile_subject(
                subject,
                serving,
                bench,
                size_bytes=file.size_bytes,
                tiers=params.tiers,
                devices=here.devices,
                environment_id=here.environment_id,
            )
        finally:
            pool.close()
    return Profile.from_row(builder.build_row())


def _make_subject(file: ModelFile, fed: FedRows, serving: Serving) -> Subject:
    return Subject(
        label=file.path.name,
        kind=WorkerKind((ONNX_RUNTIME,), serving.n_threads),
        factory=OPEN_FILE,
        arguments={
            "path": str(file.path.resolve()),
            "feeds": [asdict(feed) for feed in fed.feeds],
            "outputs": None,
            "n_threads": serving.n_threads,
            "device": serving.device,
        },
    )


def read_model_file(path: Path) -> ModelFile:
    """Open an ONNX file and read what it declares.

    Weights in other files must lie beside it.

    Raises:
        ValueError: If there is no such file, or it is no ONNX model.
    """
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    beside = {other.name for other in path.parent.iterdir() if other.is_file()}
    check_onnx_file(path, listed=beside)
    session = open_session(path, n_threads=1, optimizes=False)
    files = [path, *(path.parent / name for name in list_external_files(path))]
    return ModelFile(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size_bytes=sum(file.stat().st_size for file in files),
        inputs=list_inputs(session),
        outputs=list_outputs(session),
    )


def read_rows(path: Path, columns: Sequence[str] | None) -> pl.DataFrame:
    """Read the first rows of a table.

    Raises:
        ValueError: If it cannot be read, or lacks a column.
    """
    table = _read_table(path).head(MAX_ROWS)
    if columns is None:
        return table
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"{path} has no columns {missing}; it has {table.columns}.")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise ValueError(f"--columns names {twice} twice.")
    return table.select(columns)


def _read_table(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            return pl.from_numpy(array.reshape(len(array), -1))
        if path.suffix in (".parquet", ".pq"):
            return pl.read_parquet(path, n_rows=MAX_ROWS)
        if path.suffix == ".csv":
            return pl.read_csv(path, n_rows=MAX_ROWS, infer_schema_length=MAX_ROWS)
    except (OSError, EOFError, ValueError, TypeError, pl.exceptions.PolarsError) as err:
        raise ValueError(f"The rows {path} cannot be read: {one_line(err)}") from err
    raise ValueError(f"The rows must be a .parquet, .csv or .npy file, but got {path}.")


def _try_row(file: ModelFile, subject: Subject, bench: Bench) -> None:
    """Answer one row in a measuring process, so that misfits are reported before measuring."""
    request = RunOnceRequest(
        factory=subject.factory,
        arguments=subject.arguments,
        rows=bench.locate_rows(subject),
        batch_size=1,
        limit_s=min(FIRST_ANSWER_MAX_S, bench.settings.answer_max_s),
    )
    with machine_lock():
        answer = bench.pool.get(subject.kind).ask(request, RanOnce)
    if isinstance(answer, Failure):
        raise ValueError(
            f"{file.path} cannot answer a row. It declares {'; '.join(map(str, file.inputs))}. "
            f"It says: {answer.error.removesuffix(' (answer_max_s)')}"
        )


def _fit_batches(
    settings: MeasuringSettings, inputs: Sequence[Tensor], *, n_columns: int
) -> MeasuringSettings:
    """Leave out batch sizes that the file does not take, or that would fill the memory."""
    fixed = {tensor.shape[0] for tensor in inputs} - {None}
    if fixed and fixed != {1}:
        raise ValueError(
            f"The file takes exactly {sorted(map(str, fixed))} rows a call, so a single row cannot "
            "be timed. Export it with a free first dimension."
        )
    most = 1 if fixed else max(1, math.floor(MAX_BATCH_VALUES / max(1, n_columns)))
    sizes = tuple(size for size in settings.batch_sizes if size <= most) or (most,)
    return settings.model_copy(update={"batch_sizes": sizes})
