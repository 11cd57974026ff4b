"""What a model will cost to serve, from its structure.

Exporting and timing a model at every look would cost more than pausing saves. Costs follow from a
few counts (parameters, operations, nodes, trees): a straight line with coefficients of at least 0
(non-negative least squares; Lawson and Hanson, 1974), fitted to relative errors. The lines come
from earlier searches of the family. What this search has measured moves each line by one factor,
which takes in another machine and other data, and replaces it once enough was measured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.profiling.metrics import METRICS_BY_COLUMN
from rightfit.profiling.serving import Serving
from rightfit.tuning.pausing.observed import SERVED_COLUMNS, ObservedTrial, Structure

Floats = npt.NDArray[np.float64]

PRIOR_SPREAD = 0.25  # of the logarithm: what such lines usually miss by
MIN_SPREAD = 0.02  # no timing repeats better than this
FACTOR_WEIGHT = 0.5  # of the factor 1, in measured models
N_FOR_A_FIT = 3  # measured models that make a line
N_TO_REPLACE = 8  # measured models from which a search's own line replaces that of earlier ones
N_NULLS = 3  # a metric that was null so often in a serving configuration will be so again


@dataclass(frozen=True)
class CostLine:
    """``cost = intercept + slopes · counts``; of metrics of which more is better, the inverse.

    Args:
        intercept: What an empty model costs; ``None`` for what can't be measured.
        slopes: At least 0 each, by the name of the count.
        spread: Standard deviation of the logarithm of costs around the line.
    """

    intercept: float | None
    slopes: Mapping[str, float]
    spread: float

    def predict(self, structure: Structure) -> float:
        """Return the cost of a structure."""
        if self.intercept is None:
            return math.nan
        return self.intercept + sum(c * structure.get(n, 0.0) for n, c in self.slopes.items())


UNMEASURABLE = CostLine(None, {}, 0.0)
Lines = Mapping[tuple[Serving, str], CostLine]
Pairs = Sequence[tuple[Structure, float]]


def fit_line(pairs: Pairs) -> CostLine:
    """Fit positive costs to structures by non-negative least squares of relative errors."""
    from scipy.optimize import nnls

    structures, costs = [pair[0] for pair in pairs], np.array([pair[1] for pair in pairs])
    names = sorted(structures[0])
    design = np.array([[1.0, *(structure[name] for name in names)] for structure in structures])
    scale = np.maximum(design.max(axis=0), 1e-12)
    relative = design / scale / costs[:, None]
    found, _ = nnls(relative, np.ones(len(costs)))
    squares = float(np.sum(np.log(relative @ found) ** 2))
    n_free = max(len(costs) - int((found > 0).sum()), 0)
    spread = math.sqrt((squares + PRIOR_SPREAD**2) / (n_free + 1))
    intercept, *slopes = (found / scale).tolist()
    return CostLine(intercept, dict(zip(names, slopes, strict=True)), spread)


def learn_lines(trials: Sequence[ObservedTrial]) -> dict[tuple[Serving, str], CostLine]:
    """Fit a line to each metric in each serving configuration that trials were measured in."""
    return {
        key: UNMEASURABLE if not pairs else fit_line(pairs)
        for key, pairs in _pair(trials).items()
        if not pairs or len(pairs) >= N_FOR_A_FIT
    }


class ServingCosts:
    """The cost model of one cell.

    Args:
        prior: Lines of earlier searches.
    """

    def __init__(self, prior: Lines) -> None:
        self._prior = prior
        self._lines = dict(prior)

    def learn(self, measured: Sequence[ObservedTrial]) -> None:
        """Learn from measured trials, in place of whatever was learnt before."""
        self._lines = dict(self._prior)
        for key, pairs in _pair(measured).items():
            prior = self._prior.get(key, UNMEASURABLE)
            is_known = prior.intercept is not None
            if not pairs:
                self._lines[key] = UNMEASURABLE
            elif len(pairs) >= (N_TO_REPLACE if is_known else N_FOR_A_FIT):
                self._lines[key] = fit_line(pairs)
            elif is_known:  # an earlier search's line is moved by one factor
                logs = [math.log(cost / max(prior.predict(one), 1e-12)) for one, cost in pairs]
                factor = math.exp(sum(logs) / (len(logs) + FACTOR_WEIGHT))
                slopes = {name: c * factor for name, c in prior.slopes.items()}
                intercept = (prior.intercept or 0.0) * factor
                self._lines[key] = CostLine(intercept, slopes, prior.spread)
            else:  # a guess from one or two models: between equal and proportional to the counts
                structure, cost = pairs[-1]
                half = cost / 2
                slopes = {n: half / len(structure) / max(c, 1e-12) for n, c in structure.items()}
                self._lines[key] = CostLine(half, slopes, PRIOR_SPREAD)

    def predict(
        self, structure: Structure | None, serving: Serving, metric: str
    ) -> tuple[float, float]:
        """Return what a model will cost, and the standard deviation of its logarithm.

        Nothing known is the best that could be; NaN stands for what can't be measured.
        """
        line = self._lines.get((serving, metric))
        if line is None or structure is None:
            return _turn(metric, 0.0), 0.0
        return _turn(metric, line.predict(structure)), max(line.spread, MIN_SPREAD)


def _pair(
    trials: Sequence[ObservedTrial],
) -> dict[tuple[Serving, str], list[tuple[Structure, float]]]:
    """Return structures and costs by serving configuration and metric; none if never measurable."""
    pairs: dict[tuple[Serving, str], list[tuple[Structure, float]]] = {}
    n_served: Counter[Serving] = Counter()
    for trial in trials:
        if trial.last.structure is None:
            continue
        n_served.update(trial.served.keys())
        for serving, metrics in trial.served.items():
            for metric, value in metrics.items():
                if value > 0:
                    cost = _turn(metric, value)
                    pairs.setdefault((serving, metric), []).append((trial.last.structure, cost))
    nulls = [serving for serving, n in n_served.items() if n >= N_NULLS]
    return {(s, m): [] for s in nulls for m in SERVED_COLUMNS} | pairs


def _turn(metric: str, value: float) -> float:
    """Turn a metric of which more is better into a cost, and back."""
    if METRICS_BY_COLUMN[metric].better == "lower" or math.isnan(value):
        return value
    return 1.0 / value if value > 0 else math.inf
