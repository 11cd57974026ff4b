"""Recordings as a table: one row per configuration and checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from rightfit.profiling.metrics import FIT_COLUMNS
from rightfit.quality.metric import QualityMetric
from rightfit_study.early_stopping.recording import Recording

_SCHEMA: dict[str, Any] = {
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


def tabulate_recordings(
    recordings: Sequence[Recording], *, dataset: str, model: str, quality: QualityMetric
) -> pl.DataFrame:
    """Return one row per configuration and checkpoint.

    Checkpoint 0 is the model before any training: it has a structure where the family can build
    it, and no quality. ``structure`` and ``configuration`` are JSON objects. Costs add up from the
    training's start; ``export_cpu_s`` is that of the finished model.

    Args:
        recordings: From ``record_cell``.
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
    return pl.DataFrame(rows, schema=_SCHEMA)
