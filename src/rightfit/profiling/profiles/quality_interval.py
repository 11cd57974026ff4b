"""Confidence intervals of a quality, given the number of test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.quality.errors import resample, row_effects
from rightfit.quality.metric import QualityMetric

CONFIDENCE = 0.95
N_DRAWS = 4_000
# A bootstrap computes the metric on two million rows in all, but 200 times at least: one or two
# seconds for any scorer of scikit-learn and up to ten thousand rows.
N_BOOTSTRAP_ROWS, MIN_BOOTSTRAP_DRAWS, MAX_BOOTSTRAP_DRAWS = 2_000_000, 200, 1_000


def quality_interval(
    metric: QualityMetric, labels: npt.NDArray[Any], answers: npt.NDArray[Any], *, seed: int
) -> tuple[float, float]:
    """Return the 95 % interval of a raw quality over test sets of this size.

    Accuracy: Clopper and Pearson's exact interval. ROC AUC: DeLong's variance (Biometrics 44,
    1988) on the logit scale. Balanced accuracy: recalls drawn from Jeffreys' posterior of each
    class, whose intervals hold for small classes too (Brown, Cai and DasGupta, Statistical
    Science 16, 2001); a bootstrap would call a class of ten hits certain. Means of a loss a row and
    r2: the normal interval by the rows' influence. All others: a percentile bootstrap, within each
    class.

    Args:
        metric: The dataset's metric.
        labels: True class positions, or values in regression, shape (n_rows,).
        answers: Class probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1).
        seed: Seed of the draws.
    """
    if metric.name == "roc_auc":
        return _delong(labels, answers[:, 1])
    effects = row_effects(metric.name, metric.options, labels, answers)
    if effects is not None:
        return _normal(metric.score(labels, answers), effects)
    if metric.name not in ("accuracy", "balanced_accuracy"):
        return _bootstrap(metric, labels, answers, seed=seed)
    hits = metric.decide(answers).argmax(axis=1) == labels
    if metric.name == "accuracy":
        return share_interval(int(hits.sum()), len(hits))
    generator = np.random.default_rng(seed)
    recalls = [
        generator.beta(part.sum() + 0.5, (~part).sum() + 0.5, size=N_DRAWS)
        for part in (hits[labels == label] for label in np.unique(labels))
    ]
    return _middle(np.mean(recalls, axis=0))


def share_interval(n_hits: int, n_rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, Clopper and Pearson's (Biometrika 26, 1934).

    Args:
        n_hits: Rows that count.
        n_rows: All rows, at least 1.

    >>> low, high = share_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.308)
    """
    from scipy.stats import binomtest

    interval = binomtest(n_hits, n_rows).proportion_ci(CONFIDENCE, method="exact")
    return float(interval.low), float(interval.high)


def _normal(raw: float, effects: npt.NDArray[np.float64]) -> tuple[float, float]:
    from scipy.stats import norm

    half = float(norm.ppf((1 + CONFIDENCE) / 2) * effects.std() / np.sqrt(len(effects)))
    return raw - half, raw + half


def _bootstrap(
    metric: QualityMetric, labels: npt.NDArray[Any], answers: npt.NDArray[Any], *, seed: int
) -> tuple[float, float]:
    n_draws = min(MAX_BOOTSTRAP_DRAWS, max(MIN_BOOTSTRAP_DRAWS, N_BOOTSTRAP_ROWS // len(labels)))
    return _middle(
        resample(metric.score, labels, answers, n_draws=n_draws, n_rows=len(labels), seed=seed)
    )


def _middle(draws: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _delong(labels: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> tuple[float, float]:
    from scipy.stats import norm, rankdata

    positive = labels == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(scores)
    # Share of the other class each row is ranked above, from mid-ranks (Sun and Xu 2014).
    of_positive = (ranks[positive] - rankdata(scores[positive])) / n_negative
    of_negative = 1 - (ranks[~positive] - rankdata(scores[~positive])) / n_positive
    area = float(of_positive.mean())
    variance = of_positive.var(ddof=1) / n_positive + of_negative.var(ddof=1) / n_negative
    if not 0 < area < 1:
        return area, area
    spread = norm.ppf((1 + CONFIDENCE) / 2) * np.sqrt(variance) / (area * (1 - area))
    logit = np.log(area / (1 - area))
    low, high = (1 / (1 + np.exp(-(logit + sign * spread))) for sign in (-1, 1))
    return float(low), float(high)
