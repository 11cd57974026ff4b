from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from rightfit.profiling.intervals import Interval
from rightfit.profiling.metrics import METRICS
from rightfit.profiling.profiles.profile import Profile, ProfileKeys, profile_row, tabulate_profiles

KEYS = ProfileKeys(
    dataset="landsat",
    model="net",
    candidate="net-001",
    runtime="onnx",
    n_threads=1,
    device="cpu",
    environment_id="abc",
    min_hardware_tier_name=None,
)


def make_profile() -> Profile:
    profile = Profile()
    profile.miss([metric.column for metric in METRICS], "not tried")
    return profile


def test_row_holds_values_intervals_and_reasons() -> None:
    profile = make_profile()
    del profile.reasons["latency_p50_ms"]
    profile.set_interval("latency_p50_ms", Interval(2.0, 1.5, None, is_distribution_free=False))

    row = profile_row(KEYS, profile)

    assert (row["latency_p50_ms"], row["latency_p50_ms_low"], row["latency_p50_ms_high"]) == (
        2.0,
        1.5,
        None,
    )
    reasons = json.loads(str(row["null_reasons"]))
    assert reasons["quality"] == "not tried"
    assert "latency_p50_ms" not in reasons


def test_row_without_a_reason_for_a_null_is_refused() -> None:
    profile = make_profile()
    del profile.reasons["cpu_cores"]

    with pytest.raises(ValueError, match=r"without a reason: \['cpu_cores'\]"):
        profile_row(KEYS, profile)


def test_row_with_an_interval_the_table_lacks_is_refused() -> None:
    profile = make_profile()
    profile.set_interval("model_size_mib", Interval(1.0, 0.9, 1.1, is_distribution_free=True))

    with pytest.raises(ValueError, match="model_size_mib_high"):
        profile_row(KEYS, profile)


def test_table_has_the_same_columns_whatever_it_holds() -> None:
    empty = tabulate_profiles([])
    full = tabulate_profiles([(KEYS, make_profile())])

    assert empty.schema == full.schema
    assert full["latency_p99_ms"].to_list() == [None]
    assert set(full.columns) >= {metric.column for metric in METRICS} | set(asdict(KEYS))
