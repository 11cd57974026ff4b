"""Uncertainty: how far measuring errors reach into utilities and feasibility.

Metrics come with 95 % intervals. They are carried to the utility one objective at a time and added
in quadrature, each side for itself ("method of variance estimates recovery", Zou and Donner 2008);
errors of different metrics count as independent, and those of different candidates too but for
qualities, which are paired (:mod:`rightfit.ranking.uncertainty.paired_comparison`). A candidate
beats another only if their difference exceeds its own interval.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rightfit.ranking.applications.applications import QUALITIES
from rightfit.ranking.applications.constraints import Limit, fold_feasibility
from rightfit.ranking.applications.utility import (
    Bools,
    Floats,
    Ints,
    aggregate_scores,
    place_between_bounds,
)
from rightfit.ranking.assessment.assessment import Assessment
from rightfit.ranking.assessment.profile_table import ProfileTable
from rightfit.ranking.uncertainty.paired_comparison import correlate_with_best

Z_OF_INTERVALS = NormalDist().inv_cdf(0.975)  # the profiles' intervals are 95 % ones
UNMEASURED_UTILITY = -3.0  # below every utility, whatever the error
_PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Spread:
    """Reach of the measuring errors of candidates under one application.

    Args:
        below: Distance from the utility down to its lower end, shape (n_candidates,).
        above: Distance up to its upper end.
        surely_feasible: Within all limits even at the unfavourable ends.
        maybe_feasible: Within all limits at the favourable ends.
        paired_below: Part of ``below`` that comes from the quality.
        paired_above: Part of ``above`` that does.
        deviations: Of the qualities, from :func:`standardise_deviations`; ``None``: not paired.
    """

    below: Floats
    above: Floats
    surely_feasible: Bools
    maybe_feasible: Bools
    paired_below: Floats
    paired_above: Floats
    deviations: Floats | None = None

    @property
    def is_exact(self) -> bool:
        """Tell whether there is no uncertainty at all."""
        return not (
            self.below.any()
            or self.above.any()
            or (self.surely_feasible != self.maybe_feasible).any()
        )


def widening(confidence_level: float, n_comparisons: int, *, n_sides: int = 2) -> float:
    """Return the factor from a 95 % interval to one that holds in all comparisons together.

    Args:
        confidence_level: Of all comparisons together (Bonferroni).
        n_comparisons: At least 1 is counted.
        n_sides: On how many sides a comparison may err.

    >>> widening(0.95, 1)
    1.0
    """
    tail = (1.0 - confidence_level) / (n_sides * max(n_comparisons, 1))
    return NormalDist().inv_cdf(1.0 - tail) / Z_OF_INTERVALS


def spread_candidates(assessment: Assessment, factor: float) -> Spread:
    """Carry the metrics' intervals to the utilities and the feasibility of the candidates."""
    table, application, rows = assessment.table, assessment.application, assessment.chosen
    scores, utility = assessment.scores(rows), assessment.utility
    # by metric, the squared reach of its error in the utility, downwards and upwards
    squares: dict[str, tuple[Floats, Floats]] = {}
    for position, (metric, goal) in enumerate(application.weighted().items()):
        interval = table.interval(metric)
        if interval is None:
            continue
        score = place_between_bounds(table.values(metric)[rows], goal)
        moves = [factor * (place_between_bounds(end[rows], goal) - score) for end in interval]
        worse, better = (
            aggregate_scores(
                [*scores[:position], np.clip(end, 0.0, 1.0), *scores[position + 1 :]],
                application.shares(),
                application.aggregation,
            )
            for end in (score + np.fmin(*moves), score + np.fmax(*moves))
        )
        squares[metric] = ((worse - utility) ** 2, (better - utility) ** 2)
    below, above = (_root_of_sum(squares.values(), side, len(rows)) for side in (0, 1))
    paired = [squares[metric] for metric in QUALITIES if metric in squares]
    surely: Bools = np.ones(len(rows), dtype=np.bool_)
    maybe: Bools = np.ones(len(rows), dtype=np.bool_)
    for limit in assessment.limits:
        low, high = _margin_interval(table, limit, rows=rows, factor=factor)
        surely &= low >= 0  # NaN, not measured: neither surely nor maybe
        maybe &= high >= 0
    measured = ~np.isnan(utility)
    return Spread(
        below,
        above,
        surely & measured,
        maybe & measured,
        *(_root_of_sum(paired, side, len(rows)) for side in (0, 1)),
    )


def find_beaten(utility: Floats, feasible: Bools, spread: Spread) -> Bools:
    """Tell which candidates of one dataset another one is significantly better than.

    Args:
        utility: Shape (n_candidates,), NaN where not measured.
        feasible: By the measured values.
        spread: Widened to hold in all comparisons together.
    """
    if spread.is_exact:
        level = fold_feasibility(utility, feasible)
        beaten: Bools = level < level.max()
        return beaten
    value = np.where(np.isnan(utility), UNMEASURED_UTILITY, utility)
    beaten = np.zeros(len(utility), dtype=np.bool_)
    step = max(1, _PAIRS_AT_ONCE // len(utility))
    for start in range(0, len(utility), step):
        part = slice(start, start + step)
        # which candidates (rows) are significantly better than those of this part (columns)
        gap = value[:, None] - value[None, part]
        squared = spread.below[:, None] ** 2 + spread.above[None, part] ** 2
        if spread.deviations is not None:
            correlation = spread.deviations @ spread.deviations[part].T
            together = spread.paired_below[:, None] * spread.paired_above[None, part]
            squared = np.maximum(squared - 2 * correlation * together, 0.0)
        sure, maybe = spread.surely_feasible[:, None], spread.maybe_feasible[None, part]
        is_better = (sure & ~maybe) | ((gap > np.sqrt(squared)) & (sure | ~maybe))
        beaten[part] = is_better.any(axis=0)
    return beaten


def _root_of_sum(squares: Iterable[tuple[Floats, Floats]], side: int, n_rows: int) -> Floats:
    total: Floats = sum((square[side] for square in squares), np.zeros(n_rows))
    return np.nan_to_num(np.sqrt(total))


def _margin_interval(
    table: ProfileTable, limit: Limit, *, rows: Ints, factor: float
) -> tuple[Floats, Floats]:
    """Return the ends of how far a metric lies within its limit.

    A degradation relates to the best value of each row's dataset, which has an error of its own.
    """
    value = table.values(limit.metric)[rows]
    bound = limit.at(rows).bound
    margin = value - bound if limit.is_floor else bound - value
    interval = table.interval(limit.metric)
    if interval is None:
        return margin, margin
    down, up = value - interval[0][rows], interval[1][rows] - value
    below, above = (down, up) if limit.is_floor else (up, down)
    if limit.kind == "max_degradation":
        values = table.values(limit.metric)
        is_best = values == table.best_by_dataset(limit.metric)
        best_down, best_up = (
            np.fmax.reduceat(np.where(is_best, reach, 0.0), table.dataset_starts)[
                table.dataset_of_row[rows]
            ]
            for reach in (values - interval[0], interval[1] - values)
        )
        correlation = correlate_with_best(table, limit.metric, rows)
        below = np.where(is_best[rows], 0.0, _reach_of_difference(below, best_up, correlation))
        above = np.where(is_best[rows], 0.0, _reach_of_difference(above, best_down, correlation))
    return margin - factor * below, margin + factor * above


def _reach_of_difference(first: Floats, second: Floats, correlation: Floats) -> Floats:
    squared: Floats = np.maximum(first**2 + second**2 - 2 * correlation * first * second, 0.0)
    return np.sqrt(squared)
