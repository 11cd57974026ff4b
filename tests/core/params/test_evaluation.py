from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams, find_preset_faults


@pytest.fixture
def values() -> dict[str, Any]:
    return read_default("evaluation")


def test_preset_chooses_its_settings(values: dict[str, Any]) -> None:
    params = EvaluationParams(**values | {"preset": "publish"})

    assert params.settings == params.presets.publish


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "fast"}, "'quick', 'standard' or 'publish'"),
        ({"n_threads": [0, "all"]}, "must be 'all' or a whole number from 1"),
        ({"n_thread": [1]}, "Extra inputs"),
        ({"runtimes": []}, "at least 1 item"),
        ({"tiers": []}, "at least 1 item"),
    ],
)
def test_wrong_value_is_refused(
    change: dict[str, Any], message: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=message):
        EvaluationParams(**values | change)


def test_tiers_of_the_same_name_are_refused(values: dict[str, Any]) -> None:
    again = values["tiers"][0] | {"n_cores": 9}

    with pytest.raises(ValidationError, match="different names"):
        EvaluationParams(**values | {"tiers": [*values["tiers"], again]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_processes": 9, "max_processes": 8}, "min_processes=9 exceeds max_processes=8"),
        ({"latency_min_ms": 500}, "latency_min_ms=500.0 exceeds"),
        ({"batch_sizes": [32, 8]}, "batch_sizes must rise"),
        ({"max_s": float("nan")}, "finite number"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    change: dict[str, Any], message: str, values: dict[str, Any]
) -> None:
    quick = values["presets"]["quick"] | change

    with pytest.raises(ValidationError, match=message):
        EvaluationParams(**values | {"presets": values["presets"] | {"quick": quick}})


def ask_under_load(values: dict[str, Any], **application: Any) -> list[str]:
    web_api = {
        "description": "answer",
        "scenario": "server",
        "objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}},
        "constraints": {"latency_under_load_p99_ms": {"max": 50}},
    }
    applications = {"web_api": web_api | application}
    return list(find_preset_faults({"evaluation": values, "applications": applications}))


def test_figure_under_load_needs_a_preset_that_measures_it(values: dict[str, Any]) -> None:
    assert ask_under_load(values | {"preset": "quick"}) == [
        "applications.web_api asks for latency_under_load_p99_ms, but evaluation.preset quick "
        "serves no requests at random, so no candidate would qualify. Name its rate "
        "(rate_per_s: 100), or take evaluation.preset: standard"
    ]
    assert ask_under_load(values | {"preset": "standard"}) == []


@pytest.mark.parametrize(
    "application", [{"constraints": {}}, {"environment": "board"}, {"scenario": "unknown"}]
)
def test_other_applications_are_no_matter_of_the_preset(
    application: dict[str, Any], values: dict[str, Any]
) -> None:
    assert ask_under_load(values, **application) == []


def test_batch_sizes_need_a_preset_that_measures_one_of_them(values: dict[str, Any]) -> None:
    sizes = values["presets"]["quick"]["batch_sizes"]
    quality = {"scenario": "offline", "constraints": {}}

    faults = ask_under_load(
        values | {"preset": "quick"}, serving={"batch_size": {"max": min(sizes) - 1}}, **quality
    )

    (fault,) = faults
    assert fault.startswith(
        f"applications.web_api.serving.batch_size asks for at most {min(sizes) - 1} rows a call, "
        f"but only batches of {sizes[0]:,}, "
    )
    assert ask_under_load(values, serving={"batch_size": sizes[0]}, **quality) == []
