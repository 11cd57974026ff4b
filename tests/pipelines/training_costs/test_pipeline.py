from __future__ import annotations

from pathlib import Path

import pytest
from kedro.framework.session import KedroSession

from rightfit import grid
from rightfit.hooks import ConfigurationError
from rightfit.pipelines.training_costs import create_pipeline


@pytest.mark.parametrize(
    ("models", "outputs"),
    [
        (("linear", "net"), {"d.net.training_costs", "training_costs", "training_costs_chart"}),
        (("linear",), set()),
    ],
)
def test_families_that_train_in_batches_are_studied(
    models: tuple[str, ...], outputs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "_current", [grid.Grid(tables={"d": ("d",)}, models=models)])

    assert create_pipeline().all_outputs() == outputs


def test_grid_without_a_family_that_trains_in_batches_ends_with_one_message(
    bootstrapped: Path, tmp_path: Path
) -> None:
    params = {"data_root": str(tmp_path), "grid": {"models": ["linear", "forest"]}}
    message = (
        r"No family of grid\.models trains in batches: got \['linear', 'forest'\], those that "
        r"do are \['net'\]\. Add one in parameters_grid\.yml"
    )
    with (
        KedroSession.create(bootstrapped, env="test", runtime_params=params) as session,
        pytest.raises(ConfigurationError, match=message),
    ):
        session.run(pipeline_names=["training_costs"])
