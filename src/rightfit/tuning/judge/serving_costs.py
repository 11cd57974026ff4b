"""What a model will cost to serve, learnt from the structures measured so far.

Timing an export at every checkpoint would cost more than stopping saves. What a cell's models cost
follows from a few counts (parameters, operations, trees), with coefficients that depend on the
machine, the runtime and the library: they are fitted to what this search has measured. Times and
memory never fall when a model grows, so coefficients are kept at 0 or above (non-negative least
squares; Lawson and Hanson, 1974), and errors are relative.

A timing differs from the next one of the same model by more than two similar models differ in
truth. What counts for a choice is the truth, so timings are smoothed by the fit, and a prediction's
error is that of the fit, not of one more timing. Sizes and peak memory repeat: they stay as
measured, and what the fit misses by is its own error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.tuning.judge.estimate import Estimate, pool_spread
from rightfit.tuning.judge.observed import ObservedTrial, Serving, Structure

Floats = npt.NDArray[np.float64]

PRIOR_SPREAD = 0.25  # of the logarithm: what fits of this kind usually miss by
PRIOR_WEIGHT = 1.0
MIN_SPREAD = 0.02  # no timing repeats better than this
LACK_OF_FIT = 0.1  # share of the variance around a fit of timings that is the fit's own fault
REPEATABLE = ("model_size_mib", "peak_memory_mib", "peak_memory_one_row_mib", "model_memory_mib")
N_FOR_A_FIT = 3  # models measured
N_NULLS = 3  # a metric that was null so often in a serving configuration will be so again


class ServingCosts:
    """The cost model of one cell.

    Args:
        metrics: Columns to predict.
        servings: Serving configurations to predict them for.
    """

    def __init__(self, metrics: Sequence[str], servings: Sequence[Serving]) -> None:
        self._metrics = tuple(metrics)
        self._servings = tuple(servings)
        self._names: tuple[str, ...] = ()
        self._rises = np.array([METRICS_BY_COLUMN[m].better == "lower" for m in metrics], bool)
        self._repeats = [metric in REPEATABLE for metric in metrics]
        self._fits: dict[tuple[int, int], Fit] = {}
        self._seen: dict[tuple[int, int], tuple[Floats, Floats]] = {}
        self._unmeasurable: set[tuple[int, int]] = set()

    def learn(self, trials: Sequence[ObservedTrial]) -> None:
        """Fit the costs of measured trials, in place of whatever was learnt before."""
        measured = [t for t in trials if t.served and t.last.structure is not None]
        self._names = tuple(sorted(measured[0].last.structure or {})) if measured else ()
        self._fits, self._seen, self._unmeasurable = {}, {}, set()
        for s, serving in enumerate(self._servings):
            served = [t for t in measured if serving in t.served]
            counts = np.array([self._counts(t.last.structure or {}) for t in served])
            for m, metric in enumerate(self._metrics):
                values = [t.served[serving].get(metric) for t in served]
                self._learn_one(s, m, counts, np.array(values, dtype=np.float64))

    def predict(self, structure: Structure | None) -> Estimate:
        """Return what a model of a structure will cost.

        Args:
            structure: Its counts; ``None`` while they are not known.

        Returns:
            Estimates, shape (n_servings, n_metrics).
        """
        shape = (len(self._servings), len(self._metrics))
        value, spread, dof = np.ones(shape), np.full(shape, np.inf), np.full(shape, np.inf)
        for cell in self._unmeasurable:
            value[cell], spread[cell] = np.nan, 0.0
        if structure is not None and self._names:
            counts = self._counts(structure)
            for cell, (seen, values) in self._seen.items():
                rises = bool(self._rises[cell[1]])
                value[cell], spread[cell], dof[cell] = _bracket(counts, seen, values, rises=rises)
            for cell, fit in self._fits.items():
                cost = fit.predict(counts)
                value[cell] = cost if self._rises[cell[1]] else 1 / cost
                spread[cell] = fit.spread_at(counts, is_exact=self._repeats[cell[1]])
                dof[cell] = fit.dof
        return Estimate(value, spread, dof)

    def smooth(
        self, structure: Structure, serving: Serving, served: Mapping[str, float]
    ) -> dict[str, float]:
        """Return a profile whose timings are averaged with what the fit says of them.

        Args:
            structure: The measured model's counts.
            serving: How it was served.
            served: What was measured.
        """
        smoothed = dict(served)
        s = self._servings.index(serving)
        counts = self._counts(structure) if self._names else np.zeros(0)
        for m, metric in enumerate(self._metrics):
            fit = self._fits.get((s, m))
            if fit is None or self._repeats[m] or metric not in served or served[metric] <= 0:
                continue
            cost = fit.predict(counts)
            fitted = cost if self._rises[m] else 1 / cost
            share = fit.share_at(counts)
            smoothed[metric] = float(fitted ** (1 - share) * served[metric] ** share)
        return smoothed

    def _counts(self, structure: Structure) -> Floats:
        return np.array([structure[name] for name in self._names])

    def _learn_one(self, s: int, m: int, counts: Floats, values: Floats) -> None:
        usable = values > 0  # NaN is not
        n_usable = int(usable.sum())
        if n_usable == 0 and len(values) >= N_NULLS:
            self._unmeasurable.add((s, m))
        elif 0 < n_usable < N_FOR_A_FIT:
            self._seen[s, m] = (counts[usable], values[usable])
        elif n_usable:
            costs = values[usable] if self._rises[m] else 1 / values[usable]
            self._fits[s, m] = fit_costs(counts[usable], costs)


@dataclass(frozen=True)
class Fit:
    """``cost = coefficients · (1, counts)`` with relative errors.

    Args:
        coefficients: At least 0 each; the first is what an empty model would cost.
        spread: Standard deviation of the logarithm of costs around the fit.
        dof: Its degrees of freedom.
        covariance: Of the coefficients that are not 0, in units of ``spread`` squared.
    """

    coefficients: Floats
    spread: float
    dof: float
    covariance: Floats

    def predict(self, counts: Floats) -> float:
        """Return the cost of a structure."""
        return float(self.coefficients[0] + self.coefficients[1:] @ counts)

    def leverage(self, counts: Floats) -> float:
        """Return the error of the fit itself at a structure, as a share of ``spread`` squared."""
        active = self.coefficients > 0
        row = np.concatenate([[1.0], counts])[active] / self.predict(counts)
        return float(row @ self.covariance @ row)

    def spread_at(self, counts: Floats, *, is_exact: bool) -> float:
        """Return the error of a prediction: of one more value (exact ones), or of the truth."""
        share = self.leverage(counts) + (1.0 if is_exact else LACK_OF_FIT)
        return max(self.spread * math.sqrt(share), MIN_SPREAD)

    def share_at(self, counts: Floats) -> float:
        """Return the weight of one measured value against the fit, by their variances."""
        of_fit = self.leverage(counts) + LACK_OF_FIT
        return of_fit / (of_fit + 1.0)


def fit_costs(counts: Floats, costs: Floats) -> Fit:
    """Fit costs to counts by non-negative least squares of relative errors.

    Args:
        counts: Shape (n_models, n_counts).
        costs: Shape (n_models,), positive.
    """
    from scipy.optimize import nnls

    design = np.column_stack([np.ones(len(costs)), counts])
    scale = design.max(axis=0)
    relative = design / scale / costs[:, None]
    coefficients, _ = nnls(relative, np.ones(len(costs)))
    active = coefficients > 0
    squares = float(np.sum(np.log(relative @ coefficients) ** 2))
    spread, dof = pool_spread(
        squares,
        len(costs) - int(active.sum()),
        prior=PRIOR_SPREAD,
        prior_weight=PRIOR_WEIGHT,
    )
    information = relative[:, active].T @ relative[:, active]
    covariance = np.linalg.pinv(information) / np.outer(scale[active], scale[active])
    return Fit(coefficients / scale, spread, dof, covariance)


def _bracket(
    counts: Floats, seen: Floats, values: Floats, *, rises: bool
) -> tuple[float, float, float]:
    """Estimate from one or two models: costs lie between equal and proportional to the counts."""
    logs = np.log(counts / seen)  # shape (n_seen, n_counts)
    nearest = int(np.abs(logs).max(axis=1).argmin())
    lowest, highest = min(logs[nearest].min(), 0.0), max(logs[nearest].max(), 0.0)
    half = (highest - lowest) / 2
    middle = (highest + lowest) / 2
    value = float(values[nearest] * np.exp(middle if rises else -middle))
    return value, float(np.hypot(half, PRIOR_SPREAD)), PRIOR_WEIGHT + 1
