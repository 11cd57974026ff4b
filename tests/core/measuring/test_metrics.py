from __future__ import annotations

from pathlib import Path

import pytest

from rightfit.measuring.metrics import (
    EXACT_SIZE,
    INTERVAL_COLUMNS,
    LATENCY_COLUMNS,
    METRICS,
    METRICS_BY_COLUMN,
    TRAINED_ONCE,
    Metric,
    columns_from,
)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.column)
def test_column_ends_in_the_unit_that_people_read(metric: Metric) -> None:
    endings = {
        "ms": "_ms",
        "s": "_s",
        "MiB": "_mib",
        "%": "_pct",
        "cores": "_cores",
        "rows/s": "_rows_per_s",
        "requests/s": "_rate_per_s",
        "US$ per million rows": "_usd_per_1m_rows",
        "J per 1,000 rows": "_j_per_1k_rows",
        "": "",
    }

    assert metric.column.endswith(endings[metric.unit])


@pytest.mark.parametrize(
    ("column", "title"),
    [
        ("latency_p50_ms", "Latency p50 (ms)"),
        ("quality", "Scaled quality (0 to 1)"),
        ("quality_raw", "Quality"),
        ("min_hardware_tier", "Hardware tier"),
    ],
)
def test_title_is_the_label_with_its_unit_or_scale(column: str, title: str) -> None:
    assert METRICS_BY_COLUMN[column].title == title


def test_a_metric_that_processes_report_is_computed_in_its_row_alone() -> None:
    source = Path(__file__).parents[3] / "src/rightfit/measuring"
    named = [path.name for path in source.rglob("*.py") if "energy_j_per_1k" in path.read_text()]

    assert named == ["metrics.py"]


def test_every_column_stands_once() -> None:
    assert len(METRICS_BY_COLUMN) == len(METRICS)


def test_contract_columns_are_derived_from_the_table() -> None:
    assert LATENCY_COLUMNS == {
        0.5: "latency_p50_ms",
        0.95: "latency_p95_ms",
        0.99: "latency_p99_ms",
    }
    assert columns_from("load_test") == ("latency_under_load_p99_ms",)
    assert (
        tuple(
            f"{column}{end}"
            for column in (
                "quality",
                "quality_raw",
                "latency_p50_ms",
                "latency_p95_ms",
                "latency_p99_ms",
                "latency_under_load_p99_ms",
                "throughput_rows_per_s",
                "cpu_cores",
                "cpu_util_pct",
                "peak_memory_mib",
                "peak_memory_one_row_mib",
                "model_memory_mib",
                "load_time_ms",
                "min_hardware_tier",
                "cost_usd_per_1m_rows",
                "gpu_util_pct",
                "gpu_memory_mib",
                "energy_j_per_1k_rows",
            )
            for end in ("_low", "_high")
        )
        == INTERVAL_COLUMNS
    )


def test_metrics_without_an_interval_say_why() -> None:
    assert {metric.column: metric.no_interval for metric in METRICS if metric.no_interval} == {
        "model_size_mib": EXACT_SIZE,
        **dict.fromkeys(columns_from("training"), TRAINED_ONCE),
    }
