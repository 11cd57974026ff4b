from __future__ import annotations

from typing import Any

import pytest
from factories.measurements import SETTINGS, make_settings

from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.profiles.measuring_plan import describe_plan, longest_profile_s
from rightfit.measuring.serving import Serving

SERVINGS = [Serving("native", 1, "cpu"), Serving("onnx", 2, "cpu")]


def plan(candidates: dict[str, int | None], **changes: Any) -> str:
    tier = Tier(name="board", n_cores=1, memory_mib=10, device="tpu", price_per_hour=1)
    return "\n".join(
        describe_plan(make_settings(**changes), SERVINGS, candidates, tiers=[tier], devices=["cpu"])
    )


def test_plan_counts_profiles_and_names_cells_without_candidates() -> None:
    text = plan({"landsat.net": 3, "flights.net": None}, max_s=6)

    assert "native, 1 thread, cpu; onnx, 2 threads, cpu" in text
    assert "landsat.net: 3 candidates, 6 profiles" in text
    assert "No candidates yet, train first: flights.net" in text
    assert "6 profiles: usually less than 0.6 minutes" in text


def test_plan_without_candidates_promises_no_time() -> None:
    assert "minutes" not in plan({"landsat.net": None})


def test_plan_says_what_is_not_measured() -> None:
    text = plan({"landsat.net": 1})

    assert "energy_j:" not in text
    assert "gpu_util_pct: not measured here, served on the CPU" in text
    assert (
        "latency_under_load_p99_ms: this preset serves no requests at random; the preset standard"
        in text
    )
    assert "tier board: not judged here, this machine has no tpu" in text


def test_plan_is_silent_about_the_server_scenario_when_it_is_measured() -> None:
    assert "latency_under_load" not in plan({}, server=SETTINGS["server"] | {"n_processes": 1})


def test_longest_time_counts_every_cap() -> None:
    settings = make_settings(
        max_s=2,
        warm_up_max_ms=100,
        latency_max_ms=300,
        batch_sizes=(1,),
        batch_min_ms=50,
        batch_max_call_ms=75,
        server=SETTINGS["server"] | {"n_processes": 2, "max_s": 10},
    )

    # Five times 2 s, one process more of .8 s, 20 s of serving.
    assert longest_profile_s(settings) == pytest.approx(30.8)


def test_slowest_call_follows_from_the_time_of_all_processes() -> None:
    text = plan({}, max_processes=8, max_s=100, latency_max_ms=165.5)

    assert "latency_p99_ms: not for models that take more than 2 ms a call" in text  # 8 x 165.5/662
