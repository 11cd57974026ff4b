from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import polars as pl
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline

from rightfit_kedro.failures import NEEDED, PartsFailedError, report_failures
from rightfit_kedro.grid import Grid
from rightfit_kedro.nodes import list_own_outputs
from rightfit_kedro.pipelines import create_pipelines

GRID = Grid({"a": ("raw_a",)}, {"net": "net", "svm": "svm"})
PIPELINES = create_pipelines(GRID)
WHOLE = Pipeline([*PIPELINES["training"].nodes, *PIPELINES["evaluation"].nodes])
FINE = {"throughput_rows_per_s": 1.0, "quality_raw": 0.9, "null_reasons": None}


def trials(*states: str) -> pl.DataFrame:
    rows = [
        {"state": state, "stop_reason": None if state == "complete" else f"fault {number}"}
        for number, state in enumerate(states)
    ]
    return pl.DataFrame(rows, schema={"state": pl.String, "stop_reason": pl.String})


def profiles(*rows: dict[str, Any]) -> pl.DataFrame:
    keys = {
        "dataset": "a",
        "model": "net",
        "candidate": "net-000",
        "runtime": "onnx",
        "n_threads": 1,
        "device": "cpu",
    }
    schema = {
        **dict.fromkeys(("dataset", "model", "candidate", "runtime"), pl.String),
        "n_threads": pl.Int64,
        "device": pl.String,
        **dict.fromkeys(("throughput_rows_per_s", "quality_raw"), pl.Float64),
        "null_reasons": pl.Struct(dict.fromkeys(NEEDED, pl.String)),
    }
    return pl.DataFrame([keys | row for row in rows], schema=schema)


def missing(reason: str) -> dict[str, Any]:
    reasons = {"throughput_rows_per_s": reason}
    return FINE | {"throughput_rows_per_s": None, "null_reasons": reasons}


def finish_run(pipeline: Pipeline, catalog: DataCatalog) -> None:
    report_failures(list_own_outputs(pipeline), catalog)


def finish(tables: dict[str, pl.DataFrame]) -> None:
    whole = {
        "a.net.trials": trials("complete"),
        "a.svm.trials": trials("complete"),
        "a.trials": trials("complete", "complete"),
        "a.profiles": profiles(FINE),
    }
    catalog = DataCatalog({name: MemoryDataset(t) for name, t in (whole | tables).items()})
    with click.Context(click.Command("run")):
        finish_run(WHOLE, catalog)


def test_run_without_failures_ends_well(caplog: pytest.LogCaptureFixture) -> None:
    finish({})

    assert [record for record in caplog.records if record.name == "rightfit_kedro.failures"] == []


def test_failed_cell_and_measurement_end_the_command_with_their_reasons() -> None:
    failed = {
        "a.svm.trials": trials("failed", "failed"),
        "a.profiles": profiles(FINE, missing("it does not run: no answer within 5 s")),
    }

    with pytest.raises(PartsFailedError, match="parts of it failed") as caught:
        finish(failed)

    told = str(caught.value)
    assert caught.value.exit_code == 3
    assert "a.svm: no trial was completed: fault 0; fault 1" in told
    assert "a.net: net-000 (onnx, 1 thread, cpu): it does not run: no answer within 5 s" in told


def test_failed_trials_and_refused_exports_are_listed_but_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    finish(
        {
            "a.net.trials": trials("complete", "failed"),
            "a.profiles": profiles(FINE, missing("its ONNX export was refused: unlike")),
        }
    )

    assert "a.net: 1 of 2 trials failed, such as: fault 1" in caplog.text
    assert "its ONNX export was refused: unlike" in caplog.text


def test_outside_a_command_failures_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    catalog = DataCatalog({"a.net.trials": MemoryDataset(trials("failed"))})
    only = PIPELINES["training"].only_nodes("training.a.net.tune_model")

    finish_run(only, catalog)

    assert "a.net: no trial was completed" in caplog.text


def test_run_of_others_is_left_alone(tmp_path: Path) -> None:
    finish_run(Pipeline([]), DataCatalog({}))
