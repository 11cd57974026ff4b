from __future__ import annotations

import logging
from typing import Any

import polars as pl
import pytest
from factories.rankings import make_application

from rightfit.evaluation.cell_measuring import remeasure_deciding
from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.defaults import read_default
from rightfit.parameters.evaluation import EvaluationParams

PARAMS = EvaluationParams(**read_default("evaluation") | {"preset": "quick"})
APPLICATIONS = ApplicationsParams.model_validate(
    {
        "any": make_application(
            request_path="model",
            objectives={"latency_p50_ms": {"weight": 1, "worst": 100, "best": 0}},
        ).model_dump(exclude_none=True)
    }
)


def table(model: str, latency_ms: float, *, disturbed: bool) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "model": model,
            "candidate": f"{model}-000",
            "runtime": "onnx",
            "n_threads": 1,
            "device": "cpu",
            "request_path": "model",
            "latency_p50_ms": latency_ms,
            "latency_p50_ms_low": latency_ms,
            "latency_p50_ms_high": latency_ms,
            "disturbed": disturbed,
        }
    )


TABLES = {
    "net": table("net", 20.0, disturbed=False),
    "forest": table("forest", 50.0, disturbed=True),  # 17 at best
    "linear": table("linear", 90.0, disturbed=True),  # 30 at best
}


class Machine:
    """Notes what is measured again, and returns what a quieter machine would have found."""

    def __init__(self, *, is_quiet: bool) -> None:
        self.is_quiet = is_quiet
        self.asked: list[tuple[str, list[str]]] = []
        self.waits: list[dict[str, Any]] = []

    def measure_again(self, model: str, rivals: pl.DataFrame) -> pl.DataFrame:
        self.asked.append((model, rivals["model"].to_list()))
        return table(model, 18.0, disturbed=False) if self.is_quiet else TABLES[model]

    def wait(self, **limits: Any) -> bool:
        self.waits.append(limits)
        return self.is_quiet


def remeasure(
    machine: Machine, tables: dict[str, pl.DataFrame] = TABLES, params: EvaluationParams = PARAMS
) -> dict[str, pl.DataFrame]:
    return remeasure_deciding(
        "landsat",
        tables,
        machine.measure_again,
        params=params,
        choosers=APPLICATIONS,
        wait=machine.wait,
    )


def test_run_comes_back_once_to_the_cell_whose_disturbed_profile_decides(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine(is_quiet=True)

    with caplog.at_level(logging.INFO, "rightfit"):
        found = remeasure(machine)

    assert machine.asked == [("forest", ["net", "linear"])]
    assert [one["max_wait_s"] for one in machine.waits] == [PARAMS.settings.max_quiet_wait_s]
    assert found["forest"]["latency_p50_ms"].to_list() == [18.0]
    assert found["net"].equals(TABLES["net"])
    assert list(found) == list(TABLES)
    assert "coming back to 1 profile" in caplog.text
    assert "forest-000 (onnx, 1 thread, cpu)" in caplog.text
    assert "still disturbed" not in caplog.text


def test_profile_that_stays_disturbed_is_named(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(is_quiet=False)

    found = remeasure(machine)

    assert len(machine.asked) == 1
    assert found["forest"]["disturbed"].to_list() == [True]
    assert (
        "landsat: still disturbed, so it is not known what they decide: forest-000 (onnx, 1 "
        "thread, cpu)"
    ) in caplog.text


def test_nothing_is_measured_again_where_no_disturbed_profile_decides() -> None:
    machine = Machine(is_quiet=True)
    quiet = TABLES | {"forest": table("forest", 50.0, disturbed=False)}

    assert remeasure(machine, quiet) == quiet
    assert machine.asked == machine.waits == []


def test_preset_without_extra_processes_comes_back_to_nothing() -> None:
    machine = Machine(is_quiet=True)
    settings = PARAMS.settings.model_copy(update={"max_extra_processes": 0})
    presets = PARAMS.presets.model_copy(update={"quick": settings})
    params = PARAMS.model_copy(update={"presets": presets})

    assert remeasure(machine, params=params) == TABLES
    assert machine.asked == []
