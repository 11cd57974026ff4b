from __future__ import annotations

import pytest

from rightfit_kedro.grid import Grid
from rightfit_kedro.pipelines import evaluation, training

pytestmark = pytest.mark.whole


def test_predictions_for_validation_rows_are_kept_where_a_cascade_reads_them() -> None:
    grid = Grid(
        {"a": ("a",), "b": ("b",)},
        {"forest": "forest", "net": "net"},
        datasets_of={"forest": ("a",), "net": ("a", "b"), "cascade": ("a",)},
        cascades=("cascade",),
    )
    single = Grid({"a": ("a",)}, {"forest": "forest"})

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


@pytest.mark.parametrize("reads_all_rows", [False, True])
def test_raw_tables_are_inputs_of_a_search_only_if_it_reads_rows_beyond_the_sample(
    reads_all_rows: bool,
) -> None:
    grid = Grid(
        {"a": ("orders", "shops")},
        {"forest": "forest"},
        reads_all_rows=reads_all_rows,
    )
    inputs = training.create_pipeline(grid).inputs()

    assert ({"orders", "shops", "a.spec", "a.rows", "a.encoder"} <= inputs) == reads_all_rows
