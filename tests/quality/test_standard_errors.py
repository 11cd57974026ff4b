"""Standard errors by formula are what sampling shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rightfit.profiling.profiles import quality_interval as intervals
from rightfit.profiling.profiles.quality_interval import quality_interval
from rightfit.quality.metric import QualityMetric
from rightfit.quality.standard_errors import resample, row_effects

pytestmark = pytest.mark.whole


def draw_values(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Values, and answers with errors that are larger for large values."""
    rng = np.random.default_rng(4)
    values = rng.gamma(2.0, 10.0, n)
    return values, (values + rng.normal(0, 2 + 0.3 * values))[:, None].astype(np.float32)


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bootstrap as often as on the largest tables: the fewest draws, and the least exact."""
    monkeypatch.setattr(intervals, "MAX_BOOTSTRAP_DRAWS", intervals.MIN_BOOTSTRAP_DRAWS)


def error_of(metric: QualityMetric, labels: np.ndarray, answers: np.ndarray) -> float:
    return metric.error(labels, answers, raw=metric.score(labels, answers))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("r2", {}),
        ("neg_mean_absolute_error", {}),
        ("neg_mean_squared_error", {}),
        ("neg_root_mean_squared_error", {}),
        ("neg_mean_pinball_loss", {"alpha": 0.8}),
    ],
)
def test_error_by_formula_is_that_of_a_bootstrap(name: str, options: dict[str, Any]) -> None:
    metric = QualityMetric(name=name, worst=0.0, best=1.0, options=options)
    values, answers = draw_values(1_000)

    drawn = resample(metric.score, values, answers, n_draws=400, n_rows=1_000, seed=1)

    assert error_of(metric, values, answers) == pytest.approx(drawn.std(), rel=0.15)


def test_effects_of_the_log_loss_are_that_of_a_bootstrap() -> None:
    metric = QualityMetric(name="neg_log_loss", worst=-1.0, best=0.0)
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 800)
    yes = 1 / (1 + np.exp(-(labels - 0.5 + rng.normal(0, 1, 800))))
    answers = np.stack([1 - yes, yes], axis=1)

    drawn = resample(metric.score, labels, answers, n_draws=300, n_rows=800, seed=1)

    assert error_of(metric, labels, answers) == pytest.approx(drawn.std(), rel=0.15)


def test_error_without_a_formula_is_about_right_on_a_part_of_the_rows() -> None:
    metric = QualityMetric(name="neg_median_absolute_error", worst=-10.0, best=0.0)
    values, answers = draw_values(4_000)
    drawn = resample(metric.score, values, answers, n_draws=300, n_rows=4_000, seed=1)

    assert row_effects(metric.name, {}, values, answers) is None
    assert error_of(metric, values, answers) == pytest.approx(drawn.std(), rel=0.5)


def test_resampling_keeps_every_class() -> None:
    labels = np.array([0] * 98 + [1] * 2)
    seen = []

    def score(labels: np.ndarray, answers: np.ndarray) -> float:
        seen.append(np.bincount(labels).tolist())
        return 0.0

    resample(score, labels, np.zeros((100, 2)), n_draws=3, n_rows=100, seed=0)

    assert seen == [[98, 2]] * 3


@pytest.mark.parametrize(
    ("name", "n_samples"),
    [("r2", 60), ("neg_median_absolute_error", 10)],  # a formula; resampling, which takes long
)
def test_interval_covers_the_truth_about_as_often_as_it_says(
    name: str, n_samples: int, few_draws: None
) -> None:
    metric = QualityMetric(name=name, worst=-10.0, best=1.0)
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
