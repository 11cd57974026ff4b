"""What a model will cost to serve, learnt from the structures measured so far.

Timing an export at every checkpoint would cost more than stopping saves. What a cell's models cost
follows from a few counts (parameters, operations, trees), with coefficients that depend on the
machine, the runtime and the library: they are fitted to what this search has measured. Times and
memory never fall when a model grows, so coefficients are kept at 0 or above (non-negative least
squares; Lawson and Hanson, 1974), and errors are relative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.tuning.estimate import Estimate, pool_spread
from rightfit.tuning.observed import ObservedTrial, Serving, Structure

Floats = npt.NDArray[np.float64]

PRIOR_SPREAD = 0.25  # of the logarithm: what fits of this kind usually miss by
PRIOR_WEIGHT = 1.0
MIN_SPREAD = 0.02  # no timing repeats better than this
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
        shape = (len(servings), len(metrics))
        self._value = np.ones(shape)  # where nothing is known, or can be
        self._spread = np.full(shape, np.inf)
        self._dof = np.full(shape, np.inf)
        self._lines = np.zeros((*shape, 1))
        self._seen: dict[tuple[int, int], tuple[Floats, Floats]] = {}
        self._rises = np.array(
            [METRICS_BY_COLUMN[m].better == "lower" for m in metrics], dtype=bool
        )

    def learn(self, trials: Sequence[ObservedTrial]) -> None:
        """Fit the costs of measured trials, in place of whatever was learnt before."""
        measured = [t for t in trials if t.served and t.last.structure is not None]
        self._names = tuple(sorted(measured[0].last.structure or {})) if measured else ()
        shape = (len(self._servings), len(self._metrics))
        self._value, self._spread = np.ones(shape), np.full(shape, np.inf)
        self._lines = np.zeros((*shape, len(self._names) + 1))
        self._seen = {}
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
        value, spread, dof = self._value.copy(), self._spread.copy(), self._dof.copy()
        if structure is None:
            spread[~np.isnan(value)] = np.inf
        elif self._names:
            counts = self._counts(structure)
            fitted = self._lines @ np.concatenate([[1.0], counts])
            has_line = fitted > 0
            value[has_line] = np.where(self._rises, fitted, 1 / np.where(has_line, fitted, 1))[
                has_line
            ]
            for (s, m), (seen, values) in self._seen.items():
                value[s, m], spread[s, m], dof[s, m] = _bracket(
                    counts, seen, values, rises=bool(self._rises[m])
                )
        return Estimate(value, spread, dof)

    def _counts(self, structure: Structure) -> Floats:
        return np.array([structure[name] for name in self._names])

    def _learn_one(self, s: int, m: int, counts: Floats, values: Floats) -> None:
        usable = values > 0  # NaN is not
        n_usable = int(usable.sum())
        if n_usable == 0 and len(values) >= N_NULLS:
            self._value[s, m], self._spread[s, m] = np.nan, 0.0
        elif 0 < n_usable < N_FOR_A_FIT:
            self._seen[s, m] = (counts[usable], values[usable])
        elif n_usable:
            costs = values[usable] if self._rises[m] else 1 / values[usable]
            self._lines[s, m], self._spread[s, m], self._dof[s, m] = _fit(counts[usable], costs)


def _fit(counts: Floats, costs: Floats) -> tuple[Floats, float, float]:
    """Fit ``intercept + coefficients · counts``; return it with its spread and dof."""
    from scipy.optimize import nnls

    design = np.column_stack([np.ones(len(costs)), counts])
    scale = design.max(axis=0)
    coefficients, _ = nnls(design / scale / costs[:, None], np.ones(len(costs)))
    coefficients = coefficients / scale
    squares = float(np.sum(np.log(costs / (design @ coefficients)) ** 2))
    n_free = len(costs) - int(np.count_nonzero(coefficients))
    spread, dof = pool_spread(squares, n_free, prior=PRIOR_SPREAD, prior_weight=PRIOR_WEIGHT)
    return coefficients, max(spread, MIN_SPREAD), dof


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
