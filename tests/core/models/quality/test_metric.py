from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rightfit._core.errors import RightfitError
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.params import QualityBlock

LABELS = np.array([0, 0, 0, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], dtype=np.float32)


def metric_of(name: str) -> QualityMetric:
    return QualityMetric(name=name, worst=0.0, best=1.0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 3 / 4),
        ("balanced_accuracy", (2 / 3 + 1) / 2),
        ("roc_auc", 2 / 3),  # of three (no, yes) pairs two are in order
    ],
)
def test_score_by_hand(name: str, expected: float) -> None:
    assert metric_of(name).score(LABELS, PROBABILITIES) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        (QualityMetric(name="roc_auc", worst=0.5, best=1.0), "ROC AUC"),
        (QualityMetric(name="neg_root_mean_squared_error", worst=-9, best=0), "negative RMSE"),
        (
            QualityMetric(name="sklearn.metrics.mean_pinball_loss", worst=40, best=0),
            "negative mean pinball loss",
        ),
    ],
)
def test_title_is_what_a_raw_value_is_called(metric: QualityMetric, title: str) -> None:
    assert metric.title == title


def test_roc_auc_refuses_three_classes() -> None:
    with pytest.raises(ValueError, match="roc_auc needs two classes"):
        metric_of("roc_auc").score(LABELS, np.ones((4, 3), dtype=np.float32))


@pytest.mark.parametrize(("raw", "expected"), [(0.4, 0.0), (0.5, 0.0), (0.9, 0.8), (1.2, 1.0)])
def test_scale_clips_to_the_bounds(raw: float, expected: float) -> None:
    assert QualityMetric(name="accuracy", worst=0.5, best=1.0).scale(raw) == pytest.approx(expected)


def test_standard_error_grows_with_the_scale() -> None:
    metric = QualityMetric(name="accuracy", worst=0.5, best=1.0)

    assert metric.scale_error(0.03) == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("name", "worst", "best"),
    [
        ("neg_mean_absolute_error", 0, 2),
        ("rmse", 2, -1),
        ("accuracy", 50, 100),
        ("f1_macro", -1, 1),
        ("r2", 0, 1.5),
    ],
)
def test_bounds_that_a_metric_cannot_reach_are_refused(
    name: str, worst: float, best: float
) -> None:
    with pytest.raises(RightfitError, match="cannot reach worst="):
        QualityMetric(name=name, worst=worst, best=best)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("mae", "neg_mean_absolute_error"),
        ("log_loss", "neg_log_loss"),
        ("brier_score_loss", "neg_brier_score"),
        ("calibration_error", "neg_calibration_error"),
        ("r2", "r2"),
    ],
)
def test_a_loss_may_be_called_by_its_own_name(name: str, own: str) -> None:
    assert QualityBlock(name=name).name == own


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"name": "cost"}, "the metric cost needs costs"),
        ({"costs": [[0, 1], [5, 0], [1, 1]]}, "a row and a column for each class"),
        ({"costs": [[0, 1, 2], [5, 0, 2]]}, "a row and a column for each class"),
        ({"costs": [[1, 1], [5, 0]]}, "0 where the prediction is right"),
        ({"costs": [[0, 0], [5, 0]]}, "0 where the prediction is right"),
        ({"costs": [[0, 1], [5, 0]], "threshold": 0.2}, "costs choose the threshold"),
    ],
)
def test_costs_that_decide_nothing_are_refused(block: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QualityBlock(**block)


@pytest.mark.parametrize(
    ("raws", "n_warnings"),
    [([-50.0, -45.0], 1), ([-10.0, -50.0], 0), ([-1.0, -0.5], 1), ([], 0), ([-2.0], 0)],
)
def test_candidates_beyond_the_same_bound_are_told_of(
    caplog: pytest.LogCaptureFixture, raws: list[float], n_warnings: int
) -> None:
    QualityMetric(name="mae", worst=40, best=2).warn_where_flat(raws, dataset="flights")

    assert len(caplog.records) == n_warnings
