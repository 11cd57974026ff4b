from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from rightfit.measuring.hardware.tiers import Tier, tabulate_tiers

TIERS = (
    Tier(name="small", n_cores=1, memory_mib=100, device="cpu", price_per_hour=0.36),
    Tier(name="large", n_cores=8, memory_mib=900, device="cpu", price_per_hour=3.6),
    Tier(name="tpu", n_cores=8, memory_mib=900, device="tpu", price_per_hour=1),
)
PROFILE: dict[str, Any] = {
    "dataset": "landsat",
    "model": "net",
    "candidate": "net-001",
    "runtime": "onnx",
    "n_threads": 1,
    "device": "cpu",
    "request_path": "model",
    "peak_memory_mib": 60.0,
    "throughput_rows_per_s": 1_000.0,
    "measured_how": {"limits": [], "devices": ["cpu"]},
}


def test_each_profile_is_judged_on_each_tier() -> None:
    tall = PROFILE | {"candidate": "net-002", "peak_memory_mib": 300.0}

    table = tabulate_tiers(pl.DataFrame([PROFILE, tall]), TIERS)

    assert table["verdict"].to_list() == [
        "fits",
        "fits",
        "not measurable",
        "does not fit",
        "fits",
        "not measurable",
    ]
    assert table["reason"][3] == "has 100 MiB, needs 300"
    assert table["cost_usd_per_1m_rows"].to_list()[:3] == [
        pytest.approx(0.1),
        pytest.approx(1.0),
        None,
    ]


def test_trials_of_the_measurement_count() -> None:
    trial = {"memory_mib": 100.0, "ok": False, "error": "MemoryError", "limit": "RLIMIT_DATA"}
    profile = PROFILE | {"measured_how": {"limits": [trial], "devices": ["cpu"]}}

    table = tabulate_tiers(pl.DataFrame([profile]), TIERS)

    assert table["reason"][0] == "fails with 100 MiB: MemoryError"


def test_profile_that_was_not_measured_is_left_out() -> None:
    profiles = pl.DataFrame([PROFILE, PROFILE | {"peak_memory_mib": None}])

    assert tabulate_tiers(profiles, TIERS).height == len(TIERS)


def test_profile_without_a_throughput_has_tiers_and_no_cost() -> None:
    table = tabulate_tiers(pl.DataFrame([PROFILE | {"throughput_rows_per_s": None}]), TIERS)

    assert "fits" in table["verdict"]
    assert table["cost_usd_per_1m_rows"].null_count() == len(TIERS)


def test_devices_are_those_of_the_machine_that_measured() -> None:
    how = {"limits": [], "devices": ["cpu", "tpu"]}

    table = tabulate_tiers(pl.DataFrame([PROFILE | {"measured_how": how, "device": "tpu"}]), TIERS)

    assert table["verdict"].to_list() == ["does not fit", "does not fit", "fits"]
