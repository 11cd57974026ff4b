from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from rightfit.data.request_path.usage import name_answers
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.scorers import check_metric, find_score, read_function_sources
from rightfit.models.quality.standard_errors import find_contributions
from rightfit.models.schema import Task

LABELS = np.array([0, 1, 2, 2, 1, 0])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.3, 0.5], [0.1, 0.5, 0.4], [0.2, 0.7, 0.1],
     [0.4, 0.5, 0.1]],
    dtype=np.float32,
)  # fmt: skip
CLASSES = PROBABILITIES.argmax(axis=1)
VALUES = np.array([3.0, 5.0, 8.0, 12.0])
ANSWERS = np.array([[2.0], [6.0], [8.0], [10.0]], dtype=np.float32)


def double_miss(y_true: np.ndarray, y_answer: np.ndarray, factor: float = 2.0) -> float:
    assert y_answer.shape == y_true.shape  # flat, as scikit-learn's functions have it
    return factor * float(np.abs(y_true - y_answer).mean())


def surest_miss(y_true: np.ndarray, y_answer: np.ndarray) -> float:
    return float(1 - y_answer[np.arange(len(y_true)), y_true].min())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f1_macro", metrics.f1_score(LABELS, CLASSES, average="macro")),
        ("matthews_corrcoef", metrics.matthews_corrcoef(LABELS, CLASSES)),
        ("neg_log_loss", -metrics.log_loss(LABELS, PROBABILITIES)),
        ("neg_brier_score", -(0.06 + 0.26 + 0.38 + 0.62 + 0.14 + 0.62) / 6),
        # sure by .5, twice: hit and missed; .5, .6, .7 and .8 lie in bins of their own
        ("neg_calibration_error", -(0.5 + 0.4 + 0.3 + 0.2) / 6),
        ("roc_auc_ovr", metrics.roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr")),
    ],
)
def test_scorer_of_classes_gets_what_it_judges(name: str, expected: float) -> None:
    score = find_score(name, {})

    assert score(LABELS, PROBABILITIES) == pytest.approx(expected, rel=1e-5)


def test_brier_score_of_two_classes_is_that_of_scikit_learn() -> None:
    labels, second = np.array([0, 1, 1]), np.array([0.25, 0.5, 0.875])
    score = find_score("neg_brier_score", {})

    expected = -metrics.brier_score_loss(labels, second)
    assert score(labels, np.column_stack([1 - second, second])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("r2", {}, 1 - 6 / 46),
        ("neg_mean_absolute_error", {}, -1.0),
        ("neg_root_mean_squared_error", {}, -math.sqrt(1.5)),
        ("neg_mean_pinball_loss", {"alpha": 0.9}, -(0.9 * (1 + 2) + 0.1 * 1) / 4),
        ("sklearn.metrics.mean_pinball_loss", {"alpha": 0.9}, (0.9 * (1 + 2) + 0.1 * 1) / 4),
        (f"{__name__}.double_miss", {"factor": 3.0}, 3.0),
    ],
)
def test_metric_of_numbers_by_hand(name: str, options: dict[str, Any], expected: float) -> None:
    assert find_score(name, options)(VALUES, ANSWERS) == pytest.approx(expected)


def test_function_of_classes_gets_their_probabilities() -> None:
    score = find_score(f"{__name__}.surest_miss", {})

    assert score(LABELS, PROBABILITIES) == pytest.approx(0.6)  # the last row but two


def test_loss_counts_negative_and_its_bounds_turn() -> None:
    metric = QualityMetric(name=f"{__name__}.double_miss", worst=8.0, best=0.0)

    raw = metric.score(VALUES, ANSWERS)

    assert raw == -2.0
    assert metric.raw_bounds == (-8.0, 0.0)
    assert metric.scale(raw) == 0.75


@pytest.mark.parametrize("bounds", [(-8.0, 0.0), (8.0, 0.0)])
def test_bounds_of_a_negated_loss_have_either_sign(bounds: tuple[float, float]) -> None:
    metric = QualityMetric(name="neg_mean_absolute_error", worst=bounds[0], best=bounds[1])

    assert metric.score(VALUES, ANSWERS) == -1.0
    assert metric.scale(-1.0) == 0.875


@pytest.mark.parametrize(
    ("costs", "probabilities", "expected"),
    [
        ([[0, 1], [4, 0]], [[0.81, 0.19], [0.79, 0.21]], [0, 1]),
        ([[0, 1, 1], [1, 0, 1], [9, 9, 0]], [[0.75, 0.2, 0.05], [0.5, 0.3, 0.2]], [0, 2]),
        # the middle one is the safe answer, though never the likeliest
        ([[0, 1, 9], [1, 0, 1], [9, 1, 0]], [[0.5, 0.0, 0.5], [0.95, 0.0, 0.05]], [1, 0]),
    ],
)
def test_class_of_the_lowest_expected_cost_is_the_one_that_an_export_names(
    costs: list[list[float]], probabilities: list[list[float]], expected: list[int]
) -> None:
    answers, classes = np.array(probabilities, dtype=np.float32), ["0", "1", "2"][: len(costs)]
    metric = QualityMetric(name="cost", worst=1.0, best=0.0, costs=costs)
    several = metric.costs if metric.cutoff is None else None

    named = name_answers(answers, classes, metric.cutoff, several)

    assert [int(answer["class"]) for answer in named] == expected
    assert metric.decide(answers).argmax(axis=1).tolist() == expected
    labels = np.array([len(costs) - 1, 0])
    paid = [costs[label][answer] for label, answer in zip(labels, expected, strict=True)]
    assert metric.score(labels, answers) == -sum(paid) / 2


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6, 0.7, 0.9])
def test_class_at_the_threshold_is_the_one_that_an_export_names(threshold: float) -> None:
    answers = np.array([[1 - threshold, threshold]], dtype=np.float32)
    metric = QualityMetric(name="accuracy", worst=0.0, best=1.0, threshold=threshold)

    (named,) = name_answers(answers, ["no", "yes"], threshold)

    assert named["class"] == "yes"
    assert metric.decide(answers).argmax(axis=1).tolist() == [1]
    assert metric.decide(answers.astype(np.float64)).argmax(axis=1).tolist() == [1]


def test_threshold_moves_the_predicted_class_alone() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.75, 0.25], [0.4, 0.6]], dtype=np.float32)

    def score(name: str, threshold: float | None) -> float:
        metric = QualityMetric(name=name, worst=0.0, best=1.0, threshold=threshold)
        return metric.score(labels, probabilities)

    assert score("recall", None) == 0.5
    assert score("recall", 0.25) == 1.0  # the threshold itself counts
    assert score("precision", 0.25) == pytest.approx(2 / 3)
    assert score("average_precision", 0.25) == score("average_precision", None)


@pytest.mark.parametrize(
    ("name", "task", "n_classes", "message"),
    [
        ("roc_auc", "classification", 6, "roc_auc needs two classes, but got 6"),
        ("average_precision", "regression", None, "is one of classification, but the task is reg"),
        ("accuracy", "regression", None, "is one of classification, but the task is regression"),
        ("adjusted_rand_score", "regression", None, "is one of classification"),
        ("neg_mean_absolute_error", "classification", 2, "is one of regression"),
        ("precision", "classification", 3, "needs two classes, but got 3; choose precision_macro"),
        (f"{__name__}.double_miss", "classification", 3, "can't judge probabilities of 3 classes"),
        (f"{__name__}.no_metric", "regression", None, "has no .no_metric."),
        ("r3", "regression", None, "there is no metric 'r3'.*r2 or neg_root"),
    ],
)
def test_metric_that_cannot_judge_is_refused(
    name: str, task: Task, n_classes: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}"):
        check_metric(name, {}, task=task, n_classes=n_classes)


@pytest.mark.parametrize(
    ("name", "task", "n_classes"),
    [
        ("roc_auc", "classification", 2),
        ("roc_auc", "classification", None),  # not known yet
        ("roc_auc_ovr", "classification", 6),
        ("f1_macro", "classification", 6),
        ("average_precision", "classification", 2),
        ("neg_mean_poisson_deviance", "regression", None),
        ("neg_mean_squared_log_error", "regression", None),
        ("neg_mean_pinball_loss", "regression", None),
        (f"{__name__}.double_miss", "regression", None),
    ],
)
def test_metric_that_fits_passes(name: str, task: Task, n_classes: int | None) -> None:
    check_metric(name, {}, task=task, n_classes=n_classes)


@pytest.mark.parametrize("name", ["neg_mean_squared_log_error", "neg_root_mean_squared_log_error"])
def test_a_log_error_judges_negative_predictions_as_0(name: str) -> None:
    metric = QualityMetric(name=name, worst=5, best=0)
    values, answers = np.array([0.0, 1.0, 3.0]), np.array([[-4.0], [-0.5], [2.0]])
    clipped = np.array([[0.0], [0.0], [2.0]])

    assert metric.score(values, answers) == metric.score(values, clipped)
    assert metric.score(values, answers) < 0
    effects = [find_contributions(metric, values, predicted) for predicted in (answers, clipped)]
    assert effects[0] is not None
    assert effects[0].tolist() == effects[1].tolist()


def test_code_of_a_function_of_ones_own_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study_metrics.py").write_text("def cost(y_true, y_answer):\n    return 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)

    sources = read_function_sources("study_metrics.cost")

    assert sources == {"study_metrics": "def cost(y_true, y_answer):\n    return 1.0\n"}
