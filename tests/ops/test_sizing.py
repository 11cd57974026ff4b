"""Each figure of a deployment follows from the measurement that its comment names."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import yaml
from factories.exports import choose

from rightfit.exporting.model_call import Model
from rightfit.measuring.profile import MeasuredHow
from rightfit.measuring.worker.results import LimitTrial
from rightfit.ops.sizing import ServedFigures, size_deployment

FIGURES: dict[str, Any] = {
    "throughput_rows_per_s": 50_000.0,
    "throughput_rows_per_s_low": 40_000.0,
    "peak_memory_mib": 150.0,
    "peak_memory_mib_high": 151.2,
    "best_batch_size": 256,
    "measured_how": asdict(MeasuredHow(preset="quick", devices=("cpu",))),
    "null_reasons": {"throughput_rows_per_s": "a batch takes too long"},
}


def size(
    model: Model, scenario: str = "offline", served: ServedFigures | None = None, **figures: Any
) -> tuple[dict[str, Any], str]:
    answer = choose(model, **FIGURES | figures)
    rate_per_s = 2_000 if scenario == "server" else 100_000
    text = size_deployment(answer, scenario, rate_per_s=rate_per_s, headroom_pct=50, served=served)
    return yaml.safe_load(text)["spec"], text


def read_resources(spec: dict[str, Any]) -> dict[str, dict[str, str]]:
    (container,) = spec["template"]["spec"]["containers"]
    resources: dict[str, dict[str, str]] = container["resources"]
    return resources


def test_replicas_follow_from_the_lower_end_of_the_measured_rate(model: Model) -> None:
    spec, text = size(model)

    assert spec["replicas"] == 4  # 100,000 × 1.5 / 40,000 = 3.75
    assert "throughput_rows_per_s, the lower end of its interval; without a server" in text
    assert "peak with 256 rows a call" in text
    assert read_resources(spec) == {
        "requests": {"cpu": "1", "memory": "152Mi"},
        "limits": {"cpu": "1", "memory": "227Mi"},  # 151.2 × 1.5
    }
    (container,) = spec["template"]["spec"]["containers"]
    assert {"name": "OMP_NUM_THREADS", "value": "1"} in container["env"]


def test_memory_limit_that_was_tried_is_preferred(model: Model) -> None:
    limits = (
        LimitTrial(192.0, ok=True, error=None, limit="RLIMIT_DATA"),
        LimitTrial(96.0, ok=False, error="MemoryError", limit="RLIMIT_DATA"),
    )
    how = MeasuredHow(preset="quick", devices=("cpu",), limits=limits)
    spec, text = size(model, measured_how=asdict(how))

    assert read_resources(spec)["limits"]["memory"] == "192Mi"
    assert "it ran under this limit" in text


def test_loaded_server_counts_instead_of_the_bare_model(model: Model) -> None:
    served = ServedFigures(
        highest_rate_per_s=500, limit_ms=20, server_cores=1.32, peak_memory_mib=180.5
    )
    spec, text = size(model, "server", served=served)

    assert spec["replicas"] == 6
    assert read_resources(spec) == {
        "requests": {"cpu": "1.4", "memory": "181Mi"},
        "limits": {"cpu": "2", "memory": "271Mi"},
    }
    assert "within a p99 of 20 ms (rightfit load-test)" in text


def test_rows_of_a_request_count_where_rows_are_asked_for(model: Model) -> None:
    served = ServedFigures(500, 20, 1.3, 180.5, limit_share=0.95, n_rows=32)
    rows, text = size(model, "offline", served=served)
    requests, _ = size(model, "server", served=served)

    assert rows["replicas"] == 10  # 100,000 × 1.5 / (500 × 32) = 9.4
    assert requests["replicas"] == 6
    assert "over 16 k rows/s of one server, with 32 rows a request, within a p95 of 20 ms" in text


@pytest.mark.parametrize("disturbed", [True, False])
def test_a_disturbed_load_is_named(disturbed: bool, model: Model) -> None:
    served = ServedFigures(500, 20, 1.3, 180.5, disturbed=disturbed)

    _, text = size(model, "server", served=served)

    assert ("the load it rests on was disturbed" in text) is disturbed


def test_requests_are_sized_by_a_load_alone(model: Model) -> None:
    with pytest.raises(
        ValueError, match=r"rate that one server sustains is not known\. Load the exported"
    ):
        size(model, "server")


def test_rate_that_was_not_measured_is_refused_with_its_reason(model: Model) -> None:
    with pytest.raises(ValueError, match="not measured: a batch takes too long"):
        size(model, throughput_rows_per_s=None)
