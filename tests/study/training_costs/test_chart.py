from __future__ import annotations

import polars as pl
import pytest

from rightfit_study.training_costs.chart import PANELS, draw_training_costs

pytestmark = pytest.mark.whole


def test_each_cell_is_a_line_in_each_panel() -> None:
    costs = pl.DataFrame(
        {
            "dataset": ["landsat", "landsat", "flights"],
            "model": ["net"] * 3,
            "batch_size": [64, 16, 16],
            "step_time_ms": [4.0, 2.0, 3.0],
            "rows_per_s": [16_000.0, 8_000.0, 5_333.0],
            "cpu_cores": [1.0, 0.9, 1.0],
            "peak_memory_mib": [30.0, 10.0, 20.0],
        }
    )

    figure = draw_training_costs(costs)

    assert len(figure.data) == 2 * len(PANELS)
    landsat = [trace for trace in figure.data if trace.name == "landsat net"]
    assert list(landsat[0].x) == [16, 64]  # in order, whatever the table's order
    assert list(landsat[3].y) == [10.0, 30.0]
    assert sum(bool(trace.showlegend) for trace in figure.data) == 2
