"""The load curves of the winners of a ranking: what a run keeps of them."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rightfit.http_load.curve import CurvePlan, LatencyLimit, LoadCurve, measure_curve
from rightfit.http_load.export import find_free_port, make_order, split_cores
from rightfit.http_load.served import Place, start_server
from rightfit.processes.leftovers import temporary_folder
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.request_path.raw_inputs import IMAGE, TEXTS, EncoderJson, list_inputs
from rightfit.serving.container import write_server
from rightfit.serving.export import write_call
from rightfit.serving.model_call import Model

LIMITED = {
    "latency_under_load_p99_ms": 0.99,
    "latency_p99_ms": 0.99,
    "latency_p95_ms": 0.95,
    "latency_p50_ms": 0.5,
}
"""Metrics whose limit holds under load too, and their percentile; the first that is limited."""

MAX_CLIENTS_SERVED = 1_000_000  # the queue is part of what is measured: no request is refused


@dataclass(frozen=True)
class WinnerLoad:
    """What a winner's server did under load.

    Args:
        application: Name of the application.
        dataset: Name of the dataset.
        candidate: The winner; ``None``: none qualifies.
        runtime: Its runtime, with which it won; ``None`` as before.
        n_threads: Its threads.
        limit: The application's limit of the latency.
        curve: What was measured; ``None``: see ``reason``.
        reason: Why nothing was measured; empty if something was.
    """

    application: str
    dataset: str
    candidate: str | None
    runtime: str | None
    n_threads: int | None
    limit: LatencyLimit
    curve: LoadCurve | None
    reason: str

    @classmethod
    def of(
        cls,
        application: str,
        dataset: str,
        winner: RankedCandidate | None,
        limit: LatencyLimit,
        curve: LoadCurve | None,
        reason: str,
    ) -> WinnerLoad:
        """Describe what became of a decision's winner."""
        if winner is None:
            return cls(application, dataset, None, None, None, limit, curve, reason)
        served = (winner.candidate, winner.runtime, winner.n_threads)
        return cls(application, dataset, *served, limit, curve, reason)

    def is_of(self, winner: RankedCandidate | None) -> bool:
        """Tell whether this is about a winner as it serves now."""
        mine = (self.candidate, self.runtime, self.n_threads)
        return winner is not None and mine == (winner.candidate, winner.runtime, winner.n_threads)


@dataclass(frozen=True)
class LoadCurves:
    """The load curves of all winners, one entry per application and dataset."""

    loads: tuple[WinnerLoad, ...]

    def find(
        self, application: str, dataset: str, winner: RankedCandidate | None
    ) -> WinnerLoad | None:
        """Return the entry of a decision; ``None`` if another one won when it was made."""
        for load in self.loads:
            if (load.application, load.dataset) == (application, dataset):
                return load if load.is_of(winner) or winner is None else None
        return None


@dataclass(frozen=True)
class LoadSettings:
    """How long and how hard a winner is loaded.

    Args:
        plan: Rates that are tried.
        step_s: Seconds of each load that count.
        warm_up_s: Seconds at the start of each load that do not.
        n_bodies: Different requests, of one row each.
    """

    plan: CurvePlan
    step_s: float
    warm_up_s: float
    n_bodies: int


def find_latency_limit(application: Application, otherwise_ms: float) -> LatencyLimit:
    """Return the limit that an application sets to the latency.

    Args:
        application: The application.
        otherwise_ms: Limit of the p99 where it sets none.
    """
    for metric, share in LIMITED.items():
        constraint = application.constraints.get(metric)
        if constraint is not None and constraint.max is not None:
            return LatencyLimit(share, constraint.max)
    return LatencyLimit(0.99, otherwise_ms)


def load_winner(
    winner: RankedCandidate,
    model: Model,
    rows: pl.DataFrame,
    *,
    limit: LatencyLimit,
    settings: LoadSettings,
) -> LoadCurve:
    """Serve a winner in processes of its own and load it; hold the machine's lock meanwhile.

    Args:
        winner: The candidate in its serving configuration.
        model: Its bundle, encoder and data card.
        rows: Raw rows to ask about.
        limit: The limit to find the highest rate for.
        settings: How long and how hard.

    Raises:
        RuntimeError: If the server does not start.
        ValueError: If the candidate cannot be served.
    """
    with temporary_folder("served") as folder:
        write_call(winner, model, folder)
        write_server(folder)
        (folder / "profile.json").write_text("{}", encoding="utf-8")
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
        yield from (None if image is None else list(image) for image in column)
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
