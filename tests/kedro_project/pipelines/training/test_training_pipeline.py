from __future__ import annotations

import pytest

from rightfit.kedro_project.pipelines import evaluation, training
from rightfit.params.grid import Grid

pytestmark = pytest.mark.whole


def test_predictions_for_validation_rows_are_kept_where_a_cascade_reads_them() -> None:
    grid = Grid(
        {"a": ("a",), "b": ("b",)},
        {"forest": "rightfit.models.forest", "net": "rightfit.models.net"},
        datasets_of={"forest": ("a",), "net": ("a", "b"), "cascade": ("a",)},
        cascades=("cascade",),
    )
    single = Grid({"a": ("a",)}, {"forest": "rightfit.models.forest"})

    written, read = (
        {name for name in names if name.endswith(".validation_predictions")}
        for names in (
            training.create_pipeline(grid).all_outputs(),
            evaluation.create_pipeline(grid).inputs(),
        )
    )

    assert written == read
    assert {"a.forest.validation_predictions", "a.net.validation_predictions"} <= written
    assert not any(
        name.endswith("_predictions") for name in training.create_pipeline(single).all_outputs()
    )
