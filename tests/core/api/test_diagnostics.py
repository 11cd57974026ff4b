"""Diagnostics of a winner are scikit-learn's figures, computed from its stored predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from factories.stored_predictions import predict, store_profiles

import rightfit as rf
from rightfit.api.diagnostics import Diagnostics

APPLICATION = {"objectives": {"quality": {"weight": 1, "worst": 0.0, "best": 1.0}}}


def draw_case(seed: int) -> Diagnostics:
    """Draw the predictions of a classifier of two to four classes; some are tied."""
    random = np.random.default_rng(seed)
    n_classes = 2 + seed % 3
    predictions = random.dirichlet(np.ones(n_classes), 500).round(2).astype(np.float32)
    targets = np.array([random.choice(n_classes, p=row / row.sum()) for row in predictions])
    return Diagnostics("classification", targets, predictions)


@pytest.mark.parametrize("seed", range(10))
def test_classification_agrees_with_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    from sklearn.calibration import calibration_curve

    case = draw_case(seed)
    likeliest = case.predictions.argmax(axis=1)
    is_two = case.predictions.shape[1] == 2
    hits = case.targets if is_two else case.targets == likeliest
    scores = (case.predictions[:, 1] if is_two else case.predictions.max(axis=1)).astype(float)
    observed, predicted = calibration_curve(hits, scores, n_bins=10)

    assert case.residuals is None
    assert case.calibration is not None
    np.testing.assert_array_equal(
        case.confusion_matrix, metrics.confusion_matrix(case.targets, likeliest)
    )
    np.testing.assert_allclose(case.calibration.observed, observed, rtol=1e-12)
    np.testing.assert_allclose(case.calibration.predicted, predicted, rtol=1e-12)
    assert case.calibration.n_rows.sum() == 500
    assert (case.thresholds is not None) == is_two
    if case.thresholds is not None:
        precision, recall, thresholds = metrics.precision_recall_curve(case.targets, scores)
        np.testing.assert_allclose(case.thresholds.thresholds, thresholds, rtol=1e-12)
        np.testing.assert_allclose(case.thresholds.precision, precision[:-1], rtol=1e-12)
        np.testing.assert_allclose(case.thresholds.recall, recall[:-1], rtol=1e-12)


def test_regression_has_residuals_alone() -> None:
    case = Diagnostics("regression", np.array([1.0, 2.0]), np.array([[0.5], [3.0]], np.float32))

    assert case.confusion_matrix is None
    assert case.calibration is None
    assert case.thresholds is None
    np.testing.assert_array_equal(case.residuals, [0.5, -1.0])


def test_winner_is_shown_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    values = {"linear-1": predict({}, seed=1)}
    ranking = rf.rank(store_profiles(tmp_path, values), {"web": APPLICATION})

    shown = ranking.diagnostics("web")

    np.testing.assert_allclose(shown.predictions, values["linear-1"], rtol=1e-6)
    assert list(shown.plot()) == ["confusion_matrix", "calibration", "thresholds"]
    with pytest.raises(rf.RightfitError, match="were not kept"):
        rf.rank(rf.Profiles(ranking.profiles.table), {"web": APPLICATION}).diagnostics()
