"""Measure models that somebody has: bundles of them in a private folder, then as any cell."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import ValidationError

from rightfit.errors import RightfitError
from rightfit.evaluation.given_models import GivenModel, GivenOnnx, take_model
from rightfit.evaluation.rows_files import write_model_rows
from rightfit.evaluation.screening import could_be_chosen
from rightfit.evaluation.targets import Quality, plan_judging, read_targets
from rightfit.families.bundle import Bundle
from rightfit.families.imported.bundle_rows import find_feeds
from rightfit.families.imported.exporting import offer_exports
from rightfit.families.imported.row_table import RowTable, read_row_table
from rightfit.families.runtimes import NATIVE, available_runtimes
from rightfit.parameters.defaults import read_default
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.processes.json_store import JsonStore
from rightfit.processes.leftovers import temporary_folder
from rightfit.profiling.hardware.environment import Environment, describe_environment
from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.first_rows import WorkerFirstRows
from rightfit.profiling.measuring.jobs import plan_servings
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.worker_pool import WorkerPool
from rightfit.profiling.profile import Profile
from rightfit.profiling.profiles.cell import ProfiledCell
from rightfit.profiling.profiles.cell_profiles import profile_cell
from rightfit.profiling.worker.meters.speed import SpeedProbe
from rightfit.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Applications
from rightfit.request_path import MODEL
from rightfit.request_path.raw_rows import load_rows
from rightfit.strict_model import list_faults

MAX_BATCH_VALUES = 2**25  # of one call: 128 MiB
MAX_WORKERS = 4  # measuring processes kept ready; each holds its imports in memory


@dataclass(frozen=True)
class MeasuredModels:
    """Models of one dataset that were measured.

    Args:
        profiles: A row per model and serving configuration, see ``tabulate_profiles``.
        environment: The machine.
        quality: How their answers were judged; ``None``: they were not.
        n_rows: Rows that they answered.
        left_out: Why there is no profile of a model in a runtime, by a label of both.
    """

    profiles: pl.DataFrame
    environment: Environment
    quality: QualityMetric | None
    n_rows: int
    left_out: Mapping[str, str]

    def require_profile(self) -> Profile:
        """Return the profile of the one model that was measured.

        Raises:
            RightfitError: If it was not.
        """
        profile = Profile.from_row(self.profiles.row(0, named=True))
        load_time = profile["load_time_ms"]
        if load_time.value is None:
            raise RightfitError(f"{profile.candidate} was not measured: {load_time.reason}")
        return profile


@dataclass(frozen=True)
class MeasuringPlan:
    """How models are measured.

    Args:
        runtimes: Runtimes wanted; ``None``: the model as it is.
        n_threads: Threads of a call; ``all``: every core.
        devices: Devices wanted.
        preset: Name of the settings of measuring.
        applications: Once they cannot choose a profile any more, it is not measured further;
            ``None``: all are measured to the end.
    """

    runtimes: tuple[str, ...] | None
    n_threads: tuple[int | Literal["all"], ...]
    devices: tuple[str, ...]
    preset: str
    applications: Applications | None = None


def measure_models(
    models: Mapping[str, object],
    rows: object | None,
    targets: object | None,
    plan: MeasuringPlan,
    *,
    dataset: str,
    quality: Quality | None,
    trust: bool,
) -> MeasuredModels:
    """Measure models in fresh processes, in turns.

    Raises:
        RightfitError: If a model, the rows or the targets do not fit each other; before anything
            is measured.
    """
    params = _read_params(plan)
    here = describe_environment()
    table = None if rows is None else read_row_table(rows)
    labels = None
    if targets is not None:
        if table is None:
            raise RightfitError("There are targets, but no rows that they belong to.")
        labels, table = read_targets(targets, table)
    pool = WorkerPool(MAX_WORKERS)
    try:
        first = WorkerFirstRows(pool)
        given = {
            name: _take(name, model, table, trust=trust, first=first)
            for name, model in models.items()
        }
        facts = {name: one.facts for name, one in given.items()}
        judging = plan_judging(facts, labels, quality)
        with temporary_folder("models") as folder:
            bundles = {
                name: _bundle(one, folder / str(number), name, table, judging.judged_classes)
                for number, (name, one) in enumerate(given.items())
            }
            wanted = plan.runtimes or {available_runtimes(one)[0] for one in bundles.values()}
            if set(wanted) != {NATIVE} and table is not None:  # others may read the ONNX file
                bundles = {
                    name: offer_exports(one, table, level=logging.DEBUG)
                    for name, one in bundles.items()
                }
            files = write_model_rows(bundles, table, folder, wanted)
            settings = _fit_batches(params.settings, given, bundles, table)
            profiles = profile_cell(
                ProfiledCell(
                    dataset=dataset,
                    data_version="",
                    candidates=bundles,
                    labels=judging.labels,
                    quality=judging.metric,
                    fit_metrics={},
                    environment_id=here.environment_id,
                    devices=here.devices,
                    seed=params.seed,
                    rows=files,
                ),
                plan_servings(
                    list(wanted),
                    params.n_threads,
                    params.devices,
                    n_cores=here.n_cores,
                    present=here.devices,
                ),
                Bench(pool, folder, folder, settings, params.preset, SpeedProbe(None)),
                JsonStore(folder / "measurements"),
                tiers=params.tiers,
                choose=lambda found: _choose(found, plan.applications),
                level=logging.DEBUG,
            )
            n_rows = len(load_rows(str(next(iter(files.values())).path)))
    finally:
        pool.close()
    metric = None if judging.labels is None else judging.metric
    refused = {name: one.onnx_refused for name, one in bundles.items() if one.onnx_refused}
    is_refused = pl.col("candidate").is_in(list(refused)) & (pl.col("runtime") == "onnx")
    left_out = {f"{name}, onnx": reason for name, reason in refused.items()}
    return MeasuredModels(profiles.filter(~is_refused), here, metric, n_rows, left_out)


def _read_params(plan: MeasuringPlan) -> EvaluationParams:
    asked = {
        "preset": plan.preset,
        "runtimes": plan.runtimes or ("native",),
        "n_threads": plan.n_threads,
        "devices": plan.devices,
    }
    try:
        return EvaluationParams.model_validate(read_default("evaluation") | asked)
    except ValidationError as err:
        raise RightfitError("; ".join(list_faults(err))) from err


def _take(
    name: str, model: object, rows: RowTable | None, *, trust: bool, first: WorkerFirstRows
) -> GivenModel:
    try:
        return take_model(model, rows=rows, trust=trust, first=first)
    except ValueError as err:
        raise RightfitError(f"{name}: {err}") from err


def _bundle(
    given: GivenModel,
    folder: Path,
    name: str,
    table: RowTable | None,
    classes: tuple[str, ...] | None,
) -> Bundle:
    try:
        return given.bundle(folder, name=name, rows=table, classes=classes)
    except ValueError as err:
        raise RightfitError(f"{name}: {err}") from err


def _fit_batches(
    settings: MeasuringSettings,
    given: Mapping[str, GivenModel],
    bundles: Mapping[str, Bundle],
    table: RowTable | None,
) -> MeasuringSettings:
    """Leave out batch sizes that a graph does not take, or that would fill the memory."""
    single = [name for name, one in given.items() if isinstance(one, GivenOnnx) and one.is_single]
    if single and len(given) > 1:
        raise RightfitError(
            f"{single[0]} takes exactly one row a call, so it cannot be compared with models that "
            "take batches. Export it with a free first dimension."
        )
    n_values = max(_count_values(one, table) for one in bundles.values())
    most = 1 if single else max(1, MAX_BATCH_VALUES // max(1, n_values))
    sizes = tuple(size for size in settings.batch_sizes if size <= most) or (most,)
    return settings.model_copy(update={"batch_sizes": sizes})


def _count_values(bundle: Bundle, table: RowTable | None) -> int:
    """Return how many values a row has."""
    if table is not None and table.form == "matrix":
        return math.prod(table.content.shape[1:])
    return max(
        bundle.schema.n_features, sum(math.prod(one.shape) for one in find_feeds(bundle, "onnx"))
    )


def _choose(profiles: pl.DataFrame, applications: Applications | None) -> Sequence[bool]:
    if applications is None:
        return [True] * profiles.height
    return could_be_chosen(profiles, applications, MODEL)
