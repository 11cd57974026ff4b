from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rightfit.measuring.profiles import prediction_quality as intervals
from rightfit.measuring.profiles.prediction_quality import find_final_rows, quality_interval
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.standard_errors import (
    find_contributions,
    find_deviations,
    pack_deviations,
    resample,
    standard_error,
    unpack_deviations,
)

pytestmark = pytest.mark.whole

N_ROWS = 800
N_DRAWS = 160  # a standard deviation is within 6 % of them, at rel=0.15 below


def make_metric(name: str, **options: Any) -> QualityMetric:
    """Return a metric whose bounds are 1 apart."""
    best = 0.0 if name.startswith("neg_") else 1.0
    return QualityMetric(name=name, worst=best - 1, best=best, options=options)


def answers_of(labels: np.ndarray, *, noise: float, seed: int) -> np.ndarray:
    """Probabilities of two classes: some rows are hard for everybody."""
    hard = np.random.default_rng(0).normal(size=len(labels))
    own = np.random.default_rng(seed).normal(size=len(labels))
    score = 1 / (1 + np.exp(-(2 * labels - 1 + hard + noise * own)))
    return np.column_stack([1 - score, score]).astype(np.float32)


@pytest.mark.parametrize(
    "name",
    ["accuracy", "balanced_accuracy", "roc_auc", "neg_log_loss", "f1", "average_precision"],
)
def test_correlation_of_deviations_is_that_of_the_qualities_over_samples(name: str) -> None:
    labels = (np.random.default_rng(1).uniform(size=N_ROWS) < 0.3).astype(np.int64)
    metric = make_metric(name)
    both = [answers_of(labels, noise=noise, seed=seed) for noise, seed in ((0.3, 2), (0.8, 3))]
    rng = np.random.default_rng(4)
    drawn = [rng.integers(N_ROWS, size=N_ROWS) for _ in range(150)]
    sampled = np.corrcoef([[metric.score(labels[i], one[i]) for i in drawn] for one in both])[0, 1]

    found = np.corrcoef([find_deviations(metric, labels, one) for one in both])[0, 1]

    # a bootstrap keeps each class' share, which both would have had in common
    assert found == pytest.approx(
        sampled, abs=0.25 if name in ("f1", "average_precision") else 0.12
    )
    assert 0.2 < found < 0.99


@pytest.mark.parametrize(
    "metric",
    [
        QualityMetric(name="balanced_accuracy", worst=0.0, best=1.0),
        QualityMetric(name="roc_auc", worst=0.0, best=1.0),
        QualityMetric(name="neg_log_loss", worst=1.0, best=0.0),
        QualityMetric(name="accuracy", worst=0.0, best=1.0),
        QualityMetric(name="accuracy", worst=0.0, best=1.0, threshold=0.2),
        QualityMetric(name="cost", worst=1.0, best=0.0, costs=[[0, 1], [4, 0]]),
    ],
    ids=lambda metric: f"{metric.name}-{metric.threshold}",
)
def test_deviations_have_the_standard_error_of_the_metric(metric: QualityMetric) -> None:
    labels = (np.random.default_rng(1).uniform(size=N_ROWS) < 0.3).astype(np.int64)
    answers = answers_of(labels, noise=1.0, seed=2)
    rng = np.random.default_rng(3)
    drawn = [rng.integers(N_ROWS, size=N_ROWS) for _ in range(N_DRAWS)]

    deviations = find_deviations(metric, labels, answers)

    expected = np.std([metric.score(labels[i], answers[i]) for i in drawn])
    assert np.sqrt((deviations**2).sum()) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize(
    "name",
    [
        "matthews_corrcoef",
        "jaccard_macro",
        "jaccard_micro",
        "f1_macro",
        "f1_micro",
        "f1_weighted",
        "precision_weighted",
        "roc_auc_ovr",
        "roc_auc_ovo",
        "roc_auc_ovr_weighted",
        "roc_auc_ovo_weighted",
        "d2_brier_score",
        "d2_log_loss_score",
        "average_precision",
        "top_k_accuracy",
    ],
)
def test_formula_for_several_classes_is_the_spread_over_samples(name: str) -> None:
    metric = QualityMetric(name=name, worst=0.0, best=1.0)
    rng = np.random.default_rng(1)
    labels = rng.choice(4, size=N_ROWS, p=[0.5, 0.3, 0.15, 0.05])
    answers = (rng.dirichlet(np.ones(4), size=N_ROWS) + np.eye(4)[labels] * 0.4) / 1.4
    drawn = [rng.integers(N_ROWS, size=N_ROWS) for _ in range(N_DRAWS)]

    effects = find_contributions(metric, labels, answers)

    assert effects is not None
    expected = np.std([metric.score(labels[i], answers[i]) for i in drawn])
    assert np.sqrt((effects**2).sum()) == pytest.approx(expected, rel=0.15)


def test_correlation_of_a_constant_prediction_has_no_error() -> None:
    metric = QualityMetric(name="matthews_corrcoef", worst=0.0, best=1.0)

    effects = find_contributions(metric, np.array([0, 1, 1]), np.array([[0.9, 0.1]] * 3))

    assert effects is not None
    assert not effects.any()


def test_average_precision_without_a_positive_row_has_no_error() -> None:
    metric = QualityMetric(name="average_precision", worst=0.0, best=1.0)

    effects = find_contributions(metric, np.zeros(3, np.int64), np.array([[0.9, 0.1]] * 3))

    assert effects is not None
    assert not effects.any()


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
    assert len(np.unique(labels[final])) >= 3
    assert not find_final_rows(labels, share=0.33, min_rows=1_000).any()
    assert not find_final_rows(labels, share=0.0, min_rows=500).any()


def test_rows_with_a_class_of_one_row_are_not_divided() -> None:
    labels = np.repeat([0, 1], [999, 1])

    assert not find_final_rows(labels, share=0.33, min_rows=500).any()


def test_r2_of_rows_of_one_value_has_no_error() -> None:
    metric = QualityMetric(name="r2", worst=0.0, best=1.0)
    labels, answers = np.zeros(50), np.linspace(0, 1, 50)[:, None]

    assert not find_deviations(metric, labels, answers).any()
    assert quality_interval(metric, labels, answers, seed=0) == (0.0, 0.0)


@pytest.mark.parametrize("margin", [0.4, 1.6])
@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "roc_auc"])
def test_standard_error_is_the_spread_over_samples_of_rows(name: str, margin: float) -> None:
    metric = QualityMetric(name=name, worst=0.0, best=1.0)
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [300, 100])

    def sample() -> tuple[float, float]:
        margins = rng.normal(size=len(labels)) + np.where(labels == 1, margin, -margin)
        yes = 1 / (1 + np.exp(-margins))
        answers = np.stack([1 - yes, yes], axis=1).astype(np.float32)
        return metric.score(labels, answers), standard_error(metric, labels, answers)

    raw, errors = np.array([sample() for _ in range(1_000)]).T

    assert np.mean(errors) == pytest.approx(np.std(raw), rel=0.1)


def draw_values(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Values, and answers with errors that are larger for large values."""
    rng = np.random.default_rng(4)
    values = rng.gamma(2.0, 10.0, n)
    return values, (values + rng.normal(0, 2 + 0.3 * values))[:, None].astype(np.float32)


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bootstrap as often as on the largest tables: the fewest draws, and the least exact."""
    monkeypatch.setattr(intervals, "MAX_BOOTSTRAP_DRAWS", intervals.MIN_BOOTSTRAP_DRAWS)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("r2", {}),
        ("neg_mean_absolute_error", {}),
        ("neg_mean_squared_error", {}),
        ("neg_root_mean_squared_error", {}),
        ("neg_mean_pinball_loss", {"alpha": 0.8}),
        ("explained_variance", {}),
        ("d2_absolute_error_score", {}),
        ("neg_mean_absolute_percentage_error", {}),
        ("neg_mean_squared_log_error", {}),
        ("neg_root_mean_squared_log_error", {}),
        ("neg_mean_poisson_deviance", {}),
        ("neg_mean_gamma_deviance", {}),
    ],
)
def test_error_by_formula_is_that_of_a_bootstrap(name: str, options: dict[str, Any]) -> None:
    metric = make_metric(name, **options)
    values, answers = draw_values(1_000)
    answers = np.abs(answers)  # logarithms and deviances take no others

    drawn = resample(metric, values, answers, n_draws=N_DRAWS, n_rows=1_000, seed=1)

    assert standard_error(metric, values, answers) == pytest.approx(drawn.std(), rel=0.15)


@pytest.mark.parametrize(
    "name",
    [
        "neg_log_loss",
        "neg_brier_score",
        "roc_auc_ovr_weighted",
    ],
)
def test_effects_of_a_mean_over_rows_are_that_of_a_bootstrap(name: str) -> None:
    metric = make_metric(name)
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 800)
    yes = 1 / (1 + np.exp(-(labels - 0.5 + rng.normal(0, 1, 800))))
    answers = np.stack([1 - yes, yes], axis=1)

    drawn = resample(metric, labels, answers, n_draws=N_DRAWS, n_rows=800, seed=1)

    assert standard_error(metric, labels, answers) == pytest.approx(drawn.std(), rel=0.15)


def test_error_without_a_formula_is_about_right_on_a_part_of_the_rows() -> None:
    metric = QualityMetric(name="neg_median_absolute_error", worst=-10.0, best=0.0)
    values, answers = draw_values(4_000)
    drawn = resample(metric, values, answers, n_draws=N_DRAWS, n_rows=4_000, seed=1)

    assert find_contributions(metric, values, answers) is None
    assert standard_error(metric, values, answers) == pytest.approx(drawn.std(), rel=0.5)


def test_resampling_is_quiet() -> None:
    labels = np.array([0, 0, 1, 1])
    never = np.tile([0.9, 0.1], (4, 1))
    metric = QualityMetric(name="precision", worst=0.0, best=1.0)

    assert resample(metric, labels, never, n_draws=2, n_rows=4, seed=0).tolist() == [0.0, 0.0]


def test_resampling_keeps_every_class() -> None:
    labels = np.array([0] * 98 + [1] * 2)
    seen = []

    def score(labels: np.ndarray, answers: np.ndarray) -> float:
        seen.append(np.bincount(labels).tolist())
        return 0.0

    metric = QualityMetric.of_function(score, name="seen")
    resample(metric, labels, np.zeros((100, 2)), n_draws=3, n_rows=100, seed=0)

    assert seen == [[98, 2]] * 3


@pytest.mark.parametrize(
    ("name", "n_samples"),
    [("r2", 60), ("neg_median_absolute_error", 10)],  # a formula; resampling, which takes long
)
def test_interval_covers_the_truth_about_as_often_as_it_says(
    name: str, n_samples: int, few_draws: None
) -> None:
    metric = QualityMetric(name=name, worst=-10.0, best=0.0 if name.startswith("neg_") else 1.0)
    values, answers = draw_values(60_000)
    truth = metric.score(values, answers)
    samples = [
        quality_interval(metric, values[part], answers[part], seed=0)
        for part in np.arange(60_000).reshape(60, 1_000)[:n_samples]
    ]

    covered = np.mean([low <= truth <= high for low, high in samples])

    assert covered >= 0.85


def test_interval_is_the_same_again(few_draws: None) -> None:
    metric = QualityMetric(name="explained_variance", worst=0.0, best=1.0)
    values, answers = draw_values(300)

    one, other = (quality_interval(metric, values, answers, seed=5) for _ in range(2))

    assert one == other
    assert one[0] < metric.score(values, answers) < one[1]


@pytest.mark.parametrize("name", ["f1", "precision", "recall", "f1_macro", "recall_macro"])
def test_influence_on_ratios_agrees_with_a_bootstrap(name: str) -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2 if "_" not in name else 3, 600)
    scores = np.eye(labels.max() + 1)[labels] + generator.normal(0, 0.6, (600, labels.max() + 1))
    answers = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    metric = QualityMetric(name=name, worst=0.0, best=1.0)

    effects = find_contributions(metric, labels, answers)
    drawn = generator.integers(0, 600, (N_DRAWS, 600))
    draws = [metric.score(labels[rows], answers[rows]) for rows in drawn]

    assert effects is not None
    assert np.sqrt((effects**2).sum()) == pytest.approx(np.std(draws), rel=0.15)
