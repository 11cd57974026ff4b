"""Measure models that somebody has: bundles of them in a private folder, then as any cell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import ValidationError

from rightfit.errors import RightfitError
from rightfit.evaluation.screening import could_be_chosen
from rightfit.evaluation.targets import Quality, plan_judging, read_targets
from rightfit.families.bundle import Bundle
from rightfit.families.imported.bundling import choose_form, make_pool
from rightfit.families.imported.given import GivenModel, take_model
from rightfit.families.imported.row_table import RowTable, read_table
from rightfit.families.imported.travelling import find_hidden
from rightfit.families.runtimes import available_runtimes
from rightfit.parameters.defaults import read_default
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.processes.json_store import JsonStore
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.hardware.environment import Environment, describe_environment
from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.jobs import RowsFile, plan_servings
from rightfit.profiling.measuring.worker_pool import WorkerPool
from rightfit.profiling.profiles.cell import ProfiledCell
from rightfit.profiling.profiles.cell_profiles import profile_cell
from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Applications
from rightfit.request_path.paths import MODEL
from rightfit.request_path.raw_rows import save_rows

MAX_WORKERS = 4  # measuring processes kept ready; each holds its imports in memory


@dataclass(frozen=True)
class Measured:
    """Models of one dataset that were measured.

    Args:
        profiles: A row per model and serving configuration, see ``tabulate_profiles``.
        environment: The machine.
        quality: How their answers were judged; ``None``: they were not.
        n_rows: Rows that they answered.
    """

    profiles: pl.DataFrame
    environment: Environment
    quality: QualityMetric | None
    n_rows: int

    def find_failures(self) -> list[str]:
        """Return why models could not be timed."""
        untimed = self.profiles.filter(pl.col("load_time_ms").is_null())["null_reasons"]
        return [json.loads(reasons)["load_time_ms"] for reasons in untimed]


@dataclass(frozen=True)
class Plan:
    """How models are measured.

    Args:
        runtimes: Runtimes wanted.
        n_threads: Threads of a call; ``all``: every core.
        devices: Devices wanted.
        preset: Name of the settings of measuring.
        applications: Once they cannot choose a profile any more, it is not measured further;
            ``None``: all are measured to the end.
    """

    runtimes: tuple[str, ...]
    n_threads: tuple[int | Literal["all"], ...]
    devices: tuple[str, ...]
    preset: str
    applications: Applications | None = None


def measure_models(
    models: Mapping[str, object],
    rows: object | None,
    targets: object | None,
    plan: Plan,
    *,
    dataset: str,
    quality: Quality | None,
) -> Measured:
    """Measure models in fresh processes, in turns.

    Raises:
        RightfitError: If a model, the rows or the targets do not fit each other; before anything
            is measured.
    """
    params = _read_params(plan)
    here = describe_environment()
    servings = plan_servings(
        params.runtimes,
        params.n_threads,
        params.devices,
        n_cores=here.n_cores,
        present=here.devices,
    )
    table = None if rows is None else read_table(rows)
    labels = None
    if targets is not None:
        if table is None:
            raise RightfitError("There are targets, but no rows that they belong to.")
        labels, table = read_targets(targets, table)
    given = {name: take_model(model) for name, model in models.items()}
    judging = plan_judging({name: one.facts for name, one in given.items()}, labels, quality)
    with temporary_folder("models") as folder:
        bundles = {
            name: _bundle(one, folder / str(number), name, table, judging.judged_classes)
            for number, (name, one) in enumerate(given.items())
        }
        cell = ProfiledCell(
            dataset=dataset,
            data_version="",
            candidates=bundles,
            labels=judging.labels,
            quality=judging.metric,
            fit_metrics={},
            environment_id=here.environment_id,
            devices=here.devices,
            seed=params.seed,
            rows=_write_rows(bundles, table, folder),
        )
        pool = WorkerPool(MAX_WORKERS)
        try:
            profiles = profile_cell(
                cell,
                servings,
                Bench(pool, folder, folder, params.settings, params.preset, SpeedProbe(None)),
                JsonStore(folder / "measurements"),
                tiers=params.tiers,
                choose=lambda found: _choose(found, plan.applications),
            )
        finally:
            pool.close()
    metric = None if judging.labels is None else judging.metric
    return Measured(profiles, here, metric, len(table) if table else 0)


def _read_params(plan: Plan) -> EvaluationParams:
    asked = {
        "preset": plan.preset,
        "runtimes": plan.runtimes,
        "n_threads": plan.n_threads,
        "devices": plan.devices,
    }
    try:
        return EvaluationParams.model_validate(read_default("evaluation") | asked)
    except ValidationError as err:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in err.errors()]
        raise RightfitError("; ".join(faults)) from err


def _bundle(
    given: GivenModel,
    folder: Path,
    name: str,
    table: RowTable | None,
    classes: tuple[str, ...] | None,
) -> Bundle:
    try:
        return given.bundle(folder, name=name, rows=table, classes=classes)
    except RightfitError as err:
        raise RightfitError(f"{name}: {err}") from err


def _write_rows(
    bundles: Mapping[str, Bundle], table: RowTable | None, folder: Path
) -> dict[tuple[str, str], RowsFile]:
    """Write the rows of each model and runtime, those of the same columns and form once."""
    written: dict[object, RowsFile] = {}
    files = {}
    for name, bundle in bundles.items():
        for runtime in available_runtimes(bundle):
            form = choose_form(bundle, runtime)
            key = (form, bundle.schema.features)
            if key not in written and table is not None:
                pool = make_pool(bundle, form, table)
                path = save_rows(pool, folder, f"rows-{len(written)}")
                is_pickle = path.suffix == ".pickle"
                hidden = find_hidden(path.read_bytes()) if is_pickle else set()
                written[key] = RowsFile(path, tuple(sorted(hidden)))
            if key in written:
                files[name, runtime] = written[key]
    return files


def _choose(profiles: pl.DataFrame, applications: Applications | None) -> Sequence[bool]:
    if applications is None:
        return [True] * profiles.height
    return could_be_chosen(profiles, applications, MODEL)
