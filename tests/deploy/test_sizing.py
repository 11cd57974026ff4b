"""Each figure of a deployment follows from the measurement that its comment names."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any

import pytest
import yaml
from factories.exports import choose
from factories.reports import make_load_step

from rightfit._core.processes.codec import to_plain
from rightfit.exporting.model_call import Model
from rightfit.measuring.profile import MeasuredHow
from rightfit.measuring.worker.results import LimitTrial
from rightfit.ranking.applications.applications import MachineKind
from rightfit.ranking.records.load_records import LoadCurve
from rightfit_deploy.server import MAX_REQUESTS_VARIABLE
from rightfit_deploy.sizing import LOAD_AGAIN, ServedFigures, count_instances, size_deployment

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
    assert "peak at batch size 256" in text
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


def test_a_server_waits_for_as_many_as_it_can_answer_in_time(model: Model) -> None:
    served = ServedFigures(50, 100, server_cores=0.5, peak_memory_mib=400)

    (_, few), (_, many) = (
        size(model, "server", replace(served, limit_ms=limit_ms)) for limit_ms in (100, 5_000)
    )

    assert f'{{name: {MAX_REQUESTS_VARIABLE}, value: "64"}}' in few  # the server's own
    assert f'{{name: {MAX_REQUESTS_VARIABLE}, value: "250"}}' in many  # 50 requests/s for 5 s


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

    assert ("its server was loaded disturbed" in text) is disturbed
    assert ("its server was loaded undisturbed" in text) is not disturbed


def make_curve(*steps: tuple[float, float]) -> LoadCurve:
    """Steps by rate and p99, whose interval reaches a tenth below and a fifth above it."""
    opened = tuple(make_load_step(rate, (1.0, 2.0, p99_ms)) for rate, p99_ms in steps)
    rate = max(rate for rate, p99_ms in steps if p99_ms <= 10)
    return LoadCurve((), opened, 900, rate, limit_ms=10, knee_per_s=None)


def test_instances_have_an_interval_by_rates_that_surely_hold_or_fail() -> None:
    curve = make_curve((100, 3.0), (250, 8.0), (400, 9.0), (500, 10.5), (600, 20.0))
    prices = {"board": MachineKind(price_per_hour=0.01), "server": MachineKind(price_per_hour=0.1)}

    table = count_instances(
        {"board": curve, "server": curve}, [1_000], headroom_pct=20, prices=prices
    )
    capacity, _, _, first, _, _ = table.write_lines()

    # 9.0 × 1.2 and 10.5 × 0.9 lie across the limit of 10 ms, so 250 holds and 600 fails for sure
    assert "400 (250 to 600) requests/s of one server on " in capacity
    # 1,200 / 400, / 600 and / 250; times 7.3 a month
    assert re.split(" {2,}", first)[1:] == [
        "board",
        "3 (2 to 5)",
        "21.9 (14.6 to 36.5)",
        "cheapest",
    ]
    assert to_plain(table)["instances"][1] == {
        "rate_per_s": 1_000,
        "machine": "server",
        "number": [3, 2, 5],
        "price_per_month": pytest.approx([219, 146, 365]),
        "is_cheapest": False,
    }


@pytest.mark.parametrize(
    ("disturbed", "state"), [(True, LOAD_AGAIN), (False, "measured undisturbed")]
)
def test_a_line_says_whether_the_load_was_disturbed(disturbed: bool, state: str) -> None:
    curve = make_curve((100, 3.0))
    (step,) = curve.opened
    curve = replace(curve, opened=(replace(step, others_cores=0.5 if disturbed else 0.0),))

    table = count_instances({"board": curve}, [1_000], headroom_pct=0, prices={})

    assert table.servers[0].disturbed is disturbed
    assert table.write_lines()[0].endswith(f", {state}")


def test_number_without_a_rate_that_fails_is_open_at_its_end() -> None:
    table = count_instances({"board": make_curve((100, 3.0))}, [1_000], headroom_pct=0, prices={})
    lines = table.write_lines()

    assert lines[-2].split() == ["1,000", "board", "10", "(?", "to", "10)"]


def test_kinds_without_a_figure_are_named_with_the_reason() -> None:
    curve = make_curve((100, 3.0))
    curves = {"board": curve, "slow": replace(curve, highest_rate_per_s=None)}
    prices = {"bord": MachineKind(price_per_hour=0.01)}
    table = count_instances(curves, [1_000], headroom_pct=0, prices=prices)

    assert set(table.left_out) == {"bord", "slow"}
    assert [server.machine for server in table.servers] == ["board"]
    with pytest.raises(ValueError, match="slow: no rate of the load meets a p99 of 10 ms"):
        count_instances({"slow": curves["slow"]}, [1_000], headroom_pct=0, prices={})


def test_requests_are_sized_by_a_load_alone(model: Model) -> None:
    with pytest.raises(
        ValueError, match=r"rate that one server sustains is not known\. Load the exported"
    ):
        size(model, "server")


def test_rate_that_was_not_measured_is_refused_with_its_reason(model: Model) -> None:
    with pytest.raises(ValueError, match="not measured: a batch takes too long"):
        size(model, throughput_rows_per_s=None)
