"""Measuring a finished model shortly, as much as a search can afford.

The rows are those of the validation split: what a search sees of the test split it could fit to.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from rightfit.families.bundle import Bundle
from rightfit.families.bundle_exports import offer_onnx
from rightfit.families.family import Rows
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.jobs import Job
from rightfit.profiling.measuring.measurement import Measurement, measure_under_load
from rightfit.profiling.measuring.worker_pool import shared_pool
from rightfit.profiling.profiles.cell_profiles import set_costs
from rightfit.profiling.profiles.profile import ProfileBuilder
from rightfit.profiling.serving import Serving
from rightfit.profiling.shared_error import SharedError
from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.tuning.pausing.observed import SERVED_COLUMNS, Structure
from rightfit.tuning.pausing.serving_costs import Lines, ServingCosts
from rightfit.tuning.search.cell import Cell
from rightfit.tuning.steering.demand import Demand

logger = logging.getLogger(__name__)


class ServingBench(Protocol):
    """Tells what serving a trained model costs."""

    def measure(self, bundle: Bundle, serving: Serving) -> tuple[dict[str, float], float]:
        """Return metrics by column, those that could not be had left out, and what it took."""


class NoCosts:
    """Measures nothing, as no application asks for what it would find."""

    def measure(self, bundle: Bundle, serving: Serving) -> tuple[dict[str, float], float]:  # noqa: ARG002
        """See :class:`ServingBench`."""
        return {}, 0.0


@dataclass(frozen=True)
class KnownCosts:
    """Costs that follow from the structure: nothing is measured, so no other process disturbs.

    Args:
        lines: By serving configuration and metric.
    """

    lines: Lines
    _structures: dict[Path, Structure] = field(default_factory=dict, compare=False)

    def measure(self, bundle: Bundle, serving: Serving) -> tuple[dict[str, float], float]:
        """Compute a bundle's costs in one serving configuration, in no time."""
        structure = self._structures.get(bundle.path)
        if structure is None:
            structure = bundle.load_family().describe_structure(bundle.load_native())
            self._structures[bundle.path] = structure
        costs = ServingCosts(self.lines)
        values = {
            column: costs.predict(structure, serving, column)[0]
            for column in SERVED_COLUMNS
            if (serving, column) in self.lines
        }
        return {column: value for column, value in values.items() if np.isfinite(value)}, 0.0


@dataclass(frozen=True)
class ShortBench:
    """Measures models of one cell.

    Args:
        cell_name: ``{dataset}.{model}``.
        rows: Rows to answer, shape (n_rows, n_features).
        bench: Where and how to measure.
        demand: Whose metrics to measure.
    """

    cell_name: str
    rows: Rows
    bench: Bench
    demand: Demand

    def measure(self, bundle: Bundle, serving: Serving) -> tuple[dict[str, float], float]:
        """Measure a bundle in one serving configuration, exporting it when needed.

        Returns:
            Metrics by column, those that could not be had left out, and the CPU seconds that
            the measuring processes took: they hardly depend on what else the machine does.
        """
        servable = offer_serving(bundle, serving, self.rows)
        if servable is None:
            return {}, 0.0
        job = Job(self.cell_name, bundle.path.name, servable, serving)
        measurement = Measurement(job.subject, self.bench)
        while not measurement.is_over:
            measurement.visit()
        state = measurement.state
        n_loads = self.demand.measuring.server.n_processes
        while len(state.server) < n_loads and state.error is None:
            state = measure_under_load(job.subject, self.bench, state)
        if state.error is not None:
            logger.warning("%s could not be measured: %s", job.subject.label, state.error)
        profile = ProfileBuilder()
        devices = {serving.device for serving in self.demand.servings}
        shared = SharedError.assume(self.demand.measuring.shared_error_pct).alone
        set_costs(
            profile,
            job,
            state,
            self.bench,
            shared=shared,
            tiers=self.demand.tiers,
            devices=devices,
        )
        values = {column: profile.values.get(column) for column in SERVED_COLUMNS}
        seconds = sum(done.cpu_ms for done in state.rounds) / 1e3
        return {column: value for column, value in values.items() if value is not None}, seconds


def offer_serving(bundle: Bundle, serving: Serving, rows: Rows) -> Bundle | None:
    """Export a bundle where a serving configuration needs it; ``None`` if it cannot be served so.

    Args:
        bundle: Bundle to extend in place.
        serving: How it is to be served.
        rows: Held-out rows on which the export must agree, shape (n_rows, n_features).
    """
    if serving.runtime != "onnx":
        return bundle
    exported = offer_onnx(bundle, rows)
    return None if exported.onnx is None else exported


@contextlib.contextmanager
def open_short_bench(cell: Cell, demand: Demand) -> Iterator[ServingBench]:
    """Make what the models of a cell are measured on, or what knows their costs.

    Args:
        cell: What is searched.
        demand: Whose metrics to measure, and how.
    """
    if demand.known_lines is not None:
        yield KnownCosts(demand.known_lines)
        return
    if not demand.applications.asks_costs:
        yield NoCosts()
        return
    with temporary_folder("rows") as folder:
        rows = folder / "rows.npy"
        np.save(rows, cell.validation.rows)
        bench = Bench(shared_pool(), rows, folder, demand.measuring, "search", SpeedProbe(None))
        yield ShortBench(cell.name, cell.validation.rows, bench, demand)
