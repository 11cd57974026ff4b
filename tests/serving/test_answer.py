"""The profile of a refitted winner."""

from __future__ import annotations

from typing import Any

from factories.rankings import make_refit_quality

from rightfit.profiling.profile import Profile
from rightfit.ranking.explanation.shipping import Refit
from rightfit.serving.answer import profile_refit

SERVING = {"runtime": "onnx", "n_threads": 1, "device": "cpu", "request_path": "request"}


def make_row(**metrics: float) -> dict[str, Any]:
    """What was measured of a model, as in resource_profiles."""
    names = dict.fromkeys(("dataset", "model", "candidate", "environment_id"), "-")
    return names | SERVING | metrics


def make_refit(*profiles: dict[str, Any]) -> Refit:
    return Refit(
        candidate="-",
        model="-",
        quality_raw=(),
        quality=make_refit_quality(0.81),
        profiles=profiles,
    )


CHOSEN = Profile.from_row(make_row(latency_p50_ms=2.0, fit_time_s=9.0, quality_raw=0.9))


def test_refit_of_the_same_structure_has_the_costs_that_were_measured_and_its_own_quality() -> None:
    profile = profile_refit(CHOSEN, make_refit())

    assert float(profile.latency_p50_ms) == 2.0
    assert (profile.quality_raw.value, profile.quality_raw.low) == (0.8, 0.78)
    assert (profile.quality.value, profile.quality.high) == (0.6, 0.65)
    assert profile.final_quality.value == 0.81


def test_refit_of_another_structure_has_the_figures_measured_of_it() -> None:
    row = make_row(latency_p50_ms=3.0, quality_raw=0.85)
    profile = profile_refit(CHOSEN, make_refit(row))

    assert float(profile.latency_p50_ms) == 3.0
    assert float(profile.quality_raw) == 0.85
    assert profile.final_quality.value == 0.81
    assert float(profile.fit_time_s) == 9.0  # of the search that found it
