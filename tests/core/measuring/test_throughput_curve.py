from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from rightfit._core.errors import RightfitError
from rightfit.measuring.profile import MeasuredHow, Profile
from rightfit.measuring.throughput_curve import NO_CURVE, CurveFigure, CurvePoint

CURVE = (
    CurvePoint(
        32,
        (
            CurveFigure("throughput_rows_per_s", 8e5, 7e5, 9e5),
            CurveFigure("peak_memory_mib", 60.0, 59.5, 60.5),
        ),
        "micro",
    ),
    CurvePoint(256, (CurveFigure("throughput_rows_per_s", 2e6, 1.8e6, 2.2e6),)),
)


def read_profile(how: MeasuredHow | None, **values: Any) -> Profile:
    row = {
        "dataset": "digits",
        "model": "linear",
        "candidate": "linear-001",
        "runtime": "onnx",
        "n_threads": 1,
        "device": "cpu",
        "throughput_rows_per_s": 2e6,
        "best_batch_size": 256,
        "measured_how": how and asdict(how),
    }
    return Profile.from_row(row | values)


def make_how(**values: Any) -> MeasuredHow:
    return MeasuredHow(preset="quick", devices=("cpu",), **values)


def test_curve_has_a_figure_with_unit_and_interval_for_each_batch_size() -> None:
    curve = read_profile(make_how(throughput_curve=CURVE)).throughput_curve

    rate = curve[0]["throughput_rows_per_s"]
    assert [point.batch_size for point in curve] == [32, 256]
    assert (rate.value, rate.low, rate.high, rate.unit) == (8e5, 7e5, 9e5, "rows/s")
    assert [point.hardware_tier for point in curve] == ["micro", None]


def test_point_says_why_a_metric_has_no_figure() -> None:
    memory = read_profile(make_how(throughput_curve=CURVE)).throughput_curve[1]["peak_memory_mib"]

    assert memory.value is None
    assert memory.reason == "it is not known of 256 rows a call"


def test_point_refuses_a_metric_that_no_batch_size_changes() -> None:
    with pytest.raises(RightfitError, match=r"no metric 'latency_p50_ms' of a batch size.*peak_me"):
        CURVE[0]["latency_p50_ms"]


def test_printed_curve_marks_the_size_of_the_profiles_own_figures() -> None:
    printed = repr(read_profile(make_how(throughput_curve=CURVE)).throughput_curve).splitlines()

    assert [line.split()[0] for line in printed] == ["batch", "32", "256"]
    assert [line.endswith("best") for line in printed] == [False, False, True]


@pytest.mark.parametrize(
    ("how", "values", "reason"),
    [
        (make_how(), {}, NO_CURVE),  # of a profile stored before batch sizes had figures
        (
            None,
            {"throughput_rows_per_s": None, "null_reasons": {"throughput_rows_per_s": "no ONNX"}},
            "no ONNX",
        ),
    ],
)
def test_curve_that_was_not_measured_is_empty_with_the_reason(
    how: MeasuredHow | None, values: dict[str, Any], reason: str
) -> None:
    curve = read_profile(how, **values).throughput_curve

    assert list(curve) == []
    assert curve.reason == reason
    assert repr(curve) == f"not measured: {reason}"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"twins": ("linear-000",)}, "costs estimated together with linear-000: the same graph"),
        ({"unlike": ("linear-000",)}, "costs estimated apart from linear-000: the same graph"),
    ],
)
def test_printed_profile_says_with_whom_it_shares_its_costs(
    how: dict[str, Any], expected: str
) -> None:
    last = repr(read_profile(make_how(**how))).splitlines()[-1]

    assert last.strip().startswith(expected)
    assert "costs" not in repr(read_profile(make_how()))
