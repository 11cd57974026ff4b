"""Numbers for people."""

from __future__ import annotations

import pytest

from rightfit._core.formatting import format_number
from rightfit.measuring.metrics import Figure, MetricTable
from rightfit.measuring.naming import describe_limit, format_metric


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (999.6, "1,000"),
        (9_996.0, "10 k"),
        (16_493_210.0, "16.5 M"),
        (-2.2e9, "-2.2 G"),
        (0.0000531, "0.0000531"),
        (float("inf"), "∞"),
        (float("nan"), "–"),  # noqa: RUF001 - the dash is meant
    ],
)
def test_number_has_three_digits_and_a_short_form(value: float, expected: str) -> None:
    assert format_number(value) == expected


def test_metric_is_written_with_its_unit() -> None:
    assert format_metric("throughput_rows_per_s", 11_612_345.0) == "11.6 M rows/s"
    assert format_metric("min_hardware_tier", 2.0) == "2"
    assert format_metric("cpu_cores", 1.0) == "1 core"
    assert str(Figure(MetricTable.cpu_cores, 1.0)) == "1 core"


@pytest.mark.parametrize(
    ("metric", "kind", "value", "expected"),
    [
        ("latency_p99_ms", "max", 5.0, "latency p99 at most 5 ms"),
        ("throughput_rows_per_s", "min", 2e4, "throughput at least 20 k rows/s"),
        ("quality_raw", "min", 0.9, "quality at least 0.9"),
        ("cpu_cores", "max", 1.0, "CPU at most 1 core"),
    ],
)
def test_limit_in_words(metric: str, kind: str, value: float, expected: str) -> None:
    assert describe_limit(metric, kind, value) == expected
