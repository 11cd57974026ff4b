"""Decisions on the page: cells of the first screen, leaderboards, and what a decision rests on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from factories.reports import LADDER, build_results, make_load_curve, make_profiles

from rightfit.ranking.records.load_records import LoadCurves
from rightfit.reporting.decision_views import DecisionView, view_decisions
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.run_findings import list_findings

SATELLITE = "satellite_archive", "landsat"


def view(results: Results, application: str) -> list[DecisionView]:
    return view_decisions(results, application, list_findings(results, LADDER))


def find(results: Results, application: str, dataset: str) -> DecisionView:
    views = view(results, application)
    return next(one for one in views if one.dataset == dataset)


def facts_of(view: DecisionView) -> dict[str, str]:
    return {fact.term: fact.text for fact in view.facts}


def test_cell_without_a_winner_names_the_limits_broken(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    only = {"edge_device": copy.deepcopy(applications["edge_device"])}
    only["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 1
    views = view(make_results(only), "edge_device")

    assert [cell.decision.status for cell in views] == ["none qualifies"] * 3
    assert [one.code for one in views[0].findings if one.is_urgent] == ["RF001"]
    assert views[0].figures[0].limits == (
        (False, "\N{LESS-THAN OR EQUAL TO} 1 MiB, 57 MiB beyond"),
    )


def test_cell_shows_figures_and_the_room_below_each_limit(results: Results) -> None:
    cell = view(results, "satellite_archive")[0]

    assert cell.decision.winner is not None
    assert cell.decision.winner.candidate == "net-09"
    assert cell.decision.status == "clear, practically equal: 1"
    assert [(one.value, one.name, one.limits) for one in cell.figures] == [
        ("0.861", "accuracy", ((True, "≥ 0.837, 0.024 to spare"),)),
        (
            "5.92\N{NO-BREAK SPACE}M\N{NO-BREAK SPACE}rows/s",
            "throughput",
            ((True, "≥ 200 k rows/s, 29.6 \N{MULTIPLICATION SIGN} that"),),
        ),
        ("59\N{NO-BREAK SPACE}MiB", "peak memory", ()),
    ]


def test_cell_warns_where_load_breaks_a_limit_that_one_request_keeps(results: Results) -> None:
    broken = replace(make_load_curve(), highest_rate_per_s=None, limit_ms=0.08)
    (load,) = [one for one in results.load_curves.loads if one.curve is not None]
    loads = LoadCurves((replace(load, curve=broken),))
    cell = view(replace(results, load_curves=loads), "web_api")[0]

    (warning,) = (one for one in cell.findings if one.code == "RF012")
    assert warning.severity == "warning"
    assert "600 requests/s already break it" in warning.sentence  # the p99 of 60 is not known
    assert "p99 of 0.08 ms" in warning.sentence
    assert "one request at a time" in warning.sentence


def test_a_limit_under_load_is_not_said_to_be_judged_one_request_at_a_time(
    results: Results,
) -> None:
    broken = replace(make_load_curve(), highest_rate_per_s=None, limit_ms=0.08)
    (load,) = [one for one in results.load_curves.loads if one.curve is not None]
    loads = LoadCurves((replace(load, curve=broken),))
    decision = find(results, "web_api", load.dataset).decision
    (limit,) = (one for one in decision.limits if one.metric == "latency_p99_ms")
    under_load = limit.model_copy(update={"metric": "latency_under_load_p99_ms"})

    warning = loads.check_decision(
        "web_api", load.dataset, decision.model_copy(update={"limits": [under_load]})
    )

    assert warning is not None
    assert warning.severity == "warning"
    assert "one request at a time" not in warning.sentence


def test_leaderboard_holds_every_candidate_with_its_figures_and_why(results: Results) -> None:
    board = find(results, "web_api", "landsat")
    first, second = board.places[:2]

    assert len(board.places) == 6
    assert board.costs == ("Latency p99 (ms)",)
    assert (first.candidate, first.serving) == ("forest-14", "onnx, 1 thread")
    assert first.outcome == "winner"
    assert (first.quality.text, first.quality.interval) == ("0.894", "0.882\N{EN DASH}0.906")
    assert first.costs[0].text == "0.0408"
    assert sum(share for share, _ in first.parts) == pytest.approx(first.utility.order)
    assert second.outcome == "open"
    assert "forest-14" in second.why


def test_leaderboard_calls_candidates_within_the_band_practically_equal(results: Results) -> None:
    board = find(results, "edge_device", "landsat")

    assert [(place.candidate, place.outcome) for place in board.places[:2]] == [
        ("linear-03", "winner"),
        ("linear-11", "equal"),
    ]
    assert board.decision.equal_to == ["linear-11"]


def test_decision_shows_one_quality_and_the_held_out_one_as_a_further_fact(
    make_results: Callable[..., Results],
) -> None:
    profiles = make_profiles().with_columns(
        final_quality_raw=pl.lit(0.123),
        final_quality_raw_low=pl.lit(0.1),
        final_quality_raw_high=pl.lit(0.2),
    )
    board = find(make_results(profiles=profiles), "web_api", "landsat")

    facts = {fact.kind: fact.text for fact in board.facts}
    assert board.figures[0].value == "0.894"
    assert board.places[0].quality.text == "0.894"
    assert "0.894" in facts["quality"]
    assert "0.123" in facts["held_out"]
    assert not any("0.123" in text for kind, text in facts.items() if kind != "held_out")


def test_ranking_is_shown_where_a_profile_is_no_longer_stored(results: Results) -> None:
    stored = results.profiles.filter(pl.col("candidate") != "forest-14")
    anew = build_results(profiles=stored)
    board = find(replace(anew, recommendations=results.recommendations), "web_api", "landsat")

    assert board.decision.subject.candidate == "forest-14"
    assert board.figures[0].value == "0.894"
    assert "forest-14" not in [place.candidate for place in board.places]
    assert board.unmeasured == ()
    assert "RF017" in [one.code for one in board.findings]


def test_open_candidate_that_never_wins_has_a_small_chance_not_none(results: Results) -> None:
    ranked = [replace(ranking, p_best=ranking.p_best * 0.001) for ranking in results.ranked]
    board = find(replace(results, ranked=ranked), "web_api", "landsat")

    assert board.places[1].outcome == "open"
    assert board.places[1].chance.text == "< 5 %"
    assert board.places[-1].chance.text == "\N{EN DASH}"  # breaks a limit


def test_limit_that_decides_is_told_with_its_price(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    stricter = copy.deepcopy(applications)
    stricter["satellite_archive"]["constraints"]["throughput_rows_per_s"]["min"] = 1e7
    decided = find(make_results(stricter), "satellite_archive", "landsat")
    free = find(make_results(), "satellite_archive", "landsat")

    assert facts_of(free)["Limits"] == "No limit decides: the same candidate wins without them."
    assert free.prices is None
    assert facts_of(decided)["Limits"] == (
        "Without the limit of throughput at least 10 M rows/s, net-09 (onnx, 2 threads) would win, "
        "with 0.022 more accuracy."
    )
    assert decided.prices is not None
    assert decided.prices.rows[0] == (
        *("throughput at least 10 M rows/s", "27 M rows/s", "net-09 (onnx, 2 threads)"),
        *("5.92 M rows/s", "0.022", "27 M instead of 5.92 M rows/s"),
    )


def test_load_is_told_or_its_absence_explained(results: Results) -> None:
    loaded, other = find(results, "web_api", "landsat"), find(results, "web_api", "flights")

    assert facts_of(loaded)["Over HTTP"] == (
        "One server sustains 900 requests/s within a p99 of 5 ms; the knee is at 600 requests/s; "
        "its capacity is 1,000 requests/s."
    )
    assert "Over HTTP" not in facts_of(other)
    (skipped,) = (one for one in other.findings if one.code == "RF012")
    assert skipped.severity == "not applicable"
    assert "the time was spent on others" in skipped.sentence
    never = find(replace(results, load_curves=LoadCurves(())), "web_api", "landsat")
    assert "Over HTTP" not in facts_of(never)


def test_only_what_others_have_is_called_not_measured(results: Results) -> None:
    some = pl.when(pl.col("candidate") != "linear-03").then(pl.col("load_time_ms"))
    lacking = build_results(profiles=results.profiles.with_columns(load_time_ms=some))

    assert find(results, "edge_device", "landsat").unmeasured == ()
    (unmeasured,) = find(lacking, "edge_device", "landsat").unmeasured
    assert unmeasured.startswith("Load")


def test_where_none_qualifies_the_page_names_the_limit_to_relax(
    applications: dict[str, Any], make_results: Callable[..., Results]
) -> None:
    stricter = copy.deepcopy(applications)
    stricter["edge_device"]["constraints"]["peak_memory_mib"]["max"] = 50
    found = find(make_results(stricter), "edge_device", "landsat")

    assert found.decision.status == "none qualifies"
    assert facts_of(found)["Decision"].startswith("No candidate qualifies for landsat")
    assert "Would qualify" in facts_of(found)
    assert "Without the limit of peak memory at most 50 MiB" in facts_of(found)["Limits"]


def test_record_lists_batch_sizes_with_intervals_and_marks_the_chosen_one(results: Results) -> None:
    curve = find(results, *SATELLITE).curve

    assert curve is not None
    assert [row[0] for row in curve.rows] == ["32", "256", "4,096 (chosen)"]
    assert curve.rows[-1][1:] == ("5.92 M (5.33 M to 7.1 M) rows/s", "122 MiB", "micro")


def test_record_says_why_batch_sizes_have_no_figures(results: Results) -> None:
    earlier = results.profiles.with_columns(measured_how=pl.lit(None))
    found = find(build_results(profiles=earlier), *SATELLITE)

    assert found.curve is None
    assert found.unmeasured[-1].startswith("Batch sizes: it was measured before batch sizes")


def test_record_says_with_whom_the_winner_shares_its_costs(results: Results) -> None:
    found = find(results, *SATELLITE)
    shared = found.decision.model_copy(update={"twins": ["net-11"]})
    recommendation = results.recommendations["satellite_archive"]
    datasets = {**recommendation.datasets, "landsat": shared}
    changed = {
        **results.recommendations,
        "satellite_archive": recommendation.model_copy(update={"datasets": datasets}),
    }

    assert "Costs" not in facts_of(found)
    facts = facts_of(find(replace(results, recommendations=changed), *SATELLITE))
    assert facts["Costs"].startswith("Costs estimated together with net-11: the same graph")
