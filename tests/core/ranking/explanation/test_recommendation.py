from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from factories.rankings import (
    around,
    make_application,
    make_profile,
    make_twin,
    number_of,
    rank,
)
from pydantic import ValidationError

from rightfit._core.typed_tables import read_rows
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.explanation.decisions import (
    ANY_QUALITY,
    Decision,
    LimitOutcome,
    RankedCandidate,
    Recommendations,
    Replacement,
    read_recommendations,
    write_recommendations,
)
from rightfit.ranking.explanation.recommendation import (
    describe_deadline,
    describe_kept,
    find_nearest_miss,
    find_relaxations,
    list_reversals,
    recommend,
)
from rightfit.ranking.sensitivity.limit_effects import LimitEffect, tabulate_limit_effects
from rightfit.ranking.sensitivity.weights import WeightInterval, tabulate_weight_intervals


def recommend_ranked(ranked: ApplicationRanking, imported: tuple[str, ...] = ()) -> Recommendations:
    return recommend(
        [ranked],
        imported=imported,
    )


def recommend_for(*rows: dict[str, Any], **constraints: dict[str, float]) -> dict[str, Any]:
    ranked = rank(*rows, application=make_application(constraints=constraints))
    found: dict[str, Any] = json.loads(
        json.dumps(write_recommendations(recommend_ranked(ranked)), allow_nan=False)
    )
    return found["test"]  # type: ignore[no-any-return]


ROWS = [
    make_profile("net-1", quality=0.9, latency_p50_ms=50, peak_memory_mib=12.5),
    make_profile("forest-1", quality=0.5, latency_p50_ms=30),
    make_profile("linear-1", quality=0.3, latency_p50_ms=5),
]


def test_decision_names_twins_and_graphs_whose_samples_contradict() -> None:
    rows = [
        make_twin(name, twins=twins, quality=quality, latency_p50_ms=10)
        for name, twins, quality in (("a-1", ("a-2",), 0.9), ("a-2", ("a-1",), 0.8))
    ]
    rows[0]["measured_how"]["unlike"] = ("a-3",)

    decision = Decision.model_validate(recommend_for(*rows)["datasets"]["landsat"])

    assert decision.twins == ["a-2"]
    found = decision.finding("RF019")
    assert found is not None
    assert "a-1 is the same graph as a-3" in found.sentence


@pytest.mark.parametrize(("feeding_ms", "is_found"), [(None, False), (5.0, False), (5.1, True)])
def test_a_winner_whose_feeding_takes_more_than_half_is_found(
    feeding_ms: float | None, *, is_found: bool
) -> None:
    row = make_profile("net-1", quality=0.9, latency_p50_ms=10) | {"feeding_ms": feeding_ms}

    decision = Decision.model_validate(recommend_for(row)["datasets"]["landsat"])

    found = decision.finding("RF020")
    assert (found is not None) == is_found
    if found is not None:
        assert "51 % of the median latency of net-1" in found.sentence


def test_recommendation_names_winner_runner_up_and_reversal() -> None:
    found = recommend_for(*ROWS)
    decision = found["datasets"]["landsat"]

    assert found["scenario"] == "single_stream"
    assert decision["outcome"] == "winner"
    assert decision["winner"]["candidate"] == "net-1"
    assert decision["winner"]["hardware_tier"] == "micro"
    assert decision["winner"]["metrics"]["peak_memory_mib"]["value"] == 12.5
    assert decision["winner"]["metrics"]["fit_time_s"]["reason"] == "not measured in training"
    assert decision["runner_up"]["candidate"] == "linear-1"
    assert decision["equal_to"] == decision["not_told_apart"] == []
    assert decision["mark"] == "clear"
    assert "0.525 against 0.475 of linear-1" in decision["sentence"]
    assert "scaled quality (0.9 against 0.3)" in decision["sentence"]
    assert decision["reversal"] == decision["reversals"][0]["sentence"]
    assert decision["reversals"][0]["winner"] == "linear-1"
    assert decision["nearest_miss"] is None


def test_recommendation_names_the_practically_equal_and_those_that_are_not_told_apart() -> None:
    decision = recommend_for(
        make_profile("net-1", **around("quality", 0.80, 0.1), latency_p50_ms=10),
        make_profile("net-2", **around("quality", 0.79, 0.1), latency_p50_ms=10),
        make_profile("net-3", **around("quality", 0.75, 0.1), latency_p50_ms=10),
        make_profile("net-4", **around("quality", 0.10, 0.1), latency_p50_ms=10),
    )["datasets"]["landsat"]

    assert decision["equal_to"] == ["net-2"]
    assert decision["not_told_apart"] == ["net-3"]
    codes = [one["code"] for one in decision["findings"] if one["severity"] != "not applicable"]
    assert codes == ["RF005", "RF006"]
    assert decision["mark"] == "open"


def test_practically_equal_candidate_leaves_the_winner_clear() -> None:
    decision = recommend_for(
        make_profile("net-1", **around("quality", 0.800, 0.001), latency_p50_ms=10),
        make_profile("net-2", **around("quality", 0.795, 0.001), latency_p50_ms=10),
    )["datasets"]["landsat"]

    assert (decision["mark"], decision["equal_to"]) == ("clear", ["net-2"])


def test_qualities_carry_their_metric_and_all_interval_ends() -> None:
    decision = recommend_for(
        make_profile(
            "net-1",
            quality=0.6,
            **around("quality_raw", 0.80, 0.05),
            **around("final_quality_raw", 0.78, 0.07),
            quality_metric="accuracy",
            latency_p50_ms=10,
        ),
    )["datasets"]["landsat"]

    assert decision["winner"]["metrics"]["quality_raw"] == {
        "name": "accuracy",
        "value": 0.8,
        "low": pytest.approx(0.75),
        "high": pytest.approx(0.85),
    }
    assert decision["held_out_quality"] == {
        "name": "accuracy",
        "value": 0.78,
        "low": pytest.approx(0.71),
        "high": pytest.approx(0.85),
    }


def test_limits_of_a_winner_are_met_and_in_the_metric_of_the_dataset() -> None:
    """The quality is scaled from an accuracy of 0.5 (0) to 1 (1)."""
    decision = recommend_for(
        make_profile("net-1", quality=0.8, quality_raw=0.90, latency_p50_ms=10),
        make_profile("net-2", quality=0.4, quality_raw=0.70, latency_p50_ms=10),
        quality={"min": 0.6},
        latency_p50_ms={"max": 40},
    )["datasets"]["landsat"]

    latency, quality = sorted(decision["limits"], key=lambda limit: limit["metric"])
    assert (latency["bound"], latency["value"], latency["excess"]) == (40, 10, 0)
    assert (quality["metric"], quality["kind"]) == ("quality_raw", "min")
    assert [quality[key] for key in ("bound", "value", "excess")] == pytest.approx([0.8, 0.9, 0])


@pytest.mark.parametrize(("loss", "excludes_nothing"), [(0.15, True), (0.01, False)])
def test_a_loss_below_the_lowest_quality_is_told_without_a_bound(
    loss: float, *, excludes_nothing: bool
) -> None:
    decision = recommend_for(
        make_profile("net-1", quality=0.02, quality_raw=0.51, latency_p50_ms=10),
        make_profile("net-2", quality=0.0, quality_raw=0.50, latency_p50_ms=10),
        quality={"max_degradation": loss},
    )["datasets"]["landsat"]

    limit = LimitOutcome.model_validate(decision["limits"][0])
    assert limit.is_met
    assert (ANY_QUALITY in str(limit), limit.short == ANY_QUALITY) == (excludes_nothing,) * 2


def test_broken_limit_of_quality_is_in_the_metric_of_the_dataset() -> None:
    decision = recommend_for(
        make_profile("net-1", quality=0.8, quality_raw=0.90, latency_p50_ms=10),
        make_profile("net-2", quality=0.4, quality_raw=0.70, latency_p50_ms=10),
        quality={"min": 0.9},
    )["datasets"]["landsat"]

    (violation,) = decision["nearest_miss"]["violations"]
    assert violation["metric"] == "quality_raw"
    assert [violation[key] for key in ("bound", "value", "excess")] == pytest.approx(
        [0.95, 0.9, 0.05]
    )


def test_recommendation_says_who_would_win_without_an_earlier_winner() -> None:
    def measure(first: float, second: float) -> list[dict[str, Any]]:
        return [
            make_profile(f"net-{i}", **around("quality", quality, 0.1), latency_p50_ms=10)
            for i, quality in enumerate((first, second), start=1)
        ]

    ranked = rank(*measure(0.798, 0.80), after=rank(*measure(0.80, 0.798)))
    decision = recommend_ranked(ranked)["test"].datasets["landsat"]

    assert decision.winner is not None
    assert decision.winner.candidate == "net-1"
    finding = decision.finding("RF007")
    assert finding is not None
    assert "net-2 (onnx, 1 thread)" in finding.sentence
    assert decision.equal_to == ["net-2"]
    assert "kept" in decision.status


def test_recommendation_reports_the_nearest_miss_where_none_qualifies() -> None:
    decision = recommend_for(*ROWS, latency_p50_ms={"max": 4})["datasets"]["landsat"]

    assert decision["outcome"] == "none_qualifies"
    assert decision["winner"] is None
    assert decision["runner_up"] is None
    assert decision["nearest_miss"]["candidate"] == "linear-1"
    assert decision["nearest_miss"]["violations"][0]["excess"] == 1.0
    assert decision["relax"]["candidate"] == "linear-1"
    assert decision["relax"]["limits"] == [
        {"metric": "latency_p50_ms", "kind": "max", "limit": 4.0, "needed": 5.0, "excess": 1.0}
    ]
    assert "latency p50 is 5 ms, 1 ms above the 4 ms allowed" in decision["sentence"]
    assert decision["reversals"] == []


def test_where_only_disturbed_timings_break_limits_it_is_not_known_who_qualifies() -> None:
    rows = [row | {"disturbed": True} for row in ROWS]
    decision = recommend_for(*rows, latency_p50_ms={"max": 4})["datasets"]["landsat"]

    assert decision["outcome"] == "undecided"
    assert decision["winner"] is None
    assert decision["relax"] is None
    assert "linear-1 (onnx, 1 thread)" in decision["sentence"]


def test_winner_comes_with_the_disturbed_candidates_that_may_be_better() -> None:
    decision = recommend_for(
        make_profile("net-1", quality=0.9, latency_p50_ms=20, disturbed=False),
        make_profile("linear-1", quality=0.9, latency_p50_ms=50, disturbed=True),
        make_profile("linear-2", quality=0.1, latency_p50_ms=50, disturbed=True),
    )["datasets"]["landsat"]

    assert decision["winner"]["candidate"] == "net-1"
    finding = next(one for one in decision["findings"] if one["code"] == "RF003")
    assert "linear-1 (onnx, 1 thread)" in finding["sentence"]
    assert "linear-2" not in finding["sentence"]


def test_recommendation_says_when_nothing_could_be_judged() -> None:
    decision = recommend_for(
        make_profile("net-1", quality=None, latency_p50_ms=1),
        make_profile("net-2", quality=0.5, latency_p50_ms=1, dataset="flights"),
    )["datasets"]["landsat"]

    assert decision["nearest_miss"] is None
    assert decision["relax"] is None
    assert "net-1 (onnx, 1 thread): not measured: scaled quality" in decision["sentence"]


def test_no_family_differs_where_only_one_dataset_has_a_winner() -> None:
    across = recommend_for(
        *ROWS,
        make_profile("net-1", dataset="flights", quality=0.2, latency_p50_ms=500),
        latency_p50_ms={"max": 100},
    )["across_datasets"]

    assert across["winning_family"] == {"landsat": "net", "flights": None}
    assert not across["winner_changes"]
    assert across["sentence"].startswith("One family wins on every dataset that has a winner; ")


def test_recommendation_compares_the_datasets() -> None:
    across = recommend_for(
        *ROWS,
        make_profile("net-1", dataset="flights", quality=0.2, latency_p50_ms=50),
        make_profile("linear-1", dataset="flights", quality=0.3, latency_p50_ms=5),
    )["across_datasets"]

    assert across["winning_family"] == {"landsat": "net", "flights": "linear"}
    assert across["winner_changes"]
    assert across["robust_choice"] == "linear"
    assert "2 of 2 datasets, with mean rank 1.5 and worst rank 2" in across["sentence"]


def test_recommendations_are_read_as_they_were_written() -> None:
    made = recommend_ranked(rank(*ROWS))

    assert read_recommendations(json.loads(json.dumps(write_recommendations(made)))) == made


LIMITED = make_application(
    constraints={
        "latency_p50_ms": {"max": 20},
        "peak_memory_mib": {"max": 100},
        "quality": {"min": 0.8},
    }
)
LIMITED_ROWS = [
    # misses two limits by a little, misses one by a lot, lacks a measurement
    make_profile("a-1", quality=0.9, latency_p50_ms=21, peak_memory_mib=105),
    make_profile("a-2", quality=0.9, latency_p50_ms=30, peak_memory_mib=50),
    make_profile("a-3", quality=0.9, latency_p50_ms=10, peak_memory_mib=None),
]


def test_nearest_miss_breaks_the_limits_by_the_least_share() -> None:
    ranked = rank(*LIMITED_ROWS, application=LIMITED)

    assert find_nearest_miss(ranked, 0) == number_of(ranked.assessment, "a-1")


def test_relaxation_takes_the_fewest_limits() -> None:
    ranked = rank(*LIMITED_ROWS, application=LIMITED)

    found = find_relaxations(ranked.assessment, 0)

    assert found is not None
    (relaxation,) = found.limits
    assert found.candidate == "a-2"
    assert (relaxation.metric, relaxation.kind) == ("latency_p50_ms", "max")
    assert (relaxation.limit, relaxation.needed, relaxation.excess) == (20, 30, 10)


def test_relaxation_of_a_degradation_is_in_its_own_terms() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.75, latency_p50_ms=1),
        make_profile("a-2", quality=1.0, latency_p50_ms=100),
        application=make_application(
            constraints={"quality": {"max_degradation": 0.125}, "latency_p50_ms": {"max": 20}}
        ),
    )

    found = find_relaxations(ranked.assessment, 0)

    assert found is not None
    assert [(r.metric, r.limit) for r in found.limits] == [("quality", 0.125)]
    assert found.limits[0].needed == pytest.approx(0.25)


def test_relaxation_asks_for_the_very_value_of_the_profile() -> None:
    slow = make_profile("a-1", quality=0.5, latency_p50_ms=30, fit_time_s=0.221)
    limited = make_application(constraints={"fit_time_s": {"min": 1.85}})

    found = find_relaxations(rank(slow, application=limited).assessment, 0)

    assert found is not None
    assert found.limits[0].needed == 0.221  # 1.85 - (1.85 - it) is above


def test_limits_as_they_are_written_let_the_nearest_profile_qualify() -> None:
    rows = [make_profile("a-1", quality=0.5, latency_p50_ms=30, peak_memory_mib=58.036)]
    found = find_relaxations(
        rank(
            *rows,
            application=make_application(
                constraints={"peak_memory_mib": {"max": 10}, "quality": {"min": 0.9}}
            ),
        ).assessment,
        0,
    )

    assert str(found) == (
        "a-1 (onnx, 1 thread), with peak memory at most 58.1 MiB instead of 10 MiB and scaled "
        "quality at least 0.5 instead of 0.9"
    )


def test_relaxation_says_what_requests_hold() -> None:
    rows = [row | {"request_path": "request"} for row in LIMITED_ROWS]
    ranked = rank(*rows, application=LIMITED)

    found = find_relaxations(ranked.assessment, 0)

    assert found is not None
    assert found.serving.request_path == "request"


def test_without_measurements_there_is_no_near_miss() -> None:
    ranked = rank(LIMITED_ROWS[2], application=LIMITED)

    assert find_nearest_miss(ranked, 0) is None
    assert find_relaxations(ranked.assessment, 0) is None


WORKLOAD = {"n_rows": 3.6e6, "hours": 2}  # 500 rows a second


def archive(**values: object) -> object:
    return make_application(
        objectives={"quality": {"weight": 1, "worst": 0, "best": 1}}, workload=WORKLOAD, **values
    )


def test_a_workload_is_a_limit_on_the_throughput() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, quality_raw=0.95, throughput_rows_per_s=200.0),
        make_profile("b-1", quality=0.8, quality_raw=0.90, throughput_rows_per_s=10_000.0),
        application=archive(),
    )

    assert ranked.assessment.feasible.tolist() == [False, True]
    assert describe_deadline(ranked.assessment, np.array([1, 0])) == (
        "2 h; it takes 6 min, a-1 (best quality) 5 h: too late."
    )


def test_deadline_says_that_no_candidate_has_a_higher_quality() -> None:
    ranked = rank(
        make_profile("a-1", quality=0.9, quality_raw=0.95, throughput_rows_per_s=2_000.0),
        make_profile("b-1", quality=0.8, quality_raw=0.90, throughput_rows_per_s=10_000.0),
        application=archive(),
    )

    assert describe_deadline(ranked.assessment, np.array([0, 1])) == (
        "2 h; it takes 30 min; no candidate has a higher quality."
    )


def test_deadline_where_none_qualifies_is_that_of_the_nearest_miss() -> None:
    rows = [
        make_profile("a-1", quality=0.9, quality_raw=0.95, throughput_rows_per_s=200.0),
        make_profile("b-1", quality=0.8, quality_raw=0.90, throughput_rows_per_s=400.0),
    ]
    decision = recommend_ranked(rank(*rows, application=archive()))["test"].datasets["landsat"]

    assert decision.nearest_miss is not None
    assert decision.nearest_miss.candidate == "b-1"
    assert decision.deadline == ("2 h; b-1 takes 2 h 30 min, a-1 (best quality) 5 h: too late.")


def test_deadline_says_whose_time_was_disturbed() -> None:
    rows = [
        make_profile("a-1", quality=0.9, quality_raw=0.95, throughput_rows_per_s=2.0),
        make_profile("b-1", quality=0.8, quality_raw=0.90, throughput_rows_per_s=10_000.0),
    ]
    late, alone = (
        rank(
            *(row | {"disturbed": row["candidate"] in disturbed} for row in rows),
            application=archive(),
        )
        for disturbed in (["a-1"], ["b-1"])
    )

    assert describe_deadline(late.assessment, np.array([1, 0])) == (
        "2 h; it takes 6 min, a-1 (best quality) 20 d 20 h: too late. "
        "The machine was disturbed while a-1 was timed: it may take less on a quiet one."
    )
    assert describe_deadline(alone.assessment, np.array([1])).endswith(
        "while b-1 was timed: it may take less on a quiet one."
    )


def test_deadline_is_empty_without_a_workload_or_a_throughput() -> None:
    rows = [make_profile("a-1", quality=0.9, quality_raw=0.9)]

    for application in (make_application(), archive()):
        assessment = rank(*rows, application=application).assessment
        assert describe_deadline(assessment, np.array([0])) == ""


def test_a_workload_and_a_limit_may_not_contradict_each_other() -> None:
    kept = archive(constraints={"throughput_rows_per_s": {"max": 1e9}})
    assert kept.constraints["throughput_rows_per_s"].limits() == {"min": 500.0, "max": 1e9}
    assert type(kept).model_validate(kept.model_dump()) == kept

    with pytest.raises(ValidationError, match=r"workload asks for 500 rows/s .* for 20000"):
        archive(constraints={"throughput_rows_per_s": {"min": 2e4}})


OLD = {"quality_raw": 0.6, "quality": 0.6, "latency_p50_ms": 10.0}
NEW = {"quality_raw": 0.9, "quality": 0.9, "latency_p50_ms": 10.0}


def decide(*rows: dict[str, object], **limits: dict[str, float]) -> Decision:
    ranked = rank(*rows, application=make_application(constraints=limits))
    return recommend_ranked(ranked, imported=("incumbent",))["test"].datasets["landsat"]


def compare(*rows: dict[str, object], **limits: dict[str, float]) -> Replacement:
    (found,) = decide(*rows, **limits).replacements
    return found


def test_replacement_gains_the_difference_of_utilities_with_the_metrics_asked_for() -> None:
    found = compare(make_profile("incumbent", **OLD), make_profile("net-1", **NEW))

    assert found.utility_gain == pytest.approx(0.15)  # half the weight on 0.3 of quality
    assert [(one.metric, one.now, one.then) for one in found.changes] == [
        ("quality_raw", 0.6, 0.9),
        ("latency_p50_ms", 10.0, 10.0),
    ]
    assert "from incumbent (onnx, 1 thread), imported, to net-1" in found.sentence
    assert "utility 0.550 \N{RIGHTWARDS ARROW} 0.700" in found.sentence


def test_replacement_says_what_is_kept_of_quality_and_at_which_part_of_the_latency() -> None:
    sentence = compare(
        make_profile("incumbent", **OLD),
        make_profile(
            "net-1", **NEW | {"quality": 0.59, "quality_raw": 0.59, "latency_p50_ms": 0.1}
        ),
    ).sentence

    assert sentence.startswith(
        "net-1 keeps 98.3 % of incumbent's quality (0.590 of 0.600) at 1/100 of its latency p50. "
        "Changing from incumbent"
    )


def test_a_loss_is_no_share_of_another() -> None:
    old, new = (
        RankedCandidate.model_validate(
            {
                **dict.fromkeys(("utility", "utility_low", "utility_high", "hardware_tier")),
                "candidate": name,
                "model": name,
                "p_best": 0.5,
                "reason": "",
                "runtime": "onnx",
                "n_threads": 1,
                "metrics": {
                    "quality_raw": {"value": loss, "low": None, "high": None, "name": "loss"},
                    "latency_p50_ms": {"value": latency_ms, "low": None, "high": None},
                },
            }
        )
        for name, loss, latency_ms in (("slow", -2.0, 1.0), ("fast", -2.5, 1.5))
    )

    assert describe_kept(old, new) == (
        "fast has loss -2.500 for -2.000 at 1.5 times its latency p50. "
    )


def test_imported_winner_gains_nothing_by_changing() -> None:
    found = compare(make_profile("incumbent", **NEW), make_profile("net-1", **OLD))

    assert found.utility_gain == 0
    assert found.changes == []
    assert "nothing to gain" in found.sentence


def test_replacement_names_a_broken_limit() -> None:
    replacement = compare(
        make_profile("incumbent", **OLD),
        make_profile("net-1", **NEW),
        quality={"min": 0.8},
    )

    (violation,) = replacement.violations
    assert (violation.metric, violation.bound, violation.value) == ("quality_raw", 0.8, 0.6)
    assert violation.excess == pytest.approx(0.2)
    assert replacement.sentence.endswith("incumbent breaks the application's limit on quality.")


@pytest.mark.parametrize(("quality", "is_equal"), [(0.615, True), (0.65, False)])
def test_replacement_says_whether_the_two_are_practically_equal(
    quality: float, is_equal: bool
) -> None:
    replacement = compare(
        make_profile(
            "incumbent", **around("quality", 0.6, 0.2), quality_raw=0.6, latency_p50_ms=10.0
        ),
        make_profile(
            "net-1", **around("quality", quality, 0.2), quality_raw=quality, latency_p50_ms=10.0
        ),
    )

    assert replacement.is_equal is is_equal
    assert ("practically equal" in replacement.sentence) is is_equal


def test_replacement_is_of_imported_models_only() -> None:
    assert decide(make_profile("forest-1", **OLD), make_profile("net-1", **NEW)).replacements == []


TWO = [
    make_profile("a-1", quality=0.9, latency_p50_ms=50),
    make_profile("a-2", quality=0.5, latency_p50_ms=30),
]


def read_sensitivity(
    ranked: list[ApplicationRanking],
) -> tuple[list[WeightInterval], list[LimitEffect]]:
    return (
        read_rows(tabulate_weight_intervals(ranked), WeightInterval),
        read_rows(tabulate_limit_effects(ranked), LimitEffect),
    )


def test_flips_come_with_the_smallest_change_first() -> None:
    ranked = [
        rank(
            *TWO,
            application=make_application(
                objectives={
                    "quality": {"weight": 3, "worst": 0, "best": 1},
                    "latency_p50_ms": {"weight": 1, "worst": 100, "best": 0},
                },
                constraints={"latency_p50_ms": {"max": 52}},
            ),
        )
    ]

    reversals = list_reversals(*read_sensitivity(ranked), leaders=["a-1"])

    assert [(reversal.kind, reversal.metric, reversal.winner) for reversal in reversals] == [
        ("limit", "latency_p50_ms", "a-2"),
        ("weight", "quality", "a-2"),
        ("weight", "latency_p50_ms", "a-2"),
    ]
    assert [reversal.change_pct for reversal in reversals] == pytest.approx(
        [-10, -83.3, 500], abs=0.1
    )
    assert [reversal.sentence for reversal in reversals] == [
        "With the limit tightened to latency p50 at most 46.8 ms (now 52 ms), a-2 wins.",
        "a-2 has the highest utility once the weight of quality falls below 0.5 (now 3).",
        "a-2 has the highest utility once the weight of latency p50 exceeds 6 (now 1).",
    ]


def test_limit_that_no_candidate_meets_is_reported() -> None:
    ranked = [
        rank(TWO[0], application=make_application(constraints={"latency_p50_ms": {"max": 52}}))
    ]

    (reversal,) = list_reversals(*read_sensitivity(ranked), leaders=["a-1"])

    assert reversal.winner is None
    assert reversal.sentence.endswith("at most 46.8 ms (now 52 ms), no candidate qualifies.")


def test_lead_of_the_recommended_candidate_or_of_the_highest_utility_is_no_flip() -> None:
    sensitivity = read_sensitivity([rank(*TWO)])

    def list_winners(*leaders: str) -> set[str | None]:
        return {reversal.winner for reversal in list_reversals(*sensitivity, leaders=leaders)}

    assert list_winners("a-1") == {"a-2"}
    assert list_winners("a-2") == list_winners("a-1", "a-2") == set()


def test_missing_flip_is_reported() -> None:
    decision = recommend_for(TWO[0])["datasets"]["landsat"]

    assert decision["reversals"] == []
    assert decision["reversal"].startswith("No single weight")


@pytest.mark.parametrize(
    ("ends", "n_reversals"),
    [
        ({"weight_high": 20.0, "leader_above": "a-2"}, 1),
        ({"weight_high": 20.1, "leader_above": "a-2"}, 0),
        ({"weight_low": 0.2, "leader_below": "a-2"}, 1),
        ({"weight_low": 0.19, "leader_below": "a-2"}, 0),
    ],
)
def test_weight_that_must_change_more_than_tenfold_is_no_flip(
    ends: dict[str, Any], n_reversals: int
) -> None:
    interval = WeightInterval("api", "landsat", "quality", leader="a-1", weight=2.0, **ends)

    assert len(list_reversals([interval], [], leaders=["a-1"])) == n_reversals
