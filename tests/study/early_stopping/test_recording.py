"""Recordings are whole or absent, go on where they were, and become tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from factories.cells import LINEAR_PARAMS, make_cell

from rightfit.models.bundle import read_bundle
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.families.family import TrainingData
from rightfit_study.early_stopping.params import RecordingParams
from rightfit_study.early_stopping.recording import (
    DOCUMENT,
    FINAL,
    Recording,
    draw_configuration,
    record_cell,
    tabulate_recordings,
)

pytestmark = pytest.mark.whole


def settings(n_configurations: int) -> RecordingParams:
    """Return settings of fewer configurations than a study may have."""
    return RecordingParams.model_construct(
        n_configurations=n_configurations, n_snapshots=1, n_checkpoints=2, n_jobs=1, seed=3
    )


def record(data: TrainingData, folder: Path, n_configurations: int) -> list[Recording]:
    cell = make_cell(data)
    return record_cell(cell, settings(n_configurations), folder, on_recording=lambda *_: None)


def test_recordings_hold_every_checkpoint_and_the_bundles(
    blobs: TrainingData, tmp_path: Path
) -> None:
    recording = record(blobs, tmp_path, 2)[0]

    assert [point["checkpoint"] for point in recording.points] == [1, 2]
    assert recording.untrained == recording.points[-1]["structure"]
    assert recording.snapshots == [0]
    assert read_bundle(tmp_path / "0000" / FINAL).onnx
    assert read_bundle(tmp_path / "0000" / "0").onnx
    assert not (tmp_path / "0001" / "0").exists()


def test_recording_goes_on_where_it_was(blobs: TrainingData, tmp_path: Path) -> None:
    record(blobs, tmp_path, 1)
    kept = (tmp_path / "0000" / DOCUMENT).stat().st_mtime_ns
    (tmp_path / ".0001.partial").mkdir()  # of a recording that was interrupted

    recordings = record(blobs, tmp_path, 2)

    assert [recording.index for recording in recordings] == [0, 1]
    assert (tmp_path / "0000" / DOCUMENT).stat().st_mtime_ns == kept
    assert not (tmp_path / ".0001.partial").exists()


def test_the_same_index_draws_the_same_configuration() -> None:
    first, again, other = (
        draw_configuration(LINEAR_PARAMS, seed=1, index=index) for index in (5, 5, 6)
    )

    assert first == again != other


def test_tables_start_before_the_training(blobs: TrainingData, tmp_path: Path) -> None:
    table = tabulate_recordings(
        record(blobs, tmp_path, 1),
        dataset="blobs",
        model="linear",
        quality=QualityMetric(name="accuracy", worst=0.0, best=1.0),
    )

    assert table["checkpoint"].to_list() == [0, 1, 2]
    assert table["quality"].null_count() == 1
    assert table["fit_cpu_s"].to_list() == sorted(table["fit_cpu_s"].to_list())
    assert table.select(pl.col("structure").is_not_null().all()).item()
