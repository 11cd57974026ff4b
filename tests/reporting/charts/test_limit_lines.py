"""Limits as lines."""

from __future__ import annotations

import polars as pl
import pytest

from rightfit.quality.metric import QualityMetric
from rightfit.reporting.charts.limit_lines import find_limit_lines
from rightfit.reporting.results import Results


def test_limit_lines_are_absolute_and_in_the_metric_of_the_dataset(results: Results) -> None:
    profiles = results.profiles.filter(pl.col("dataset") == "landsat")
    lines = find_limit_lines(
        results.applications, profiles, QualityMetric(name="accuracy", worst=0.25, best=1.0)
    )
    found = {(line.application, line.metric, line.kind): line.value for line in lines}

    assert found == pytest.approx(
        {
            ("satellite_archive", "throughput_rows_per_s", "min"): 2e5,
            # best accuracy 0.912, less 0.1 of the way from 0.25 to 1
            ("satellite_archive", "quality_raw", "min"): 0.837,
            ("edge_device", "peak_memory_mib", "max"): 96,
            ("web_api", "latency_p99_ms", "max"): 0.08,
            ("web_api", "quality_raw", "min"): 0.715,
        }
    )
