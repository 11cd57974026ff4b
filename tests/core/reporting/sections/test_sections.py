"""What the sections say, sentence by sentence."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from rightfit.measuring.hardware.tiers import Tier
from rightfit.measuring.metrics import Figure, MetricTable
from rightfit.ranking.sensitivity.break_even import tabulate_break_even
from rightfit.reporting.run_results import Results
from rightfit.reporting.sections.hardware import build_hardware, describe_gain
from rightfit.reporting.sections.how_measured import (
    build_measuring,
    describe_level,
    describe_thoroughness,
)
from rightfit.reporting.sections.sensitivity import (
    build_across,
    build_sensitivity,
    describe_break_even,
    describe_reversals,
    describe_win_shares,
)
from rightfit.reporting.sections.stops import build_stops, describe_stops


def test_sensitivity_says_what_reverses(results: Results) -> None:
    section = build_sensitivity(results)

    assert section.sentences[0].startswith("1 of 18 limits")
    assert any("linear-03" in point for point in section.points)
    assert "6 winners: satellite_archive on " in section.points[-1]
    assert section.tables[0].rows[0][:2] == ("satellite_archive", "landsat")


def test_sensitivity_without_limits_or_feasible_candidates() -> None:
    shadows = pl.DataFrame(schema={"flips": pl.Boolean})
    shares = pl.DataFrame(
        schema={"application": pl.String, "dataset": pl.String, "win_share": pl.Float64}
    )

    # a limit on a count, such as n_threads, is only removed
    assert describe_reversals(shadows, 10).startswith("No application has a limit")
    cell = {"application": "a", "dataset": "d", "metric": "latency_p95_ms", "kind": "max"}
    one_limit = pl.DataFrame([cell | {"flips": False}])
    assert describe_reversals(one_limit, 10).startswith("The one limit does not change the winner")
    assert describe_win_shares(shares, ()) == "No candidate is within the limits."
    alone = {"application": ["web_api"], "dataset": ["landsat"], "win_share": [1.0]}
    shares = pl.DataFrame(alone | {"candidate": ["net-1"]})
    assert "1 of 1" in describe_win_shares(shares, {("web_api", "landsat", "net-1")})
    assert "winner in 0 of them" in describe_win_shares(shares, {("web_api", "landsat", "net-2")})


def test_stops_say_the_rule_and_the_saving(results: Results) -> None:
    section = build_stops(results)

    assert section.sentences == (
        "36 trials took 207 CPU seconds. Stopped early: 9 by median; that saved an "
        "estimated 54 CPU seconds, 21 % of what all would have taken.",
        "Training took 13 % of it.",
    )
    searches, winners, stoppers, stopped = section.tables
    assert (len(searches.rows), len(winners.rows)) == (9, 18)
    assert winners.rows[1][:3] == ("landsat, linear", "edge_device", "none feasible")
    assert stoppers.rows == ()
    assert len(stopped.rows) == 18


def test_stops_count_who_let_go_last(results: Results) -> None:
    trials = results.trials.filter(dataset="landsat", model="net").with_columns(
        stopped_by=pl.when(pl.col("state") == "stopped").then(pl.lit("web_api"))
    )
    stopped = replace(results, trials=trials)

    assert build_stops(stopped).tables[2].rows == (("web_api", "1", "1"),)


def test_stops_of_a_search_by_quality_have_no_account(results: Results) -> None:
    section = build_stops(replace(results, audits=results.audits.head(0)))

    assert len(section.sentences) == 1
    assert [table.caption for table in section.tables] == ["Stopped and failed trials"]


def test_stops_of_an_unstopped_search() -> None:
    trials = pl.DataFrame(
        {
            "state": ["complete"] * 3,
            "stop_reason": pl.Series([None] * 3, dtype=pl.String),
            "stop_rule": pl.Series([None] * 3, dtype=pl.String),
            "compute_s": [1.0, 2.0, 3.0],
            "saved_s": pl.Series([None] * 3, dtype=pl.Float64),
        }
    )

    assert describe_stops(trials) == "3 trials took 6 CPU seconds; none was stopped early."


def test_hardware_prices_every_winner(results: Results, ladder: tuple[Tier, ...]) -> None:
    section = build_hardware(results, ladder)
    prices = section.tables[0].rows

    (sentence,) = section.sentences
    assert "micro for 9 (US$ 0.0035 per hour) and small for 3 (US$ 0.007 per hour)" in sentence
    # net-09: 3.7 million rows a second at 0.0035 dollars an hour
    assert prices[0][2:] == ("net-09", "onnx, 2 threads", "micro", "0.0035", "3.81 T")
    assert section.tables[1].rows[0][-3:] == ("0", "1", "0")
    assert len(prices) == 12


def test_hardware_says_what_a_larger_machine_buys() -> None:
    profiles = pl.DataFrame(
        {
            "min_hardware_tier": [2, 1, 1, None],
            "candidate": ["net-1", "linear-1", "linear-2", "forest-1"],
            "quality_raw": [0.9, 0.8, 0.7, 0.95],
        }
    )

    assert describe_gain(profiles, ["micro", "small"], "accuracy") == (
        "linear-1 reaches accuracy 0.800 on micro; net-1 reaches 0.900 on small."
    )


def test_gain_that_rounding_hides_is_none() -> None:
    profiles = pl.DataFrame(
        {
            "min_hardware_tier": [1, 2],
            "candidate": ["net-1", "net-2"],
            "quality_raw": [0.7142, 0.7144],
        }
    )

    assert describe_gain(profiles, ["micro", "small"], "ROC AUC") == (
        "net-1 reaches ROC AUC 0.714 on micro; larger tiers do not improve it."
    )


def test_across_says_when_training_pays_back(results: Results) -> None:
    section = build_across(results)

    assert len(section.points) == 4
    assert section.points[1].startswith("edge_device. One family wins on every dataset")
    slower = tabulate_break_even(results.ranked).filter(
        pl.col("candidate") != pl.col("fastest_to_train")
    )
    assert 0 < len(section.tables[1].rows) == slower.height


@pytest.mark.parametrize(
    ("pays_back", "expected"),
    [
        ([0.0, 120.4], "Of 1 winner that trained longer than another candidate, 1 compensates for "
         "it by faster serving, after 121 predictions."),
        ([0.0, None], "Of 1 winner that trained longer than another candidate, none compensates "
         "for it by faster serving."),
    ],
)  # fmt: skip
def test_break_even_in_words(pays_back: list[float | None], expected: str) -> None:
    table = pl.DataFrame(
        {
            "rank": [1, 1],
            "candidate": ["linear-1", "net-1"],
            "fastest_to_train": ["linear-1", "linear-1"],
            "pays_back_after_rows": pays_back,
        }
    )

    assert describe_break_even(table) == expected
    assert describe_break_even(table.clear()) == "No training times to compare."


def test_measuring_names_the_machine_and_what_is_missing(results: Results) -> None:
    section = build_measuring(results)

    assert "2 cores, 8 GiB, no GPU, Python 3.11.2 (environment a1b2c3d4)" in section.sentences[0]
    assert section.tables[1].rows == (
        ("GPU utilisation", "72", "no NVIDIA driver on this machine"),
    )
    assert ("gpus", "none") in section.tables[-1].rows
    assert section.tables[0].rows[0][:5] == ("landsat", "linear", "8", "0", "900")


def test_measuring_tells_how_thoroughly_and_why_no_longer() -> None:
    hows = [
        {"preset": "standard", "n_processes": 8, "settled": "precise"},
        {"preset": "standard", "n_processes": 8, "settled": "precise"},
        {"preset": "standard", "n_processes": 3, "settled": "screened"},
        {"preset": "standard"},  # it does not run
    ]
    profiles = pl.DataFrame({"measured_how": hows})

    thoroughness = describe_thoroughness(profiles)
    assert "standard: 3 to 8 fresh processes" in thoroughness
    assert (
        "precision reached (2), no application could still choose the profile (1)" in thoroughness
    )
    assert describe_thoroughness(profiles.tail(1)) == "No profile was timed."


def correct_winners(results: Results, held_out: Figure | None) -> Results:
    """Results whose applications have one decision each, corrected, on the first dataset."""
    corrected = Figure(MetricTable.quality_raw, 0.78, 0.7, 0.9)
    recommendations = {}
    for name, recommendation in results.recommendations.items():
        dataset, decision = next(iter(recommendation.datasets.items()))
        update = {
            "corrected_quality": corrected,
            "selection_bias": 0.012,
            "held_out_quality": held_out,
        }
        datasets = {dataset: decision.model_copy(update=update)}
        recommendations[name] = recommendation.model_copy(update={"datasets": datasets})
    return replace(results, recommendations=recommendations)


def test_measuring_tells_by_how_much_the_winners_qualities_are_too_high(results: Results) -> None:
    held_out = Figure(MetricTable.quality_raw, 0.77, 0.6, 0.9, name="accuracy")
    tables = [
        build_measuring(correct_winners(results, quality)).tables[1] for quality in (held_out, None)
    ]

    winner = results.recommendations["web_api"].datasets["landsat"].winner
    assert winner is not None
    row = next(row for row in tables[0].rows if row[1] == "web_api")
    assert row[2:8] == (*("forest-14", str(winner.quality), "0.012", "0.780", "0.700", "0.900"),)
    assert row[8] == str(held_out)
    assert {row[8] for row in tables[1].rows} == {"none"}


def test_measuring_has_no_table_of_corrections_where_none_is_known(results: Results) -> None:
    titles = [table.caption for table in build_measuring(results).tables]

    assert not any("selection bias" in title for title in titles)


def test_measuring_tells_how_sure_the_usual_speed_is() -> None:
    how = {"level_error_pct": 4.2, "n_runs_seen": 3, "slowdown": 1.25}
    profiles = pl.DataFrame({"measured_how": [how, {"preset": "quick"}]})  # the last does not run

    [text] = describe_level(profiles)

    assert "(3 runs seen): it is known to 4 %" in text
    assert "1.25 times as long" in text
    assert describe_level(profiles.tail(1)) == []


def test_reasons_that_differ_by_a_number_share_a_row(results: Results) -> None:
    reasons = [f"needs 130 calls; the time allowed for {n}" for n in (12, 110, 24)]
    profiles = results.profiles.head(3).with_columns(
        null_reasons=pl.Series([{"latency_p95_ms": reason} for reason in reasons])
    )

    section = build_measuring(replace(results, profiles=profiles))

    [missing] = [table for table in section.tables if table.caption == "Missing metrics"]
    assert [list(row) for row in missing.rows] == [
        ["latency p95", "3", "needs 130 calls; the time allowed for 12 to 110"]
    ]
