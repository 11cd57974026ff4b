"""The ranking pipeline, run through Kedro on stored profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from factories.rankings import make_profile, make_profiles

from rightfit_kedro.run import RightfitSession

pytestmark = pytest.mark.whole

VERSION = "2026-01-01T00.00.00.000Z"
TRIALS_SCHEMA = {
    "dataset": pl.String,
    "model": pl.String,
    "number": pl.Int64,
    "application": pl.String,
    "state": pl.String,
    "stop_checkpoint": pl.Int64,
    "stop_reason": pl.String,
}
MEASURED = {
    "linear": {
        "quality": 0.78,
        "latency_p50_ms": 0.006,
        "latency_p95_ms": 0.008,
        "throughput_rows_per_s": 3e7,
        "peak_memory_mib": 58.0,
        "peak_memory_one_row_mib": 58.0,
        "model_size_mib": 0.02,
        "fit_time_s": 1.0,
    },
    "forest": {
        "quality": 0.90,
        "latency_p50_ms": 0.05,
        "latency_p95_ms": 0.08,
        "throughput_rows_per_s": 6e4,
        "peak_memory_mib": 190.0,
        "peak_memory_one_row_mib": 180.0,
        "model_size_mib": 20.0,
        "fit_time_s": 4.0,
    },
    "net": {
        "quality": 0.89,
        "latency_p50_ms": 0.03,
        "latency_p95_ms": 0.04,
        "throughput_rows_per_s": 1e6,
        "peak_memory_mib": 120.0,
        "peak_memory_one_row_mib": 61.0,
        "model_size_mib": 0.5,
        "fit_time_s": 20.0,
    },
}
TABLES = ["rankings", "rejections"]


@pytest.fixture
def data_root(tmp_path: Path, project_path: Path) -> Path:
    """A data folder with profiles and trials of the tests' grid, as an evaluation leaves them."""
    text = (project_path / "conf" / "test" / "parameters_grid.yml").read_text()
    grid = yaml.safe_load(text)["grid"]
    rows = [
        make_profile(f"{model}-1", dataset=dataset, cpu_cores=1.0, **MEASURED[model])
        for dataset in grid["datasets"]
        for model in grid["models"]
    ]
    save(make_profiles(*rows), tmp_path / "07_model_output" / "resource_profiles.parquet")
    for dataset in grid["datasets"]:
        folder = tmp_path / "07_model_output" / dataset
        save(pl.DataFrame(schema=TRIALS_SCHEMA), folder / "trials.parquet")
    return tmp_path


def save(frame: pl.DataFrame, path: Path, version: str = VERSION) -> None:
    """Write a frame where a versioned dataset of the catalog finds it."""
    file = path / version / path.name
    file.parent.mkdir(parents=True)
    frame.write_parquet(file)


def run(project: Path, data_root: Path, **applications: Any) -> None:
    params = {"data_root": str(data_root), "applications": applications}
    with RightfitSession.create(project, env="test", runtime_params=params) as session:
        session.run(pipeline_names=["ranking"])


def newest(data_root: Path, name: str) -> Path:
    return sorted((data_root / "08_reporting" / name).glob(f"*/{name}"))[-1]


def winners(data_root: Path) -> dict[str, str]:
    found = json.loads(newest(data_root, "recommendations.json").read_text())
    return {
        name: recommendation["datasets"]["landsat"]["winner"]["candidate"]
        for name, recommendation in found.items()
    }


def test_pipeline_writes_every_table_and_the_applications_disagree(
    bootstrapped: Path, data_root: Path
) -> None:
    run(bootstrapped, data_root)

    assert winners(data_root) == {
        "satellite_archive": "linear-1",
        "edge_device": "net-1",
        "web_api": "net-1",
        "accuracy_first": "forest-1",
    }
    frames = [pl.read_parquet(newest(data_root, f"{name}.parquet")) for name in TABLES]
    assert all(frame.height for frame in frames)
    assert pl.read_csv(newest(data_root, "rankings.csv")).height == frames[0].height


def test_another_weight_ranks_the_stored_profiles_anew(bootstrapped: Path, data_root: Path) -> None:
    run(bootstrapped, data_root, satellite_archive={"objectives": {"quality": {"weight": 40}}})

    assert winners(data_root)["satellite_archive"] == "net-1"


def measure_again(data_root: Path, version: str, reach: float, **qualities: float) -> None:
    """Store newer profiles, with other qualities of some families."""
    path = data_root / "07_model_output" / "resource_profiles.parquet"
    before = pl.read_parquet(path / VERSION / path.name)
    quality = pl.col("model").replace_strict(qualities, default=pl.col("quality"))
    ends = {"quality_low": pl.col("quality") - reach, "quality_high": pl.col("quality") + reach}
    save(before.with_columns(quality=quality).with_columns(**ends), path, version)


def test_winner_of_the_run_before_stands_until_another_is_better_than_practically_equal(
    bootstrapped: Path, data_root: Path
) -> None:
    decisions = []
    for version, net in (("01", 0.89), ("02", 0.901), ("03", 0.92)):
        measure_again(data_root, f"2026-01-{version}T01.00.00.000Z", 0.03, net=net)
        run(bootstrapped, data_root)
        document = json.loads(newest(data_root, "recommendations.json").read_text())
        decisions.append(document["accuracy_first"]["datasets"]["landsat"])

    assert [decision["winner"]["candidate"] for decision in decisions] == [
        *("forest-1", "forest-1", "net-1")
    ]
    assert [
        any(one["code"] == "RF007" and "net-1" in one["sentence"] for one in decision["findings"])
        for decision in decisions
    ] == [False, True, False]
