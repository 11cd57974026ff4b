from __future__ import annotations

from pathlib import Path

import cells
import pytest
from demands import SIZE_TOO, make_demand

from rightfit.families.bundle import Bundle, write_bundle
from rightfit.families.family import TrainingData
from rightfit.families.registry import get_family
from rightfit.profiling.serving import Serving
from rightfit.tuning.pausing.serving_costs import CostLine
from rightfit.tuning.steering.short_measuring import open_short_bench

SETTINGS = {**cells.LINEAR_PARAMS.fixed, "alpha": 1e-4, "eta0": 0.1}


@pytest.fixture
def bundle(blobs: TrainingData, tmp_path: Path) -> Bundle:
    family = get_family("linear")
    model = family.build_untrained(SETTINGS, blobs.schema, seed=0)
    return write_bundle(
        tmp_path / "bundle",
        model,
        model="linear",
        family="linear",
        configuration=SETTINGS,
        schema=blobs.schema,
        data_version="v1",
    )


def test_a_model_is_exported_and_measured_in_what_was_asked_for(
    bundle: Bundle, blobs: TrainingData
) -> None:
    with open_short_bench(cells.make_cell(blobs), make_demand(applications=SIZE_TOO)) as bench:
        metrics, seconds = bench.measure(bundle, Serving("onnx", 1, "cpu"))

    assert seconds > 0
    assert {"latency_p50_ms", "throughput_rows_per_s", "peak_memory_mib"} <= set(metrics)
    assert metrics["min_hardware_tier"] == 1
    assert (bundle.path / "model.onnx").is_file()


def test_nothing_is_measured_for_applications_that_ask_for_quality_alone(
    bundle: Bundle, blobs: TrainingData
) -> None:
    with open_short_bench(cells.make_cell(blobs), make_demand()) as bench:
        metrics, seconds = bench.measure(bundle, Serving("onnx", 1, "cpu"))

    assert (metrics, seconds) == ({}, 0.0)
    assert not (bundle.path / "model.onnx").exists()


def test_costs_that_are_known_are_not_measured(bundle: Bundle, blobs: TrainingData) -> None:
    serving = Serving("onnx", 1, "cpu")
    line = CostLine(1.0, {"n_parameters": 0.5}, 0.1)
    demand = make_demand(known_lines={(serving, "model_size_mib"): line})

    with open_short_bench(cells.make_cell(blobs), demand) as bench:
        metrics, seconds = bench.measure(bundle, serving)

    n_parameters = get_family("linear").describe_structure(bundle.load_native())["n_parameters"]
    assert metrics == {"model_size_mib": pytest.approx(1 + 0.5 * n_parameters)}
    assert seconds == 0
    assert not (bundle.path / "model.onnx").exists()


def test_an_export_that_answers_otherwise_is_not_served(
    bundle: Bundle, blobs: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(bundle: Bundle, rows: object) -> Bundle:
        raise ValueError("it does not answer as the native model does")

    monkeypatch.setattr("rightfit.families.bundle_exports.add_onnx", refuse)

    with open_short_bench(cells.make_cell(blobs), make_demand(applications=SIZE_TOO)) as bench:
        assert bench.measure(bundle, Serving("onnx", 1, "cpu")) == ({}, 0.0)
