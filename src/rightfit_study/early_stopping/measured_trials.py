"""Trials that were measured, and the lines of serving costs that they teach.

Lines are fitted to relative errors by non-negative least squares (Lawson and Hanson, 1974). What a
search has measured moves the line of earlier searches by one factor, which takes in another machine
and other data, and replaces it once enough was measured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

from rightfit.measuring.metrics import METRICS
from rightfit.measuring.serving import Serving
from rightfit_search.searching.pausing.costs import CostLine, Lines, ServingCosts, to_cost
from rightfit_search.searching.pausing.observed import ObservedTrial, Pool, Structure

# Quality counts as validated in the search, fit metrics as of training.
SERVED_COLUMNS = tuple(
    metric.column
    for metric in METRICS
    if metric.phase != "fit" and not metric.column.startswith("quality")
)
PRIOR_SPREAD = 0.25  # of the logarithm: what such lines usually miss by
FACTOR_WEIGHT = 0.5  # of the factor 1, in measured models
N_FOR_A_FIT = 3  # measured models that make a line
N_TO_REPLACE = 8  # measured models from which a search's own line replaces that of earlier ones
N_NULLS = 3  # a metric that was null so often in a serving configuration will be so again

UNMEASURABLE = CostLine(None, {}, 0.0)
Pairs = Sequence[tuple[Structure, float]]


@dataclass(frozen=True)
class MeasuredTrial(ObservedTrial):
    """A trial with what was measured of its finished model.

    Args:
        served: Measured metrics by serving configuration.
        export_s: CPU seconds of writing and exporting the finished model; ``None`` before.
        measured_s: Seconds of measuring by serving configuration.
    """

    served: Mapping[Serving, Mapping[str, float]] = field(default_factory=dict)
    export_s: float | None = None
    measured_s: Mapping[Serving, float] = field(default_factory=dict)


def read_measured(pool: Pool) -> list[MeasuredTrial]:
    """Return the trials of which something may have been measured, with what was."""
    return [trial for trial in pool.trials if isinstance(trial, MeasuredTrial)]


def list_measured(pool: Pool) -> list[MeasuredTrial]:
    """Return the trials of which something was measured."""
    return [trial for trial in read_measured(pool) if trial.served]


def fit_line(pairs: Pairs) -> CostLine:
    """Fit positive costs to structures by non-negative least squares of relative errors."""
    structures, costs = [pair[0] for pair in pairs], np.array([pair[1] for pair in pairs])
    names = sorted(structures[0])
    design = np.array([[1.0, *(structure[name] for name in names)] for structure in structures])
    scale = np.maximum(design.max(axis=0), 1e-12)
    relative = design / scale / costs[:, None]
    solution, _ = nnls(relative, np.ones(len(costs)))
    squares = float(np.sum(np.log(relative @ solution) ** 2))
    n_free = max(len(costs) - int((solution > 0).sum()), 0)
    spread = math.sqrt((squares + PRIOR_SPREAD**2) / (n_free + 1))
    intercept, *slopes = (solution / scale).tolist()
    return CostLine(intercept, dict(zip(names, slopes, strict=True)), spread)


def learn_lines(trials: Sequence[MeasuredTrial]) -> dict[tuple[Serving, str], CostLine]:
    """Fit a line to each metric in each serving configuration that trials were measured in."""
    return {
        key: UNMEASURABLE if not pairs else fit_line(pairs)
        for key, pairs in _pair(trials).items()
        if not pairs or len(pairs) >= N_FOR_A_FIT
    }


class LearntCosts(ServingCosts):
    """Serving costs that also learn from what a search measures.

    Args:
        prior: Lines of earlier searches.
    """

    def __init__(self, prior: Lines) -> None:
        super().__init__(prior)
        self._prior = prior

    def learn(self, measured: Sequence[MeasuredTrial]) -> None:
        """Learn from measured trials, in place of whatever was learnt before."""
        lines = dict(self._prior)
        for key, pairs in _pair(measured).items():
            prior = self._prior.get(key, UNMEASURABLE)
            is_known = prior.intercept is not None
            if not pairs:
                lines[key] = UNMEASURABLE
            elif len(pairs) >= (N_TO_REPLACE if is_known else N_FOR_A_FIT):
                lines[key] = fit_line(pairs)
            elif is_known:  # an earlier search's line is moved by one factor
                logs = [math.log(cost / max(prior.predict(s), 1e-12)) for s, cost in pairs]
                factor = math.exp(sum(logs) / (len(logs) + FACTOR_WEIGHT))
                slopes = {name: slope * factor for name, slope in prior.slopes.items()}
                intercept = (prior.intercept or 0.0) * factor
                lines[key] = CostLine(intercept, slopes, prior.spread)
            else:  # a guess from one or two models: between equal and proportional to the counts
                structure, cost = pairs[-1]
                half = cost / 2
                slopes = {n: half / len(structure) / max(c, 1e-12) for n, c in structure.items()}
                lines[key] = CostLine(half, slopes, PRIOR_SPREAD)
        self._lines = lines


def _pair(
    trials: Sequence[MeasuredTrial],
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
                    cost = to_cost(metric, value)
                    pairs.setdefault((serving, metric), []).append((trial.last.structure, cost))
    nulls = [serving for serving, n in n_served.items() if n >= N_NULLS]
    return {(s, m): [] for s in nulls for m in SERVED_COLUMNS} | pairs
