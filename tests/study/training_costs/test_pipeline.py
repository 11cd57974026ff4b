from __future__ import annotations

from pathlib import Path

import pytest

from rightfit_kedro.grid import Grid
from rightfit_kedro.hooks import ConfigurationError
from rightfit_kedro.run import RightfitSession
from rightfit_study.training_costs.pipeline import create_pipeline

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    ("models", "outputs"),
    [
        (("linear", "net"), {"d.net.training_costs", "training_costs", "training_costs_chart"}),
        (("linear",), set()),
    ],
)
def test_families_that_train_in_batches_are_studied(
    models: tuple[str, ...], outputs: set[str]
) -> None:
    grid = Grid({"d": ("d",)}, dict(zip(models, models, strict=True)))

    assert create_pipeline(grid).all_outputs() == outputs


def test_grid_without_a_family_that_trains_in_batches_ends_with_one_message(
    bootstrapped: Path, tmp_path: Path
) -> None:
    params = {"data_root": str(tmp_path), "grid": {"models": ["linear", "forest"]}}
    message = (
        r"No model of grid\.models trains in batches: got \['linear', 'forest'\], families that "
        r"do are \['net'\]\. Add one, or choose"
    )
    with (
        RightfitSession.create(bootstrapped, env="test", runtime_params=params) as session,
        pytest.raises(ConfigurationError, match=message),
    ):
        session.run(pipeline_names=["training_costs"])
