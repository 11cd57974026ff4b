from __future__ import annotations

import math
import re
from typing import Any

import pytest
from pydantic import ValidationError

from rightfit.measuring.serving import Serving
from rightfit.ranking.records.baseline import (
    EXIT_CODES,
    Baseline,
    Comparison,
    MeasuredOn,
    StoredWinner,
    compare_baselines,
    conclude,
    find_gaps,
    find_other_machine,
    write_verdict,
)

MACHINE = MeasuredOn(cpu="Hand-made CPU", n_cores=2, memory_mib=8192)


def figure(value: float, reach: float = 0.0) -> dict[str, float]:
    return {"value": value, "low": value - reach, "high": value + reach}


def winner(
    candidate: str = "net-1", utility: dict[str, float] | None = None, **metrics: dict[str, float]
) -> StoredWinner:
    return StoredWinner(
        candidate=candidate,
        model="net",
        serving=Serving("onnx", 1),
        batch_size=256,
        utility=utility or figure(0.8, 0.01),
        metrics={"latency_p50_ms": figure(1.0, 0.05), "quality": figure(0.9, 0.02)} | metrics,
    )


def keep(found: StoredWinner | None, machine: MeasuredOn | None = MACHINE) -> Baseline:
    return Baseline(
        format_version=3, ranked_in="now", machine=machine, winners={"web_api": {"landsat": found}}
    )


def compare(now: StoredWinner | None, before: StoredWinner | None = None) -> Comparison:
    (found,) = compare_baselines(keep(before or winner()), keep(now), margin_pct=5)
    return found


def test_same_figures_pass() -> None:
    same = compare(winner())

    assert (same.verdict, same.remarks, same.candidate) == ("same", (), "net-1")


@pytest.mark.parametrize(
    ("metrics", "fault"),
    [
        (
            {"latency_p50_ms": figure(1.3, 0.05)},
            "latency p50 is worse: 1 (0.95 to 1.05) ms before, 1.3 (1.25 to 1.35) ms now",
        ),
        (
            {"quality": figure(0.85, 0.02)},
            "scaled quality is worse: 0.900 (0.880 to 0.920) before, 0.850 (0.830 to 0.870) now",
        ),
    ],
)
def test_metric_beyond_its_interval_fails(metrics: dict[str, dict[str, float]], fault: str) -> None:
    assert compare(winner(**metrics)).faults == (fault,)


@pytest.mark.parametrize(
    "metrics",
    [
        {"latency_p50_ms": figure(1.3, 0.3)},  # the intervals overlap
        {"latency_p50_ms": figure(1.04, 0.0)},  # less than the margin
        {"latency_p50_ms": figure(0.5, 0.0)},  # better
        {"quality": figure(0.87, 0.02)},
    ],
)
def test_change_within_errors_or_margin_passes(metrics: dict[str, dict[str, float]]) -> None:
    before = winner(latency_p50_ms=figure(1.0, 0.01))

    assert compare(winner(**metrics), before).faults == ()


@pytest.mark.parametrize(
    ("now", "verdict", "n_more"),
    [
        (figure(1.04, 0.30), "same", None),  # within the margin
        (figure(1.30, 0.29), "cannot tell", "1 more runs"),  # (0.30 / 0.30)², rounded up: twice
        (figure(1.10, 0.29), "cannot tell", "9 more runs"),  # (0.3001 / 0.10)²: 10 times
        (figure(1.50, 0.29), "regressed", None),
    ],
)
def test_loss_that_the_intervals_hide_says_how_many_runs_would_tell(
    now: dict[str, float], verdict: str, n_more: str | None
) -> None:
    comparison = compare(winner(latency_p50_ms=now), winner(latency_p50_ms=figure(1.0, 0.0101)))

    assert comparison.verdict == verdict
    assert [n_more in doubt for doubt in comparison.doubts if n_more] == [True] * bool(n_more)


def test_markdown_begins_with_the_worst_verdict() -> None:
    same, worse = (
        Comparison("batch", "landsat", (), ()),
        Comparison("web|api", "landsat", ("p50 is worse",), ()),
    )

    text = write_verdict([same, worse])

    assert text.startswith("## Models against the baseline: regressed\n\n1 regressed, 1 same.\n")
    rows = text.splitlines()[-2:]
    assert rows[0] == r"| web\|api | landsat | regressed | p50 is worse |"
    assert rows[1].startswith("| batch | landsat | same |")
    assert [EXIT_CODES[conclude(one)] for one in ([same], [worse, same], [])] == [0, 1, 0]


def test_markdown_takes_names_for_text() -> None:
    hostile = Comparison("<img src=x>\r\n# `a", "[x](y)\u202e", (), ("_why_",))

    row = write_verdict([hostile]).splitlines()[-1]

    assert row == r"| \<img src=x\>? # \`a | \[x\](y)? | same | \_why\_ |"


def test_nobody_within_the_limits_fails() -> None:
    assert compare(None).faults == ("no candidate meets its limits any more; net-1 did",)


def test_metric_that_is_no_longer_measured_fails() -> None:
    whole = winner()
    now = whole.model_copy(update={"metrics": {"quality": whole.metrics["quality"]}})

    assert compare(now).faults == ("latency p50 was not measured",)


def test_other_winner_of_no_less_utility_may_trade_metrics() -> None:
    slower = {"latency_p50_ms": figure(2.0, 0.05)}
    found = compare(winner("forest-1", figure(0.9, 0.01), **slower))

    assert found.faults == ()
    assert found.notes[0] == "forest-1 has replaced net-1"
    assert found.notes[1].startswith("in exchange for other metrics, latency p50 is worse")
    worth_less = compare(winner("forest-1", figure(0.7, 0.01), **slower))
    assert [fault.split(" is worse")[0] for fault in worth_less.faults] == [
        "utility",
        "latency p50",
    ]


def test_application_that_is_not_ranked_any_more_fails() -> None:
    now = Baseline(format_version=3, ranked_in="now", machine=MACHINE, winners={})
    (found,) = compare_baselines(keep(winner()), now, margin_pct=5)

    assert found.faults == ("it is not ranked any more",)


def test_other_hardware_is_named() -> None:
    other = keep(winner(), MACHINE.model_copy(update={"cpu": "Faster CPU"}))

    assert find_other_machine(keep(winner()), keep(winner())) is None
    assert "Hand-made CPU, 2 cores" in str(find_other_machine(keep(winner()), other))


def test_machine_that_is_not_known_is_another_one() -> None:
    known, unknown = keep(winner()), keep(winner(), None)

    assert find_other_machine(unknown, known) == "the baseline does not say what it was measured on"
    assert find_other_machine(known, unknown) == "this run does not say what it was measured on"


@pytest.mark.parametrize(
    ("winners", "gap"),
    [
        ({}, "winners holds no winner"),
        ({"web_api": {}}, "winners holds no winner"),
        ({"web_api": {"landsat": None}}, "winners holds no winner"),
        ({"web_api": {"landsat": winner()}, "edge": {}}, "winners.edge holds no dataset"),
        (
            {"web_api": {"landsat": winner().model_copy(update={"metrics": {}})}},
            "winners.web_api.landsat.metrics holds no metric",
        ),
    ],
)
def test_baseline_that_compares_nothing_is_told(
    winners: dict[str, dict[str, StoredWinner | None]], gap: str
) -> None:
    baseline = keep(winner()).model_copy(update={"winners": winners})

    assert next(find_gaps(baseline)) == gap


def test_baseline_in_which_one_of_two_applications_has_a_winner_has_no_gap() -> None:
    winners = {"web_api": {"landsat": winner()}, "dreamer": {"landsat": None}}

    assert list(find_gaps(keep(winner()).model_copy(update={"winners": winners}))) == []


@pytest.mark.parametrize(
    ("metrics", "fault"),
    [
        ({"latency_p50_ms": {"value": 1.5, "low": 2.0, "high": 1.0}}, "low must not be above high"),
        ({"latency_p50_ms": {"value": 1.5, "low": math.nan, "high": 1.0}}, "low"),
        (
            {"latency_p50_ms": {"value": None, "low": None, "high": None}},
            "latency_p50_ms have none",
        ),
        ({"latency_p50_ms": {"value": "1.5", "low": None, "high": None}}, "value"),
        ({"latency_p50_ms": {"value": 1.5}}, "low"),
        ({"charm": figure(1.0)}, "holds ['charm'], which are no metrics"),
    ],
)
def test_figure_that_cannot_be_is_refused(metrics: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(fault)):
        winner(**metrics)


def test_memory_of_another_batch_size_is_noted() -> None:
    before = winner(peak_memory_mib=figure(80.0, 1.0))
    now = winner(peak_memory_mib=figure(120.0, 1.0))

    assert compare(now, before).faults[0].startswith("peak memory is worse")
    found = compare(now.model_copy(update={"batch_size": 2048}), before)
    assert found.faults == ()
    assert found.notes[0].startswith("at batch size 2048 instead of 256, peak memory is worse")
