"""What a trial's quality will be at the end of its training.

From each look to the next, the qualities of a search's trials follow one straight line: a common
rise, and a slope below 1 where those that start late catch up. The lines are fitted to the trials
that have gone on; before any has, and a little ever after, earlier searches speak. A trial that
came out above its line at its last look is expected to do so once more, in part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit_search.searching.pausing.observed import Pool

Floats = npt.NDArray[np.float64]

# Chosen on 2026-11-25 on benchmarks/recorded and six of the foreign datasets, see the docs.
TREND = 0.4  # of what a trial was above its line at its last look, it will be at the next
RISE_WEIGHT = 0.5  # of the earlier searches' rise, in trials
SLOPE_WEIGHT = 5.0  # of their slope
SPREAD_WEIGHT = 3.0  # of their spread
NEAR = 1.0  # standard deviations behind the best third at which a trial counts for exp(-1/2)


@dataclass(frozen=True)
class StepPrior:
    """How qualities went from one look to the next in earlier searches.

    Args:
        rise: Of the better ones.
        slope: Quality at the next look for quality at this one.
        spread: Standard deviation around the line.
    """

    rise: float
    slope: float
    spread: float


QualityPrior = tuple[StepPrior, ...]  # the step to the end of the training comes last

UNKNOWN_QUALITY: QualityPrior = (
    StepPrior(0.15, 0.8, 0.1),
    StepPrior(0.08, 0.9, 0.06),
    StepPrior(0.05, 0.9, 0.04),
    StepPrior(0.02, 0.95, 0.02),
    StepPrior(0.01, 1.0, 0.01),
)


def project_quality(pool: Pool, prior: QualityPrior) -> tuple[Floats, Floats]:
    """Project the final quality of every trial.

    Args:
        pool: Trials with at least one look each.
        prior: Looks double up to the end, so its steps are counted back from there.

    Returns:
        Expected quality and its standard deviation, shape (n_trials,); the latter is 0 for those
        trained to the end.
    """
    n_steps = pool.n_checkpoints - 1
    quality = np.full((len(pool.trials), pool.n_checkpoints), np.nan)
    for row, trial in enumerate(pool.trials):
        quality[row, : len(trial.qualities)] = trial.qualities
    level = np.isfinite(quality).sum(axis=1)
    above = np.zeros((len(level), n_steps))  # of its line, at each look after the first
    value, variance = quality[np.arange(len(level)), level - 1], np.zeros(len(level))
    for step in range(n_steps):
        earlier = prior[-min(n_steps - step, len(prior))]
        intercept, slope, around = _fit_line(quality, above, step, earlier)
        coming = level <= step + 1
        value[coming] = intercept + slope * value[coming]
        variance[coming] = slope**2 * variance[coming] + around
        if step:
            at_step = level == step + 1
            value[at_step] += TREND * above[at_step, step - 1]
    return value, np.sqrt(variance)


def _fit_line(
    quality: Floats, above: Floats, step: int, earlier: StepPrior
) -> tuple[float, float, float]:
    """Fit the line of one step, and note in ``above`` by how much each trial came out above it.

    Returns:
        Intercept, slope, and variance around the line.
    """
    reached = quality[np.isfinite(quality[:, step]), step]
    if not len(reached):
        return earlier.rise, 1.0, earlier.spread**2
    gone_on = np.isfinite(quality[:, step + 1])
    x, y = quality[gone_on, step], quality[gone_on, step + 1]
    top = float(np.sort(reached)[-max(len(reached) // 3, 1) :].mean())
    behind = np.maximum(top - x, 0.0) / (float(np.std(reached)) + 1e-9)
    count = np.exp(-(behind**2) / (2 * NEAR**2))
    n_seen = float(count.sum())
    weight = SLOPE_WEIGHT * float(np.var(reached)) + 1e-9
    products, squares = 0.0, 0.0
    if len(x):
        away = x - np.average(x, weights=count)
        products = float(count @ (away * (y - np.average(y, weights=count))))
        squares = float(count @ away**2)
    slope = (weight * earlier.slope + products) / (weight + squares)
    expected = top + earlier.rise - slope * top
    residual_sum = float(count @ (y - slope * x))
    intercept = (RISE_WEIGHT * expected + residual_sum) / (RISE_WEIGHT + n_seen)
    missed = y - intercept - slope * x
    above[gone_on, step] = missed
    if step:
        missed = missed - TREND * above[gone_on, step - 1]
    total = SPREAD_WEIGHT * earlier.spread**2 + float(count @ missed**2)
    return intercept, slope, total / (SPREAD_WEIGHT + n_seen)
