"""Recording trainings that nothing stops, so that stopping rules can be judged afterwards.

Each recording is a folder: ``recording.json``, the bundle of the finished model in ``final`` and,
for some, bundles of earlier checkpoints. It is written whole or not at all, so an interrupted
recording goes on where it was.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import polars as pl

from rightfit.measuring.metrics import FIT_COLUMNS
from rightfit.measuring.worker.units import NS_PER_S
from rightfit.models.bundle import write_bundle
from rightfit.models.bundle_exports import offer_onnx
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.served_family import Configuration
from rightfit_search.families.family import TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.learning_curve import Json, follow_training
from rightfit_search.searching.space import ModelParams
from rightfit_study.early_stopping.params import RecordingParams
from rightfit_study.early_stopping.shared_work import work_side_by_side

logger = logging.getLogger(__name__)

DOCUMENT = "recording.json"
FINAL = "final"

SCHEMA: dict[str, Any] = {
    "dataset": pl.String,
    "model": pl.String,
    "index": pl.Int64,
    "checkpoint": pl.Int64,
    "n_steps": pl.Int64,
    "quality": pl.Float64,
    "quality_raw": pl.Float64,
    **dict.fromkeys(FIT_COLUMNS, pl.Float64),
    "fit_cpu_s": pl.Float64,
    "validate_cpu_s": pl.Float64,
    "export_cpu_s": pl.Float64,
    "structure": pl.String,
    "snapshot": pl.Boolean,
    "configuration": pl.String,
    "folder": pl.String,
}


@dataclass(frozen=True)
class Recording:
    """One configuration's training, as recorded.

    Args:
        index: Which configuration of the cell.
        configuration: All its settings.
        untrained: Structure of the finished model, where it is known before any training.
        points: What was measured at each checkpoint.
        snapshots: Checkpoints whose bundles are kept, 0 before any training.
        export_cpu_s: CPU seconds of writing and exporting the finished model.
        folder: Where its bundles are.
    """

    index: int
    configuration: Configuration
    untrained: dict[str, float] | None
    points: list[Json]
    snapshots: list[int]
    export_cpu_s: float
    folder: Path


def record_cell(
    cell: Cell,
    settings: RecordingParams,
    folder: Path,
    *,
    on_recording: Callable[[int, int], None],
) -> list[Recording]:
    """Train a cell's random configurations to the end, recording every checkpoint.

    Args:
        cell: Data, family and space.
        settings: What to record.
        folder: Where the recordings are kept; those there already are not made again.
        on_recording: Called with the number of recordings there are and there will be.

    Returns:
        The recordings, in the order of their configurations.

    Raises:
        RuntimeError: If a training fails; those finished stay.
    """
    folders = [folder / f"{index:04d}" for index in range(settings.n_configurations)]
    missing = [i for i, path in enumerate(folders) if not (path / DOCUMENT).is_file()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        n_known = settings.n_configurations - len(missing)
        on_recording(n_known, settings.n_configurations)
        train = partial(record_training, cell, settings, folder)
        made = work_side_by_side(train, missing, n_jobs=settings.n_jobs)
        for n_made, _ in enumerate(made, start=1):
            on_recording(n_known + n_made, settings.n_configurations)
    return [
        Recording(**json.loads((path / DOCUMENT).read_text(encoding="utf-8")), folder=path)
        for path in folders
    ]


def tabulate_recordings(
    recordings: Sequence[Recording], *, dataset: str, model: str, quality: QualityMetric
) -> pl.DataFrame:
    """Return one row per configuration and checkpoint.

    Checkpoint 0 is the model before any training: it has a structure where the family can build
    it, and no quality. ``structure`` and ``configuration`` are JSON objects. Costs add up from the
    training's start; ``export_cpu_s`` is that of the finished model.

    Args:
        recordings: From :func:`record_cell`.
        dataset: Name of the dataset.
        model: Name of the family.
        quality: The dataset's quality metric.
    """
    rows = []
    for recording in recordings:
        start = {
            "checkpoint": 0,
            "n_steps": 0,
            "structure": recording.untrained,
            "fit_cpu_s": 0.0,
            "validate_cpu_s": 0.0,
        }
        for point in (start, *recording.points):
            raw = point.get("quality_raw")
            structure = point["structure"]
            rows.append(
                point
                | {
                    "dataset": dataset,
                    "model": model,
                    "index": recording.index,
                    "quality": None if raw is None else quality.scale(raw),
                    "structure": None if structure is None else json.dumps(structure),
                    "export_cpu_s": recording.export_cpu_s,
                    "snapshot": point["checkpoint"] in recording.snapshots,
                    "configuration": json.dumps(recording.configuration),
                    "folder": str(recording.folder),
                }
            )
    return pl.DataFrame(rows, schema=SCHEMA)


def draw_configuration(params: ModelParams, *, seed: int, index: int) -> Configuration:
    """Draw a configuration at random; the same seed and index give the same one."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=100_003 * seed + index))
    return params.suggest(study.ask())


def record_training(cell: Cell, settings: RecordingParams, folder: Path, index: int) -> None:
    """Train one configuration to the end and write its recording.

    Args:
        cell: Data, family and space.
        settings: What to record.
        folder: The cell's folder.
        index: Which configuration.
    """
    family = get_family(cell.family)
    family.load_libraries()  # which no training is charged for
    configuration = draw_configuration(cell.params, seed=settings.seed, index=index)
    target, unfinished = folder / f"{index:04d}", folder / f".{index:04d}.partial"
    shutil.rmtree(unfinished, ignore_errors=True)
    keeps: Sequence[int] = ()
    if index < settings.n_snapshots:
        n_checkpoints = settings.n_checkpoints
        is_constant = family.growth == "constant"  # known before any training
        keeps = (0,) if is_constant else range(max(1, n_checkpoints - 3), n_checkpoints)
    untrained = family.build_untrained(configuration, cell.train.schema, seed=settings.seed)
    document: Json = {
        "index": index,
        "configuration": configuration,
        "untrained": None,
        "points": [],
        "snapshots": [],
    }
    if untrained is not None:
        document["untrained"] = family.describe_structure(untrained)
        if 0 in keeps:
            document["snapshots"].append(0)
            _write(unfinished / "0", untrained, configuration, cell)
    run = TrainingRun(configuration, cell.train, settings.n_checkpoints, settings.seed)
    for look in follow_training(cell, run):
        document["points"].append(look.point)
        number = look.point["checkpoint"]
        if number in keeps:
            document["snapshots"].append(number)
            _write(unfinished / str(number), look.model, configuration, cell)
    started_ns = time.process_time_ns()
    _write(unfinished / FINAL, look.model, configuration, cell)
    document["export_cpu_s"] = (time.process_time_ns() - started_ns) / NS_PER_S
    (unfinished / DOCUMENT).write_text(json.dumps(document), encoding="utf-8")
    unfinished.rename(target)


def _write(folder: Path, model: Any, configuration: Configuration, cell: Cell) -> None:
    bundle = write_bundle(
        folder,
        model,
        model=cell.model,
        family=cell.family,
        configuration=configuration,
        schema=cell.train.schema,
        data_version=cell.data_version,
    )
    offer_onnx(bundle, cell.validation.rows)
