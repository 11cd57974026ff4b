from __future__ import annotations

import pytest

from rightfit_kedro.grid import Grid
from rightfit_kedro.pipelines.evaluation import create_pipeline

pytestmark = pytest.mark.whole


def test_pipeline_measures_the_models_of_a_dataset_together_and_collects_all() -> None:
    families = {"linear": "linear", "net": "net"}

    pipeline = create_pipeline(Grid({"d": ("d",)}, families))

    assert pipeline.all_outputs() == {
        "environment",
        "d.profiles",
        "resource_profiles",
        "hardware_tiers",
    }
    assert pipeline.inputs() == {
        "d.test",
        "d.rows",
        "d.encoder",
        "d.data_card",
        "params:evaluation",
        "params:applications",
        "params:ranking.equal_within",
        "params:models.linear",
        "params:models.net",
        "measurements",
        "studies",
        *(f"d.{m}.{n}" for m in ("linear", "net") for n in ("candidates", "trials")),
    }


def test_dataset_without_searched_models_has_no_cascades() -> None:
    grid = Grid(
        {"a": ("a",), "b": ("b",)},
        {"forest": "forest"},
        imported={"mine": ("b",)},
        datasets_of={"forest": ("a",)},
        cascades=("cascade",),
    )

    outputs = create_pipeline(grid).all_outputs()

    assert {name for name in outputs if name.count(".")} == {
        "a.profiles",
        "a.cascade.candidates",
        "b.mine.profiles",
    }


def test_cascades_are_measured_beside_their_members_and_made_of_nothing_measured() -> None:
    families = {"linear": "linear", "net": "net"}

    pipeline = create_pipeline(Grid({"d": ("d",)}, families, cascades=("cascade",)))

    (making,) = pipeline.only_nodes_with_outputs("d.cascade.candidates").nodes
    assert set(making.inputs) == {
        "d.validation",
        "d.data_card",
        "params:models.cascade",
        *(
            f"d.{model}.{name}"
            for model in families
            for name in ("candidates", "trials", "validation_predictions")
        ),
    }
    (measuring,) = pipeline.only_nodes_with_outputs("d.profiles").nodes
    assert "d.cascade.candidates" in measuring.inputs
