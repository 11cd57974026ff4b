from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rightfit.parameters.evaluation import EvaluationParams


@pytest.fixture
def values(project_path: Path) -> dict[str, Any]:
    text = (project_path / "conf" / "base" / "parameters_evaluation.yml").read_text()
    evaluation: dict[str, Any] = yaml.safe_load(text)["evaluation"]
    return evaluation


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
