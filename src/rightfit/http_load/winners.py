"""Put a winner behind its server, as a run does, and load it."""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rightfit.http_load.curve import CurvePlan, measure_curve
from rightfit.http_load.export import find_free_port, make_order, split_cores
from rightfit.http_load.load_records import LatencyLimit, LoadCurve
from rightfit.http_load.served import Place, start_server
from rightfit.processes.leftovers import temporary_folder
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.request_path.raw_inputs import IMAGE, TEXTS, EncoderJson, list_inputs
from rightfit.serving.container import write_server
from rightfit.serving.export import write_call, write_hashes
from rightfit.serving.model_call import GRAPH_FILE, Model

MAX_CLIENTS_SERVED = 1_000_000  # the queue is part of what is measured: no request is refused


@dataclass(frozen=True)
class LoadSettings:
    """How long and how hard a winner is loaded."""

    plan: CurvePlan
    step_s: float
    warm_up_s: float
    n_bodies: int


def load_winner(
    winner: RankedCandidate,
    model: Model,
    rows: pl.DataFrame,
    *,
    limit: LatencyLimit,
    settings: LoadSettings,
) -> LoadCurve:
    """Serve a winner in processes of its own and load it; hold the machine's lock meanwhile.

    Raises:
        RuntimeError: If the server does not start.
        ValueError: If the candidate cannot be served.
    """
    with temporary_folder("served") as folder:
        call = write_call(winner, model, folder)
        write_server(folder, call.inputs)
        (folder / "profile.json").write_text("{}", encoding="utf-8")
        write_hashes(folder, ("model.json", GRAPH_FILE, "profile.json"))
        bodies = write_bodies(rows.head(settings.n_bodies), model.encoder)
        own, others = split_cores()
        port = find_free_port()
        order = make_order(
            port, bodies, core=own, warm_up_s=settings.warm_up_s, measured_s=settings.step_s
        )
        place = Place(tuple(others))
        command = _write_command(folder, port)
        with start_server(command, port, place=place) as served:
            return measure_curve(served, order, limit=limit, plan=settings.plan)


def write_bodies(rows: pl.DataFrame, encoder: EncoderJson) -> tuple[str, ...]:
    """Write requests of one row each, with the raw columns that an encoder reads."""
    columns = {
        name: list(_to_json_values(rows[name], one.name))
        for one in list_inputs(encoder)
        for name in one.columns
    }
    return tuple(
        json.dumps([{name: values[i] for name, values in columns.items()}], allow_nan=False)
        for i in range(rows.height)
    )


def _to_json_values(column: pl.Series, kind: str) -> Iterator[object]:
    if kind == IMAGE:
        yield from (None if one is None else base64.b64encode(one).decode() for one in column)
    elif kind == TEXTS:
        yield from column.cast(pl.String)
    else:
        numbers = column.cast(pl.Float64)
        yield from (None if one is None or not math.isfinite(one) else one for one in numbers)


def _write_command(folder: Path, port: int) -> Sequence[str]:
    return [
        *(sys.executable, str(folder / "server.py"), "--port", str(port)),
        *("--max-requests", str(MAX_CLIENTS_SERVED)),
    ]
