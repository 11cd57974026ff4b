"""Put a model behind its server and load it: an exported one, or a run's winners in turn."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl
from pydantic import Field

from rightfit._core.formatting import count
from rightfit._core.frames import read_frame, require_columns
from rightfit._core.json_documents import parse_json
from rightfit._core.processes.json_store import JsonStore
from rightfit._core.processes.leftovers import temporary_folder
from rightfit._core.processes.starting import run_module
from rightfit._core.row_files import ROW_FILES, read_rows, require_file
from rightfit._core.strict_model import MAX_COUNT, MAX_MS, MAX_S, read_key
from rightfit.data.request_path.feeding import TensorInput
from rightfit.data.request_path.raw_inputs import list_inputs, list_texts
from rightfit.data.request_path.row_reading import read_values
from rightfit.data.request_path.usage import CALL, PROFILE, read_export
from rightfit.exporting.export_folder import write_call, write_hashes
from rightfit.exporting.model_call import GRAPH_FILE, Model
from rightfit.measuring.hardware.environment import fingerprint
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.models.sources import read_sources
from rightfit.ranking.applications.applications import Scenario
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.ranking.records.load_records import LatencyLimit, LoadCurve
from rightfit_deploy.http_load.curve import CurvePlan, judge_curve, measure_curve
from rightfit_deploy.http_load.generator import HOST, PATH, LoadOrder
from rightfit_deploy.http_load.served import MAX_REQUESTS, ServerPlace, split_cores, start_server
from rightfit_deploy.server_files import write_server

logger = logging.getLogger(__name__)

MAX_BODIES = 1_000  # different requests; further rows are not asked about
MAX_ROWS = 100_000  # read of a table
MAX_SAID = 300  # bytes of a refusal that are shown
OK = 200
WARM_UP_S = 0.5


def load_export(
    folder: Path,
    *,
    rows: Path,
    batch: int,
    limit_ms: float,
    rate_per_s: float | None,
    seconds: float,
    cores: int | None,
    memory_mib: float | None,
) -> LoadCurve:
    """Serve an exported folder and measure its load curve, alone on this machine.

    The load generator has the last core for itself, where there are two. ``rate_per_s`` is tried
    among the rates.

    ``rows`` is a JSON list of objects, or a .parquet or .csv table.

    Raises:
        ValueError: If the folder is no export, the rows cannot be read or are refused, or
            there are fewer cores.
        RuntimeError: If the server does not start.
    """
    # refuses what is not as it was exported
    inputs = read_export(folder, needed=[PROFILE]).inputs
    bodies = read_bodies(rows, inputs, n_rows=batch)
    client_core, server_cores = split_cores()
    if cores is not None and cores > len(server_cores):
        raise ValueError(
            f"--cores {cores} is too many: the load generator needs one of the machine's "
            f"{len(os.sched_getaffinity(0))}"
        )
    options = ("--max-requests", str(MAX_REQUESTS), "--max-rows", str(max(10_000, batch)))
    command = run_module("rightfit", "serve", str(folder), *options)
    server_place = ServerPlace(tuple(server_cores[:cores]), memory_mib)
    with machine_lock(), start_server(command, server_place=server_place) as served:
        order = LoadOrder(
            served.port, bodies, warm_up_s=WARM_UP_S, measured_s=seconds, core=client_core
        )
        require_answer(order)
        limit = LatencyLimit(0.99, limit_ms)
        curve = measure_curve(served, order, limit=limit, rate_per_s=rate_per_s)
    return replace(curve, n_rows=batch)


def read_rate(folder: Path) -> float | None:
    """Return the rate in requests/s under which an export's latency was measured, if it was.

    Raises:
        ValueError: If the folder is no export.
    """
    read_export(folder, needed=[PROFILE])
    measured: object = parse_json((folder / PROFILE).read_text(encoding="utf-8"))
    for key in ("profile", "measured_how", "server"):
        measured = read_key(measured, key)
    rate = read_key(measured, "rate_per_s")
    return float(rate) if isinstance(rate, int | float) else None


class HttpLoadParams(CurvePlan):
    """Which winners are loaded, how hard and how long (``params:http_load``)."""

    scenarios: tuple[Scenario, ...]
    max_s: float = Field(ge=0, le=MAX_S)  # of a run; 0: off
    step_s: float = Field(gt=0, le=MAX_S)
    warm_up_s: float = Field(ge=0, le=MAX_S)
    p99_limit_ms: float = Field(gt=0, le=MAX_MS)
    n_requests: int = Field(ge=1, le=MAX_COUNT)

    @property
    def key(self) -> dict[str, object]:
        """Parameters that a load curve depends on, as JSON types: not which winners get one."""
        return self.model_dump(mode="json", exclude={"scenarios", "max_s", "p99_limit_ms"})


@dataclass(frozen=True)
class ServedWinner:
    """A winner with what is needed to serve it."""

    dataset: str
    candidate: RankedCandidate
    model: Model
    rows: pl.DataFrame


def load_winner(
    winner: ServedWinner,
    *,
    limit: LatencyLimit,
    settings: HttpLoadParams,
    rate_per_s: float | None = None,
) -> LoadCurve:
    """Serve a winner in processes of its own and load it; the caller holds the machine's lock.

    ``rate_per_s`` is tried among the rates.

    Raises:
        RuntimeError: If the server does not start.
        ValueError: If the candidate cannot be served.
    """
    with temporary_folder("served") as folder:
        call = write_call(winner.candidate, winner.model, folder)
        write_server(folder, call)
        (folder / PROFILE).write_text("{}", encoding="utf-8")
        write_hashes(folder, (CALL, GRAPH_FILE, PROFILE))
        rows = winner.rows.head(settings.n_requests)
        bodies = write_bodies(rows, list_inputs(winner.model.encoder))
        client_core, server_cores = split_cores()
        program = str(folder / "server.py")
        command = [sys.executable, program, "--max-requests", str(MAX_REQUESTS)]
        with start_server(command, server_place=ServerPlace(tuple(server_cores))) as served:
            order = LoadOrder(
                served.port,
                bodies,
                warm_up_s=settings.warm_up_s,
                measured_s=settings.step_s,
                core=client_core,
            )
            return measure_curve(served, order, limit=limit, plan=settings, rate_per_s=rate_per_s)


@dataclass
class WinnerBench:
    """Loads winners one after the other.

    No further winner is begun after ``max_s``. Stored curves take no time. The rate that
    applications ask for is tried among the others; those that name one agree.
    """

    settings: HttpLoadParams
    store: JsonStore
    environment_id: str
    rate_per_s: float | None = None
    spent_s: float = 0.0  # so far
    _known: dict[tuple[str, str, str], tuple[LoadCurve | None, str]] = field(default_factory=dict)

    def load(self, winner: ServedWinner, limit: LatencyLimit) -> tuple[LoadCurve | None, str]:
        """Return a winner's load curve, or ``None`` and the reason.

        A winner of several applications is loaded for the limit of the first of them.
        """
        key = (winner.dataset, winner.candidate.label, winner.model.bundle.sha256)
        if key not in self._known:
            self._known[key] = self._find(winner, limit)
        curve, reason = self._known[key]
        return None if curve is None else judge_curve(curve, limit), reason

    def _find(self, winner: ServedWinner, limit: LatencyLimit) -> tuple[LoadCurve | None, str]:
        model, serving = winner.model, winner.candidate.serving
        depends_on = [
            model.bundle.sha256,
            dict(model.encoder),
            model.data_card.data_version,
            serving.runtime,
            serving.n_threads,
            serving.device,
            self.settings.key,
            self.rate_per_s,
            asdict(limit),
            self.environment_id,
            read_sources("rightfit_deploy.server"),
        ]
        key = f"http-{fingerprint({'content': depends_on})}"
        curve = self.store.get_record(key, LoadCurve)
        if curve is not None:
            return curve, ""
        if self.spent_s >= self.settings.max_s:
            return (
                None,
                f"the {self.settings.max_s:g} s for loading (http_load.max_s) were spent before",
            )
        try:
            with machine_lock():
                started_s = time.monotonic()  # waiting for another timing does not count
                try:
                    curve = load_winner(
                        winner, limit=limit, settings=self.settings, rate_per_s=self.rate_per_s
                    )
                finally:
                    self.spent_s += time.monotonic() - started_s
        except (ImportError, OSError, RuntimeError, ValueError) as err:
            logger.warning(
                "%s of %s is not loaded over HTTP: %s", winner.candidate.label, winner.dataset, err
            )
            return None, str(err)
        self.store.put_record(key, curve)
        return curve, ""


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
        reply = answer.read(MAX_SAID).decode(errors="replace")
    except (OSError, http.client.HTTPException) as err:
        raise RuntimeError(f"The server does not answer the first rows: {err!r}") from err
    finally:
        connection.close()
    if answer.status != OK:
        raise ValueError(f"The server refuses the first rows, with status {answer.status}: {reply}")


def read_bodies(path: Path, inputs: Sequence[TensorInput], *, n_rows: int) -> tuple[str, ...]:
    """Read the bodies of requests from a file of raw rows.

    The file is a JSON list of objects, which are sent as they are; or a .parquet or .csv table, of
    which the columns are sent that the model reads.

    Raises:
        ValueError: If the file holds something else, or fewer rows than a request has.
    """
    if path.suffix.lower() in ROW_FILES:
        rows = read_rows(path, texts=list_texts(inputs), max_rows=MAX_ROWS)
        return write_bodies(rows, inputs, n_rows=n_rows)
    require_file(path)
    try:
        rows = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("it must hold a list of rows, one object each")
        return _join_rows(rows, n_rows)
    except ValueError as err:
        raise ValueError(f"{path} cannot be read: {err}") from err


def write_bodies(
    rows: pl.DataFrame, inputs: Sequence[TensorInput], *, n_rows: int = 1
) -> tuple[str, ...]:
    """Write requests of the raw columns that a model reads.

    Raises:
        ValueError: If columns or rows are missing.
    """
    columns: dict[str, list[object]] = {}
    require_columns(rows, (name for tensor in inputs for name in tensor.columns))
    table = read_frame(rows, entry="rows")
    for tensor in inputs:
        for name in tensor.columns:
            if tensor.dtype == "uint8":
                columns[name] = [  # a table may hold them as requests do: as texts, or as lists
                    base64.b64encode(image).decode() if isinstance(image, bytes) else image
                    for image in rows[name].to_list()
                ]
            else:
                values = read_values(table[name], tensor)  # refuses what the server would
                is_number_text = name in tensor.decimals and table[name].dtype == pl.String
                columns[name] = (table[name] if is_number_text else values).to_list()
    return _join_rows(
        [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        n_rows,
    )


def _join_rows(rows: list[dict[str, object]], n_rows: int) -> tuple[str, ...]:
    """Return bodies of ``n_rows`` rows each; rows left over make none."""
    if not n_rows <= len(rows):
        raise ValueError(f"it has {count(len(rows), 'row')}, a request has {n_rows}")
    starts = range(0, min(len(rows) - n_rows + 1, MAX_BODIES * n_rows), n_rows)
    return tuple(json.dumps(rows[i : i + n_rows], allow_nan=False) for i in starts)
