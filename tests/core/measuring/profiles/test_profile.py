from __future__ import annotations

import pytest

from rightfit.measuring.median_estimates import Interval
from rightfit.measuring.metrics import METRICS
from rightfit.measuring.profile import ProfileBuilder, tabulate_profiles
from rightfit.measuring.serving import Serving

KEYS = {
    *("dataset", "model", "candidate", "runtime", "n_threads", "device", "request_path"),
    *("environment_id", "min_hardware_tier_name"),
}


def make_profile() -> ProfileBuilder:
    profile = ProfileBuilder("landsat", "net", "net-001", Serving("onnx", 1), "abc")
    profile.miss([metric.column for metric in METRICS], "not tried")
    return profile


def test_row_holds_values_intervals_and_reasons() -> None:
    profile = make_profile()
    del profile.reasons["latency_p50_ms"]
    profile.set_interval("latency_p50_ms", Interval(2.0, 1.5, None, is_distribution_free=False))

    row = profile.build_row()

    assert (row["latency_p50_ms"], row["latency_p50_ms_low"], row["latency_p50_ms_high"]) == (
        2.0,
        1.5,
        None,
    )
    reasons = row["null_reasons"]
    assert reasons["quality"] == "not tried"
    assert reasons["latency_p50_ms"] is None


def test_row_without_a_reason_for_a_null_is_refused() -> None:
    profile = make_profile()
    del profile.reasons["cpu_cores"]

    with pytest.raises(ValueError, match=r"without a reason: \['cpu_cores'\]"):
        profile.build_row()


def test_row_with_an_interval_the_table_lacks_is_refused() -> None:
    profile = make_profile()
    profile.set_interval("model_size_mib", Interval(1.0, 0.9, 1.1, is_distribution_free=True))

    with pytest.raises(ValueError, match="model_size_mib_high"):
        profile.build_row()


def test_table_has_the_same_columns_whatever_it_holds() -> None:
    empty = tabulate_profiles([])
    full = tabulate_profiles([make_profile()])

    assert empty.schema == full.schema
    assert full["latency_p99_ms"].to_list() == [None]
    assert set(full.columns) >= {metric.column for metric in METRICS} | KEYS
