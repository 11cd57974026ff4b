"""Judging peers: expected values by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from peer_judging import (
    Answered,
    choose,
    compare,
    count_within_one_error,
    judge,
    judge_accuracy,
    read_answered,
    relate_cpu_s,
    score,
)

from rightfit.models.quality.metric import QualityMetric
from rightfit.ranking.applications.applications import Application

ACCURACY = QualityMetric(name="accuracy", worst=0.0, best=1.0)
FAST = Application.model_validate(
    {
        "description": "answers within 5 ms",
        "scenario": "single_stream",
        "objectives": {
            "quality": {"weight": 1, "worst": 0.5, "best": 1.0},
            "latency_p50_ms": {"weight": 1, "worst": 10, "best": 0},
        },
        "constraints": {"latency_p50_ms": {"max": 5}, "quality": {"max_degradation": 0.1}},
    }
)


def answer(contender: str, name: str, quality: float, latency_ms: float | None) -> Answered:
    metrics = {"latency_p50_ms": latency_ms}
    return Answered(contender, name, quality, 0.01, quality, metrics)


def choose_fast(*answered: Answered) -> dict[str, dict[str, Any]]:
    return {row["library"]: row for row in choose(answered, {"fast": FAST})}


def test_a_peer_brings_the_best_of_its_models_that_keeps_the_limits() -> None:
    chosen = choose_fast(
        answer("rightfit", "fast", 0.8, 2),  # (0.6 + 0.8) / 2
        answer("flaml", "delivered", 0.9, 5.5),  # (0.8 + 0.45) / 2, but too slow
        answer("flaml", "raw", 0.9, 4),  # (0.8 + 0.6) / 2
        answer("flaml", "bare", 0.9, 3),  # (0.8 + 0.7) / 2, but others encode its rows
        answer("flaml_limited", "delivered", 0.85, 4),  # (0.7 + 0.6) / 2
        answer("autogluon", "delivered", 0.75, 1),  # (0.5 + 0.9) / 2, but 0.15 below the best
    )

    assert chosen["rightfit"]["utility"] == pytest.approx(0.7)
    assert chosen["flaml"]["utility"] == pytest.approx(0.7)
    assert chosen["flaml"]["model"] == "flaml.raw"
    assert chosen["flaml"]["utility_delivered"] == pytest.approx(0.65)
    assert chosen["flaml"]["utility_bare"] == pytest.approx(0.75)
    assert chosen["flaml"]["kept"]
    assert chosen["autogluon"]["utility"] == pytest.approx(0.7)
    assert not chosen["autogluon"]["kept"]


def test_rightfit_brings_what_it_chose_itself() -> None:
    chosen = choose_fast(answer("rightfit", "fast", 0.8, 2), answer("rightfit", "other", 0.9, 1))

    assert chosen["rightfit"]["model"] == "rightfit.fast"


def test_who_failed_or_was_not_measured_is_worth_nothing() -> None:
    chosen = choose_fast(answer("rightfit", "fast", 0.8, 2), answer("flaml", "raw", 0.9, None))

    for library in ("flaml", "autogluon", "lightgbm"):
        assert chosen[library]["failed"]
        assert chosen[library]["utility"] == 0.0
        assert not chosen[library]["kept"]


def test_the_p95_stands_in_for_a_p99_that_needs_more_calls() -> None:
    slow = Answered(
        *("flaml", "delivered", 0.9, 0.01, 0.9),
        {"latency_p50_ms": 40.0, "latency_p95_ms": 55.0, "latency_p99_ms": None},
    )

    assert slow.find("latency_p99_ms") == 55.0


def test_difference_is_the_mean_over_tables_with_its_interval() -> None:
    utilities = [("a", "rightfit", 0.7), ("a", "flaml", 0.6), ("b", "rightfit", 0.8)]
    utilities += [("b", "flaml", 0.5), ("a", "autogluon", 0.9)]
    chosen = pl.DataFrame(utilities, orient="row", schema=["table", "library", "utility"])

    found = compare(chosen.with_columns(application=pl.lit("fast")), "flaml")

    assert found == pytest.approx([0.2, 0.1, 0.3])


def test_a_raw_model_answers_as_the_bare_one_that_it_holds(tmp_path: Path) -> None:
    pl.DataFrame({"kind": ["x", "y"]}).write_parquet(tmp_path / "test.parquet")
    about = {"target": "kind", "task": "classification", "quality": ACCURACY.model_dump()}
    (tmp_path / "table.json").write_text(json.dumps(about), encoding="utf-8")
    pl.DataFrame({"bare": ["x", "x"]}).write_parquet(tmp_path / "predictions.parquet")
    described = [{"model": "bare", "what": "trees", "note": ""}]
    (tmp_path / "models.json").write_text(json.dumps(described), encoding="utf-8")
    measured = [{"model": "raw", "metrics": {"latency_p50_ms": 0.5}, "disturbed": True}]
    (tmp_path / "measured.json").write_text(json.dumps(measured), encoding="utf-8")

    found = {one.name: one for one in read_answered(tmp_path, tmp_path)}

    assert found["raw"].quality_raw == found["bare"].quality_raw == 0.5
    assert found["raw"].metrics["latency_p50_ms"] == 0.5
    assert found["raw"].disturbed
    assert not found["bare"].metrics


def test_accuracy_within_one_error_counts_tables() -> None:
    rows = [  # the better peer of a is flaml: 0.92 ± 0.02
        ("a", "rightfit", 0.905, 0.01),
        ("a", "flaml", 0.92, 0.02),
        ("a", "autogluon", 0.91, 0.001),
        ("b", "rightfit", 0.89, 0.05),
        ("b", "autogluon", 0.92, 0.02),
    ]
    chosen = pl.DataFrame(rows, orient="row", schema=["table", "library", "quality_raw", "error"])
    control = chosen.with_columns(application=pl.lit("accuracy_first"), failed=pl.lit(False))

    assert count_within_one_error(control) == 1


def test_cpu_seconds_are_held_against_the_peer_that_took_fewer() -> None:
    taken = {"table": ["a"] * 3, "contender": ["rightfit", "flaml", "autogluon"]}

    assert relate_cpu_s(pl.DataFrame(taken | {"cpu_s": [60.0, 100.0, 80.0]})) == 0.75


def test_labels_are_compared_as_texts() -> None:
    raw, contributions = score(
        pl.Series([1, 2, 2, 1]), pl.Series(["1", "2", "1", "1"]), ACCURACY, "classification"
    )

    assert raw == 0.75
    assert np.linalg.norm(contributions) == pytest.approx((0.75 * 0.25 / 4) ** 0.5)


def test_values_are_judged_as_numbers() -> None:
    metric = QualityMetric(name="r2", worst=0.0, best=1.0)

    raw, _ = score(pl.Series([1.0, 2.0, 3.0]), pl.Series([1.0, 2.0, 4.0]), metric, "regression")

    assert raw == pytest.approx(0.5)


def write_rows(root: Path) -> None:
    """Write the test rows of a table of two classes, ``flowers``."""
    rows = root / "rows" / "flowers"
    rows.mkdir(parents=True)
    pl.DataFrame({"kind": ["x", "y", "y", "x"]}).write_parquet(rows / "test.parquet")
    about = {"target": "kind", "task": "classification", "quality": ACCURACY.model_dump()}
    (rows / "table.json").write_text(json.dumps(about), encoding="utf-8")


def write_fit(folder: Path, model: str, predicted: list[str], *, cpu_s: float = 10.0) -> None:
    """Write what a contender's fit leaves; no predictions where it failed."""
    folder.mkdir(parents=True)
    ended = {"cpu_s": cpu_s, "wall_s": 20.0, "failure": "" if predicted else "no model"}
    (folder / "fit.json").write_text(json.dumps(ended), encoding="utf-8")
    if predicted:
        pl.DataFrame({model: predicted}).write_parquet(folder / "predictions.parquet")
        described = [{"model": model, "what": "", "note": ""}]
        (folder / "models.json").write_text(json.dumps(described), encoding="utf-8")


def test_quality_is_held_against_the_better_peer_with_the_error_of_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path)
    fits = {"rightfit_quality": (["x", "y", "x", "y"], 60.0),  # 2 of 4
            "flaml": (["x", "x", "x", "y"], 80.0),
            "autogluon_high": (["x", "y", "x", "x"], 120.0)}  # fmt: skip
    cells = []
    for contender, (predicted, cpu_s) in fits.items():
        cells.append((60.0, "flowers", contender, tmp_path / "fits" / contender))
        write_fit(cells[-1][-1], "delivered", predicted, cpu_s=cpu_s)

    judge_accuracy(tmp_path, cells)

    printed = capsys.readouterr().out
    figures = json.loads(printed.splitlines()[-1])
    # one row of four differs: sqrt(1/4 * 3/4 / 4); the peer's error is the same, of 3 of 4
    assert "flowers: -0.2500 ± 0.2165 from autogluon_high, -1.15" in printed
    assert figures["accuracy_within_one_se"] == 0
    assert figures["accuracy_mean_se"] == -1.15
    assert figures["cpu_s_ratio"] == 0.75


def test_stored_fits_are_judged_and_a_failure_stays_in_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(tmp_path)
    control = tmp_path / "applications.yml"
    control.write_text(
        "applications: {accuracy_first: {description: control, scenario: offline, "
        "objectives: {quality: {weight: 1, worst: 0.0, best: 1.0}}}}",
        encoding="utf-8",
    )
    answers = {"rightfit": ("accuracy_first", ["x", "y", "y", "x"]),
               "flaml": ("delivered", ["x", "y", "x", "x"]),
               "autogluon": ("delivered", [])}  # fmt: skip
    cells = []
    for contender, (model, predicted) in answers.items():
        folder = tmp_path / "fits" / contender
        write_fit(folder, model, predicted)
        if contender == "rightfit":  # what it measures itself comes later, and counts
            shipped = json.dumps({"cpu_s": 5.0, "failure": ""})
            (folder / "ship.json").write_text(shipped, encoding="utf-8")
        cells.append((60.0, "flowers", contender, folder))
        if predicted:
            measured = [{"model": model, "metrics": {}}]
            (folder / "measured.json").write_text(json.dumps(measured), encoding="utf-8")

    judge(tmp_path, control, cells)

    printed = capsys.readouterr().out
    figures = json.loads(printed.splitlines()[-1])
    assert "| autogluon | 10 | failed: no model" in printed
    assert figures["utility_vs_flaml"] == [0.25, 0.25, 0.25]
    assert figures["utility_vs_autogluon"] == [1.0, 1.0, 1.0]
    assert figures["accuracy_within_one_se"] == figures["n_datasets"] == 1
    assert figures["cpu_s_ratio"] == 1.5
