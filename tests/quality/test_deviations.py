from __future__ import annotations

import numpy as np
import pytest

from rightfit.profiling.profiles.prediction_quality import find_final_rows
from rightfit.quality.deviations import find_deviations, pack_deviations, unpack_deviations
from rightfit.quality.metric import QualityMetric

pytestmark = pytest.mark.whole

N_ROWS = 800


def answers_of(labels: np.ndarray, *, noise: float, seed: int) -> np.ndarray:
    """Probabilities of two classes: some rows are hard for everybody."""
    hard = np.random.default_rng(0).normal(size=len(labels))
    own = np.random.default_rng(seed).normal(size=len(labels))
    score = 1 / (1 + np.exp(-(2 * labels - 1 + hard + noise * own)))
    return np.column_stack([1 - score, score]).astype(np.float32)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "roc_auc", "neg_log_loss", "f1"])
def test_correlation_of_deviations_is_that_of_the_qualities_over_samples(name: str) -> None:
    labels = (np.random.default_rng(1).uniform(size=N_ROWS) < 0.3).astype(np.int64)
    metric = QualityMetric(name=name, worst=0.0, best=1.0)
    both = [answers_of(labels, noise=noise, seed=seed) for noise, seed in ((0.3, 2), (0.8, 3))]
    rng = np.random.default_rng(4)
    drawn = [rng.integers(N_ROWS, size=N_ROWS) for _ in range(150)]
    sampled = np.corrcoef([[metric.score(labels[i], one[i]) for i in drawn] for one in both])[0, 1]

    found = np.corrcoef([find_deviations(metric, labels, one) for one in both])[0, 1]

    # a bootstrap keeps each class' share, which both would have had in common
    assert found == pytest.approx(sampled, abs=0.25 if name == "f1" else 0.12)
    assert 0.2 < found < 0.99


@pytest.mark.parametrize(
    "metric",
    [
        QualityMetric(name="balanced_accuracy", worst=0.0, best=1.0),
        QualityMetric(name="roc_auc", worst=0.0, best=1.0),
        QualityMetric(name="neg_log_loss", worst=1.0, best=0.0),
        QualityMetric(name="accuracy", worst=0.0, best=1.0),
        QualityMetric(name="accuracy", worst=0.0, best=1.0, threshold=0.2),
    ],
    ids=lambda metric: f"{metric.name}-{metric.threshold}",
)
def test_deviations_have_the_standard_error_of_the_metric(metric: QualityMetric) -> None:
    labels = (np.random.default_rng(1).uniform(size=N_ROWS) < 0.3).astype(np.int64)
    answers = answers_of(labels, noise=1.0, seed=2)
    rng = np.random.default_rng(3)
    drawn = [rng.integers(N_ROWS, size=N_ROWS) for _ in range(400)]

    deviations = find_deviations(metric, labels, answers)

    expected = np.std([metric.score(labels[i], answers[i]) for i in drawn])
    assert np.sqrt((deviations**2).sum()) == pytest.approx(expected, rel=0.15)


def test_many_rows_are_added_up_alike_for_all_candidates() -> None:
    labels = (np.random.default_rng(1).uniform(size=5_000) < 0.5).astype(np.int64)
    metric = QualityMetric(name="accuracy", worst=0.0, best=1.0)
    one, other = (answers_of(labels, noise=0.5, seed=seed) for seed in (2, 3))
    hits = [answers.argmax(axis=1) == labels for answers in (one, other)]

    deviations = [find_deviations(metric, labels, answers) for answers in (one, other)]

    assert len(deviations[0]) == 1_000
    assert np.corrcoef(deviations)[0, 1] == pytest.approx(np.corrcoef(hits)[0, 1], abs=0.06)


def test_deviations_survive_a_table() -> None:
    deviations = np.random.default_rng(0).normal(size=100)

    kept = unpack_deviations(pack_deviations(deviations))

    assert np.corrcoef(kept, deviations)[0, 1] > 0.999_99


@pytest.mark.parametrize("labels", [np.repeat([0, 1, 2], [900, 90, 2]), np.linspace(0, 1, 992)])
def test_final_rows_hold_their_share_of_every_class_and_never_all_of_one(
    labels: np.ndarray,
) -> None:
    final = find_final_rows(labels, share=0.33, min_rows=500)

    assert final.sum() == pytest.approx(0.33 * len(labels), abs=3)
    assert (final == find_final_rows(labels, share=0.33, min_rows=500)).all()
    assert len(np.unique(labels[~final])) >= 3
    assert not find_final_rows(labels, share=0.33, min_rows=1_000).any()
