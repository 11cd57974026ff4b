"""How far metrics are from their final values before the end of a training."""

from __future__ import annotations

import polars as pl
import pytest

from rightfit_study.early_stopping.known_early import tabulate_known_early

pytestmark = pytest.mark.whole

KEYS = {"dataset": "d", "model": "m", "index": 0}


def test_growing_metric_is_wrong_as_it_is_and_right_when_projected() -> None:
    # a size of 1 + 4 x share: 2 after a quarter, 3 after half, 5 at the end
    profiles = pl.DataFrame(
        [
            KEYS
            | {
                "runtime": "onnx",
                "n_threads": 1,
                "checkpoint": checkpoint,
                "model_size_mib": size,
                "throughput_rows_per_s": 1 / size,
            }
            for checkpoint, size in ((1, 2.0), (2, 3.0), (3, 5.0))
        ]
    )
    curves = pl.DataFrame(
        [
            KEYS
            | {
                "checkpoint": checkpoint,
                "step_time_ms": 2.0,
                "fit_peak_memory_mib": None,
                "fit_cpu_cores": 1.0,
            }
            for checkpoint in range(4)
        ],
        schema_overrides={"fit_peak_memory_mib": pl.Float64},
    )

    known = tabulate_known_early(curves, profiles)

    size = known.filter((pl.col("metric") == "model_size_mib") & (pl.col("checkpoint") == 2))
    assert size["error"].item() == pytest.approx(0.4)
    assert size["error_projected"].item() == pytest.approx(0.0)
    assert (size["share_known"].item(), size["share_known_projected"].item()) == (0.0, 1.0)
    rate = known.filter((pl.col("metric") == "throughput_rows_per_s") & (pl.col("checkpoint") == 2))
    assert rate["error_projected"].item() == pytest.approx(0.0)  # time a row grows in a line
    steps = known.filter(pl.col("metric") == "step_time_ms")
    assert steps["share_of_training"].to_list() == [0.25, 0.5]
    assert steps["share_known"].to_list() == [1.0, 1.0]
