"""Put an exported model behind its server and load it."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from rightfit.http_load.curve import measure_curve
from rightfit.http_load.generator import HOST, PATH, LoadOrder
from rightfit.http_load.load_records import LatencyLimit, LoadCurve
from rightfit.http_load.served import (
    MAX_REQUESTS,
    ServerPlace,
    split_cores,
    start_server,
)
from rightfit.processes.regular_files import require_regular
from rightfit.processes.starting import run_module
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.request_path.usage import PROFILE, read_export

MAX_BODIES = 1_000  # different requests; further rows are not asked about
MAX_SAID = 300  # bytes of a refusal that are shown
OK = 200
WARM_UP_S = 0.5


def load_export(
    folder: Path,
    *,
    rows: Path,
    batch: int,
    limit_ms: float,
    seconds: float,
    cores: int | None,
    memory_mib: float | None,
) -> LoadCurve:
    """Serve an exported folder and measure its load curve, alone on this machine.

    The load generator has the last core for itself, where there are two.

    ``rows`` is a JSON list of objects, or a .parquet or .csv table.

    Raises:
        ValueError: If the folder is no export, the rows cannot be read or are refused, or
            there are fewer cores.
        RuntimeError: If the server does not start.
    """
    read_export(folder, needed=[PROFILE])  # refuses what is not as it was exported
    bodies = read_bodies(rows, batch)
    own, others = split_cores()
    if cores is not None and cores > len(others):
        raise ValueError(
            f"--cores {cores} is too many: the load generator needs one of the machine's "
            f"{len(os.sched_getaffinity(0))}"
        )
    options = ("--max-requests", str(MAX_REQUESTS), "--max-rows", str(max(10_000, batch)))
    command = run_module("rightfit", "serve", str(folder), *options)
    place = ServerPlace(tuple(others[:cores]), memory_mib)
    with machine_lock(), start_server(command, place=place) as served:
        order = LoadOrder(served.port, bodies, warm_up_s=WARM_UP_S, measured_s=seconds, core=own)
        require_answer(order)
        return measure_curve(served, order, limit=LatencyLimit(0.99, limit_ms))


def require_answer(order: LoadOrder) -> None:
    """Ask a server once, so that a load of refused requests ends before it begins.

    Raises:
        ValueError: If it refuses the first rows.
        RuntimeError: If it does not answer.
    """
    connection = http.client.HTTPConnection(HOST, order.port, timeout=order.timeout_s)
    try:
        connection.request("POST", PATH, order.bodies[0], {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read(MAX_SAID).decode(errors="replace")
    except (OSError, http.client.HTTPException) as err:
        raise RuntimeError(f"The server does not answer the first rows: {err!r}") from err
    finally:
        connection.close()
    if answer.status != OK:
        raise ValueError(f"The server refuses the first rows, with status {answer.status}: {said}")


def read_bodies(path: Path, batch: int) -> tuple[str, ...]:
    """Read the bodies of requests from a file of raw rows.

    The file is a JSON list of objects, or a .parquet or .csv table.

    Raises:
        ValueError: If the file holds something else.
    """
    found = _read_rows(path)
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        raise ValueError(f"{path} must hold a list of rows, one object each, at least one.")
    if batch > len(found):
        raise ValueError(f"--batch {batch} is more than the {len(found)} rows of {path}.")
    starts = range(0, min(len(found) - batch + 1, MAX_BODIES * batch), batch)
    try:
        return tuple(json.dumps(found[i : i + batch], allow_nan=False) for i in starts)
    except (TypeError, ValueError) as err:
        raise ValueError(f"{path} holds what JSON cannot write: {err}.") from err


def _read_rows(path: Path) -> Any:
    require_regular(path)
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, n_rows=100_000).to_dicts()
        if path.suffix == ".csv":
            return pl.read_csv(path, n_rows=100_000).to_dicts()
        return json.loads(path.read_text(encoding="utf-8"))
    except (pl.exceptions.PolarsError, ValueError, RecursionError) as err:
        raise ValueError(f"{path} cannot be read: {err}") from err
