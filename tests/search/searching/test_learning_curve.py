from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories import cells

from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import InputSchema
from rightfit_search.families.family import LabelledRows, TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.learning_curve import (
    MAX_KEPT,
    FitMeter,
    Look,
    PausedTrainings,
    follow_training,
    forecast_first_look,
    foresee_first_look,
    predict_work_s,
)

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (lambda n_rows: np.full((n_rows, 3), np.nan), "NaN or infinity"),
        (lambda n_rows: np.ones((n_rows, 1)), "must answer shape"),
        (lambda n_rows: np.ones((n_rows, 3)), "must sum to 1"),
    ],
)
def test_training_whose_answers_are_no_probabilities_fails_with_the_reason(
    answers: Any, reason: str, blobs: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cells.make_cell(blobs)
    monkeypatch.setattr(get_family("linear"), "predict", lambda model, rows: answers(len(rows)))
    configuration = {
        "n_epochs": 2, "alpha": 1e-4, "penalty": "l2", "learning_rate": "optimal", "eta0": 0.01,
    }  # fmt: skip

    with pytest.raises(ValueError, match=reason):
        list(follow_training(cell, TrainingRun(configuration, cell.train)))


def make_no_training() -> Iterator[Look]:
    yield from ()


def test_paused_trainings_that_waited_longest_are_dropped_where_memory_ends() -> None:
    kept = PausedTrainings(cap_mib=3.0)

    for number in range(4):
        kept.keep(number, 1, make_no_training(), Look(None, {}, 1.0))

    assert [number for number in range(4) if kept.look_at(number, 1)] == [1, 2, 3]


def test_number_of_paused_trainings_is_bounded_however_small_they_are() -> None:
    kept = PausedTrainings(cap_mib=1e6)

    for number in range(MAX_KEPT + 5):
        kept.keep(number, 1, make_no_training(), Look(None, {}, 0.0))

    numbers = range(MAX_KEPT + 5)
    assert [number for number in numbers if kept.look_at(number, 1)] == list(numbers)[5:]


def test_meter_adds_up_training_stretches_only() -> None:
    meter = FitMeter()

    for _ in range(2):
        with meter.training():
            sum(range(200_000))
    inside_s = meter.read(n_steps=4)["fit_time_s"]
    sum(range(2_000_000))
    fit = meter.read(n_steps=4)

    assert fit["fit_time_s"] == inside_s
    assert fit["fit_time_s"] is not None
    assert fit["fit_time_s"] > 0
    assert fit["step_time_ms"] == pytest.approx(fit["fit_time_s"] * 1000 / 4)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc, Linux only")
def test_meter_sees_memory_that_is_given_back() -> None:
    meter = FitMeter()

    with meter.training():
        block = np.ones(64 * 2**20, dtype=np.uint8)
        del block
    peak_mib = meter.read(n_steps=1)["fit_peak_memory_mib"]

    assert peak_mib == pytest.approx(64, abs=8)


def test_meter_keeps_what_was_spent_before_a_failure() -> None:
    meter = FitMeter()

    with pytest.raises(ValueError, match="broken"), meter.training():
        sum(range(200_000))
        raise ValueError("broken")

    assert meter.cpu_s > 0


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc, Linux only")
def test_memory_that_an_earlier_trial_has_freed_counts_when_it_is_used_again() -> None:
    def grow() -> list[np.ndarray]:
        return [np.ones(4_000) for _ in range(2_000)]  # 61 MiB in small blocks

    earlier = grow()
    _holds_the_heap = earlier[::10]
    del earlier
    meter = FitMeter()

    with meter.training():
        grow()
    peak_mib = meter.read(n_steps=1)["fit_peak_memory_mib"]

    assert peak_mib == pytest.approx(61, abs=8)


@pytest.mark.parametrize(
    ("family", "configuration"),
    [
        (
            "forest",
            {"n_estimators": 8, "max_depth": None, "min_samples_leaf": 1, "max_features": 1.0},
        ),
        (
            "boosting",
            {
                "max_iter": 8,
                "learning_rate": 0.1,
                "max_leaf_nodes": 31,
                "min_samples_leaf": 20,
                "l2_regularization": 0.0,
                "max_features": 1.0,
            },
        ),
    ],
)
def test_work_of_a_first_look_is_forecast_from_few_rows(
    family: str, configuration: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rightfit_search.searching.learning_curve.N_FEW", 256)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4_096, 6)).astype(np.float32)
    labels = rows[:, 0] * rows[:, 1] + rng.standard_normal(len(rows))
    schema = InputSchema(tuple("abcdef"), (), None)
    data = TrainingData(rows, labels, schema)
    quality = QualityMetric(name="r2", worst=0.0, best=1.0)
    cell = cells.make_cell(data, family=family, quality=quality)
    run = TrainingRun(configuration, data, n_checkpoints=3)

    forecast = forecast_first_look(cell, run)

    look = next(follow_training(cell, run))
    assert forecast["work_s"] == pytest.approx(look.point["work_s"], rel=0.3)


@pytest.mark.parametrize(
    ("n_classes", "depth"),
    [(0, {"depth": 3}), (2, {"max_depth": 3}), (3, {"depth": 3}), (3, {"depth": None})],
)
def test_settings_alone_tell_what_a_first_look_at_symmetric_trees_takes(
    n_classes: int, depth: dict[str, int | None]
) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((300, 4)).astype(np.float32)
    classes = tuple("xyz"[:n_classes])
    labels = rng.integers(n_classes, size=300) if classes else rows[:, 0]
    data = TrainingData(rows, labels, InputSchema(tuple("abcd"), classes, None))
    r2 = {} if classes else {"quality": QualityMetric(name="r2", worst=0.0, best=1.0)}
    cell = cells.make_cell(data, family="catboost", **r2)
    configuration = {"iterations": 16, **depth}

    look = next(follow_training(cell, TrainingRun(configuration, data, n_checkpoints=3)))

    foreseen = foresee_first_look(cell, configuration, 3)
    assert foreseen == {"work_s": look.point["work_s"], "cpu_s": look.point["work_s"]}
    forest = cells.make_cell(data, family="forest", **r2)
    assert foresee_first_look(forest, {}, 3) is None


BOOSTED = {
    "max_iter": 8, "learning_rate": 0.3, "max_leaf_nodes": 7, "min_samples_leaf": 1,
    "l2_regularization": 0.0, "max_features": 1.0,
}  # fmt: skip


def follow_boosting(
    data: TrainingData, judges: LabelledRows, qualities: list[float]
) -> Iterator[tuple[Look, Any]]:
    """Follow a training whose validation is made up; yield predictions at each look."""
    cell, made_up = cells.make_cell(data, family="boosting", validation=judges), iter(qualities)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(cell.quality), "score", lambda *_: next(made_up))
        for look in follow_training(cell, TrainingRun(BOOSTED, data, n_checkpoints=4)):
            yield look, get_family("boosting").predict(look.model, data.rows)


def test_rounds_that_make_a_model_worse_are_left_out(blobs: TrainingData) -> None:
    looks, answers = zip(*follow_boosting(blobs, blobs, [0.5, 0.9, 0.6, 0.7]), strict=True)

    points = [look.point for look in looks]
    assert [point["kept_checkpoint"] for point in points] == [1, 2, 2, 2]
    assert [point["quality_raw"] for point in points] == [0.5, 0.9, 0.9, 0.9]
    assert [point["structure"]["n_trees"] for point in points] == [3, 6, 6, 6]
    assert [point["n_steps"] for point in points] == [1, 2, 4, 8]
    for prefix in answers[2:]:
        np.testing.assert_array_equal(prefix, answers[1])


def test_rounds_that_may_be_worse_by_chance_alone_are_kept(blobs: TrainingData) -> None:
    is_wrong = np.arange(9) < 2  # so that the quality has an error
    few = LabelledRows(blobs.rows[:9], (blobs.labels[:9] + is_wrong) % 2, blobs.schema)

    looks = [look for look, _ in follow_boosting(blobs, few, [0.8, 0.7, 0.7, 0.75])]

    assert [look.point["kept_checkpoint"] for look in looks] == [1, 2, 3, 4]


def test_epochs_that_depend_on_the_rows_count_in_what_a_net_takes(blobs: TrainingData) -> None:
    cell = replace(cells.make_cell(blobs), family="net")
    structure = {"n_parameters": 1_000.0, "n_operations": 1_000.0}

    few_s, many_s, most_s = (
        predict_work_s(cell, {}, structure, n_rows) or 0.0 for n_rows in (20_000, 80_000, 800_000)
    )

    assert many_s < 1.5 * few_s  # 16 and 4 epochs
    assert most_s > 8 * many_s  # 4 epochs each
