"""Data of the report's scripts."""

from __future__ import annotations

import copy

import polars as pl
import pytest
from factories.rankings import make_application, make_rules
from factories.reports import APPLICATIONS, build_results, make_profiles

from rightfit.measuring.metrics import Figure, MetricTable
from rightfit.ranking.explanation.answer import read_candidate_profiles
from rightfit.ranking.explanation.decisions import describe_batches
from rightfit.reporting.page_data import collect_page_data, list_application_parts


def test_decisions_are_winners_in_their_serving_configurations() -> None:
    device = copy.deepcopy(APPLICATIONS["edge_device"])
    device["constraints"]["peak_memory_mib"]["max"] = 1
    results = build_results(APPLICATIONS | {"edge_device": device})

    decisions = collect_page_data(results)["decisions"]

    winner = results.recommendations["web_api"].datasets["landsat"].winner
    assert winner is not None
    assert decisions["web_api"]["landsat"] == {
        "winner": winner.candidate,
        "serving": winner.serving.label,
    }
    assert decisions["edge_device"]["landsat"] == {"winner": None}


def test_one_quality_of_each_profile_is_drawn_whatever_corrects_or_holds_out_another() -> None:
    results = build_results(profiles=make_profiles().with_columns(final_quality_raw=pl.lit(0.1)))
    corrected = Figure(MetricTable.quality_raw, 0.2, 0.1, 0.3)
    for recommendation in results.recommendations.values():
        for dataset, decision in recommendation.datasets.items():
            changed = decision.model_copy(update={"corrected_quality": corrected})
            recommendation.datasets[dataset] = changed

    profiles = collect_page_data(results)["profiles"]["landsat"]

    qualities = {profile["candidate"]: profile["quality"] for profile in profiles}
    assert qualities["forest-14"] == [0.894, 0.882, 0.906]
    assert qualities["linear-03"] == [0.839, 0.827, 0.851]


def test_scripts_know_the_band_and_whether_winners_are_kept() -> None:
    parts = list_application_parts(
        "page", make_application(), make_rules(equal_within=0.03, keep_winner=False)
    )

    assert (parts["prefer_within"], parts["keep_winner"]) == (0.015, False)


def test_an_application_with_batch_sizes_has_profiles_of_its_own() -> None:
    capped = APPLICATIONS["satellite_archive"] | {"serving": {"batch_size": {"max": 256}}}
    results = build_results({"free": APPLICATIONS["satellite_archive"], "capped": capped})

    data = collect_page_data(results)

    rates = {
        name: [
            profile["values"]["throughput_rows_per_s"]
            for profile in data["profiles"]["landsat"]
            if profile["path"] == data["applications"][name]["path"]
        ]
        for name in ("free", "capped")
    }
    assert rates["capped"] == pytest.approx([0.8 * rate for rate in rates["free"]])


def test_every_output_tells_the_figures_of_the_size_that_an_application_can_send() -> None:
    capped = APPLICATIONS["satellite_archive"] | {"serving": {"batch_size": {"max": 256}}}
    capped["constraints"] = {}
    results = build_results({"capped": capped})
    decision = results.recommendations["capped"].datasets["landsat"]
    assert decision.winner is not None

    profile = results.find_profile("capped", "landsat")
    answered = read_candidate_profiles(results.profiles, "landsat", decision)

    rate = decision.winner.metrics["throughput_rows_per_s"].value
    assert profile is not None
    assert (profile.best_batch_size, profile.throughput_rows_per_s.value) == (256, rate)
    assert decision.winner.best_batch_size == 256
    (served,) = (one for one in answered if one.serving == decision.winner.serving)
    assert (served.best_batch_size, served.throughput_rows_per_s.value) == (256, rate)
    assert describe_batches(decision, served) == (
        "throughput and memory are those of calls of 256 rows, the best size measured of at most "
        "256 rows a call"
    )
