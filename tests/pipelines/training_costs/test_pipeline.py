from __future__ import annotations

import pytest

from rightfit import grid
from rightfit.pipelines.training_costs import create_pipeline


@pytest.mark.parametrize(
    ("models", "outputs"),
    [
        (
            ("linear", "net"),
            {"d.net.training_costs", "training_costs", "training_costs_chart"},
        ),
        (("linear",), set()),  # nothing trains in batches
    ],
)
def test_families_that_train_in_batches_are_studied(
    models: tuple[str, ...], outputs: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "_current", [grid.Grid(tables={"d": ("d",)}, models=models)])

    assert create_pipeline().all_outputs() == outputs
