"""One file is measured in an empty folder, and what is wrong with it is one line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from factories.onnx_files import write_endless, write_onnx, write_softmax
from onnx import TensorProto, helper

from rightfit.cli.verb_group import verbs
from rightfit.measuring.rounds import settling

pytestmark = pytest.mark.whole


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that a model and two tables lie beside."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    write_softmax(tmp_path / "model.onnx", np.eye(4, 3))
    rows = pl.DataFrame(np.random.default_rng(0).normal(size=(50, 4)), schema=list("abcd"))
    rows.write_parquet(tmp_path / "rows.parquet")
    rows.with_columns(label=pl.lit("x")).write_csv(tmp_path / "labelled.csv")
    gaps = rows.with_columns(b=pl.lit(None), d=pl.lit(float("nan")))
    gaps.write_parquet(tmp_path / "gaps.parquet")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    return empty


def measure(*arguments: str) -> Result:
    return CliRunner().invoke(verbs, ["measure", *arguments])


def test_profile_has_intervals_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "WALL_TIMES", math.inf)  # of a busy machine
    result = measure("../model.onnx", "--rows", "../rows.parquet", "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    metrics = found["profile"]["metrics"]
    for metric in ("latency_p50_ms", "latency_p95_ms", "throughput_rows_per_s", "load_time_ms"):
        assert metrics[metric]["low"] <= metrics[metric]["value"] <= metrics[metric]["high"]
    p99_ms = metrics["latency_p99_ms"]["value"]  # unknown where others disturbed many calls
    assert p99_ms is None or p99_ms >= metrics["latency_p95_ms"]["value"]
    assert metrics["peak_memory_mib"]["value"] > metrics["model_size_mib"]["value"] > 0
    assert found["profile"]["min_hardware_tier_name"] == "micro"
    assert found["n_rows"] == 50
    assert list(folder.iterdir()) == []


def test_random_rows_are_said_to_be_random(folder: Path) -> None:
    result = measure("../model.onnx", "--threads", "all")

    assert result.exit_code == 0, result.output
    assert "inputs    x: float32 [any, 4]" in result.output
    assert "1,024 of random values of the declared shapes" in result.output
    assert "Latency p50" in result.output
    assert "(No targets were given)" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.onnx"], "There is no file nothing.onnx"),
        (["../broken.onnx"], "onnxruntime cannot open ../broken.onnx"),
        (["../model.onnx", "--rows", "../labelled.csv"], "takes 4 columns, but the rows have 5"),
        (
            ["../model.onnx", "--rows", "../broken.onnx"],
            "must be a .parquet, .pq, .csv or .npy file",
        ),
        (["../model.onnx", "--rows", "no.parquet"], "There is no file no.parquet"),
        (
            ["../model.onnx", "--rows", "../rows.parquet", "--columns", "a,b", "--target", "b"],
            "--columns names the target, 'b'",
        ),
        (
            ["../model.onnx", "--rows", "../rows.parquet", "--columns", "a,b,c,e"],
            r"has no columns ['e']",
        ),
        (
            ["../model.onnx", "--rows", "../gaps.parquet"],
            "has columns without any value: ['b', 'd']. Leave them out.",
        ),
        (["../model.onnx", "--threads", "none"], "--threads must be 1 or more, or all"),
    ],
)
def test_fault_is_one_line(folder: Path, arguments: list[str], message: str) -> None:
    result = measure(*arguments)

    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_model_that_never_answers_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_endless(Path("endless.onnx"))
    monkeypatch.setattr("rightfit.measuring.rounds.first_rows.FIRST_ANSWER_MAX_S", 2.0)

    result = measure("endless.onnx")

    assert result.exit_code == 1
    assert "endless.onnx cannot answer the rows" in result.output
    assert "gave no answer within 2 s" in result.output


def test_file_that_cannot_answer_is_refused_before_measuring(folder: Path) -> None:
    write_onnx(
        Path("wrong.onnx"),
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs={"x": (TensorProto.FLOAT, [None, None])},
        outputs={"y": (TensorProto.FLOAT, [None, None])},
        weights={"w": np.zeros((7, 2), dtype=np.float32)},
    )

    result = measure("wrong.onnx", "--rows", "../rows.parquet")

    assert result.exit_code == 1
    assert "cannot answer the rows. It declares x: float32 [any, any]" in result.output
