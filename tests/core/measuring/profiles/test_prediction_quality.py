from __future__ import annotations

import numpy as np
import pytest

from rightfit.measuring.profiles.prediction_quality import judge_rows, quality_interval
from rightfit.models.quality.metric import QualityMetric


def metric_of(name: str) -> QualityMetric:
    return QualityMetric(name=name, worst=0.0, best=1.0)


def answers(labels: list[int], predicted: list[int], n_classes: int) -> np.ndarray:
    return np.eye(n_classes, dtype=np.float32)[predicted]


def test_interval_of_accuracy_is_clopper_pearsons() -> None:
    labels = np.zeros(10, dtype=np.int64)
    probabilities = answers([0] * 10, [0] * 9 + [1], 2)

    low, high = quality_interval(metric_of("accuracy"), labels, probabilities, seed=0)

    assert (low, high) == pytest.approx((0.5550, 0.9975), abs=1e-4)  # their table for 9 of 10


def test_interval_of_balanced_accuracy_knows_that_a_small_class_is_uncertain() -> None:
    labels = np.array([0] * 990 + [1] * 10)
    predicted = [0] * 891 + [1] * 99 + [1] * 9 + [0]
    probabilities = answers(list(labels), predicted, 2)

    low, high = quality_interval(metric_of("balanced_accuracy"), labels, probabilities, seed=0)

    # Standard error: half the root of 0.9 * 0.1 / 990 + 0.9 * 0.1 / 10.
    assert high - low == pytest.approx(2 * 1.96 * 0.0477, rel=0.1)
    assert low < 0.9 < high


def test_interval_of_roc_auc_agrees_with_a_bootstrap() -> None:
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 2, 400)
    scores = (labels + generator.normal(0, 1.2, 400)).astype(np.float32)
    probabilities = np.stack([-scores, scores], axis=1)
    resamples = generator.integers(0, 400, (400, 400))
    metric = metric_of("roc_auc")
    bootstrap = [metric.score(labels[rows], probabilities[rows]) for rows in resamples]

    low, high = quality_interval(metric_of("roc_auc"), labels, probabilities, seed=0)

    expected = np.quantile(bootstrap, [0.025, 0.975])
    assert [low, high] == pytest.approx(expected.tolist(), abs=0.015)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "f1", "precision", "recall"])
def test_interval_of_perfect_answers_is_as_wide_as_the_smaller_class_is_small(name: str) -> None:
    labels = np.repeat([0, 1], [100, 10])
    probabilities = answers(list(labels), list(labels), 2)

    low, high = quality_interval(metric_of(name), labels, probabilities, seed=0)

    assert (low, high) == pytest.approx((0.6915, 1.0), abs=1e-4)  # Clopper and Pearson's 10 of 10


@pytest.mark.parametrize("n_found", [9, 10])  # scikit-learn's sum of shares is above 1, below 1
def test_a_perfect_average_precision_is_perfect_whatever_is_rounded(n_found: int) -> None:
    labels, second = np.repeat([0, 1], [100, n_found]), np.linspace(0.01, 0.99, 100 + n_found)
    probabilities = np.column_stack([1 - second, second])
    metric = metric_of("average_precision")

    low, high = quality_interval(metric, labels, probabilities, seed=0)

    assert 1 - 1e-9 < metric.score(labels, probabilities) <= 1
    assert (low, high) == pytest.approx((0.025 ** (1 / n_found), 1.0))  # Clopper and Pearson's


def test_interval_of_perfect_answers_of_many_classes_counts_all_rows() -> None:
    labels = np.repeat([0, 1, 2], [60, 39, 1])

    low, high = quality_interval(metric_of("f1_macro"), labels, np.eye(3)[labels], seed=0)

    assert (low, high) == pytest.approx((0.9638, 1.0), abs=1e-4)  # 100 of 100


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_interval_of_a_class_of_one_row_tells_little(name: str) -> None:
    labels = np.array([0] * 80 + [1])
    second = np.append(np.linspace(0, 1, 80), 0.63)

    low, high = quality_interval(
        metric_of(name), labels, np.column_stack([1 - second, second]), seed=0
    )

    assert low < 0.05
    assert high > 0.95


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy"])
def test_interval_of_a_threshold_is_that_of_the_moved_answers(name: str) -> None:
    metric = QualityMetric(name=name, worst=0.0, best=1.0, threshold=0.2)
    labels = np.repeat([0, 1], 100)
    second = np.where(labels == 1, 0.3, 0.1)  # all right from 0.2 on, half of them from 0.5 on
    answers = np.column_stack([1 - second, second]).astype(np.float32)

    low, high = quality_interval(metric, labels, answers, seed=0)

    assert metric.score(labels, answers) == 1.0
    assert low > 0.95
    assert high > 0.99


def test_interval_holds_the_quality_though_resamples_are_calibrated_worse() -> None:
    levels = (0.1, 0.3, 0.6, 0.8)  # of each as many positives as it promises
    targets = np.concatenate([[1] * round(40 * p) + [0] * round(40 * (1 - p)) for p in levels])
    answers = np.concatenate([np.repeat([[1 - p, p]], 40, axis=0) for p in levels])
    metric = QualityMetric(name="neg_calibration_error", worst=0.5, best=0)

    low, high = quality_interval(metric, targets, answers, seed=0)

    assert low < metric.score(targets, answers) <= high


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", ["r2", "f1", "precision_macro"])
def test_interval_holds_no_value_that_the_metric_cannot_take(name: str, quick: bool) -> None:
    targets = np.append(np.zeros(9), 1.0) if name == "r2" else np.repeat([0, 1], [30, 6])
    predictions = targets[:, None] * 0.9 if name == "r2" else np.eye(2)[targets]
    if name != "r2":
        predictions[[0, 1, 35]] = predictions[[0, 1, 35], ::-1]

    quality = judge_rows(
        metric_of(name), targets, predictions, targets >= 0, None, seed=0, quick=quick
    )

    assert quality.raw_low < quality.raw < 1
    assert quality.raw_high <= 1
