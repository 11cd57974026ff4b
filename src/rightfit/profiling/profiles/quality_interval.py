"""Confidence intervals of a quality, given the number of test rows."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.profiling.distributions import beta_quantile
from rightfit.quality.metric import QualityMetric
from rightfit.quality.standard_errors import find_contributions, resample

CONFIDENCE = 0.95
Z_95 = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
N_DRAWS = 4_000
# A bootstrap computes the metric on two million rows in all, but 200 times at least: one or two
# seconds for any scorer of scikit-learn and up to ten thousand rows.
N_BOOTSTRAP_ROWS, MIN_BOOTSTRAP_DRAWS, MAX_BOOTSTRAP_DRAWS = 2_000_000, 200, 1_000


def quality_interval(
    metric: QualityMetric, targets: npt.NDArray[Any], predictions: npt.NDArray[Any], *, seed: int
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
        targets: True class positions, or values in regression, shape (n_rows,).
        predictions: Class probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1).
        seed: Seed of the draws.
    """
    if metric.name in ("accuracy", "balanced_accuracy"):
        hits = metric.decide(predictions).argmax(axis=1) == targets
        if metric.name == "accuracy":
            return share_interval(int(hits.sum()), len(hits))
        generator = np.random.default_rng(seed)
        recalls = [
            generator.beta(part.sum() + 0.5, (~part).sum() + 0.5, size=N_DRAWS)
            for part in (hits[targets == label] for label in np.unique(targets))
        ]
        return _middle(np.mean(recalls, axis=0))
    contributions = find_contributions(metric, targets, predictions)
    if contributions is None:
        n_rows = len(targets)
        n_draws = min(MAX_BOOTSTRAP_DRAWS, max(MIN_BOOTSTRAP_DRAWS, N_BOOTSTRAP_ROWS // n_rows))
        draws = resample(metric, targets, predictions, n_draws=n_draws, n_rows=n_rows, seed=seed)
        return _middle(draws)
    raw, error = metric.score(targets, predictions), float(np.sqrt((contributions**2).sum()))
    half_width = Z_95 * error
    if metric.name != "roc_auc":
        return raw - half_width, raw + half_width
    if not 0 < raw < 1:
        return raw, raw
    logit, on_logits = np.log(raw / (1 - raw)), half_width / (raw * (1 - raw))
    low, high = (1 / (1 + np.exp(-(logit + side * on_logits))) for side in (-1, 1))
    return float(low), float(high)


def share_interval(n_hits: int, n_rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, Clopper and Pearson's (Biometrika 26, 1934).

    Args:
        n_hits: Rows that count.
        n_rows: All rows, at least 1.

    >>> low, high = share_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.308)
    """
    tail, n_misses = (1 - CONFIDENCE) / 2, n_rows - n_hits
    low = beta_quantile(tail, n_hits, n_misses + 1) if n_hits else 0.0
    high = beta_quantile(1 - tail, n_hits + 1, n_misses) if n_misses else 1.0
    return low, high


def _middle(draws: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
