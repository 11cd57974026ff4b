"""Weights: how far one moves before another candidate leads, and the share of them each one wins.

Profiles count as measured, without their errors and without the tie rule.

Intervals: one weight moves while the others keep their proportions. The utility (under the
geometric mean: its logarithm) is then a straight line in the moved weight's share, so the interval
is exact. The leader is the feasible candidate of the highest utility.

Table ``weight_intervals``: one row per application, dataset and objective: ``metric``, ``leader``
(candidate; null: none is feasible), ``weight`` as in the YAML with the ends ``weight_low`` and
``weight_high`` between which the leader stays (null: no end on that side), the same as normalised
shares ``share``, ``share_low``, ``share_high`` in [0, 1], and ``leader_below``, ``leader_above``:
the leader beyond the ends (null: none).

Shares: "stochastic multicriteria acceptability analysis" (Lahdelma, Hokkanen, Salminen 1998).
Weightings are drawn uniformly from the simplex; 9,604 draws place a share within 1 point at 95 %.
Each candidate has the serving configuration that suits the weighting best.

Table ``win_shares``: one row per feasible candidate: ``application``, ``dataset``, ``model``,
``candidate``, ``win_share`` in [0, 1] and ``central_weights``, the mean of the weightings under
which it wins (list of structs of ``metric`` and ``weight``, which sum to 1; null if it never wins).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rightfit._core.typed_tables import write_rows
from rightfit.ranking.application_ranking import ApplicationRanking
from rightfit.ranking.applications.utility import Floats, Ints, make_additive
from rightfit.ranking.assessment.assessment import Assessment, describe_chosen
from rightfit.ranking.assessment.pareto import find_pareto_front

_UTILITIES_AT_ONCE = 4_000_000
_EQUAL = 1e-12  # utilities that differ by less are equal
_END = 1e-9  # so near to a share of 0 or 1 a change is no change


def walk_envelope(heights: Floats, slopes: Floats, first: int) -> Iterator[tuple[float, int]]:
    """Follow the highest line to the right.

    Args:
        heights: Heights of the lines where the walk begins, shape (n_lines,).
        slopes: Slopes of the lines.
        first: A line of the greatest height, where the walk begins.

    Yields:
        The distance walked to where another line takes over, and that line.

    >>> list(walk_envelope(np.array([2.0, 1.0, 0.0]), np.array([0.0, 1.0, 3.0]), 0))
    [(0.6666666666666666, 2)]
    """
    line, walked = first, 0.0
    while True:
        steeper = np.flatnonzero(slopes > slopes[line])
        if not len(steeper):
            return
        gaps = heights[line] - heights[steeper]
        crossings = np.maximum(gaps / (slopes[steeper] - slopes[line]), walked)
        walked = float(crossings.min())
        nearest = steeper[crossings == walked]
        line = int(nearest[slopes[nearest].argmax()])
        yield walked, line


@dataclass(frozen=True)
class WeightInterval:
    """A row of the table ``weight_intervals``; see the module."""

    application: str
    dataset: str
    metric: str
    leader: str | None
    weight: float
    weight_low: float | None = None
    weight_high: float | None = None
    share: float | None = None
    share_low: float | None = None
    share_high: float | None = None
    leader_below: str | None = None
    leader_above: str | None = None


@dataclass(frozen=True)
class Contenders:
    """Feasible profiles of one dataset that no other dominates in the scores.

    Args:
        worth: What is summed with the weights: the scores, or their logarithms where the
            application multiplies them; shape (n_objectives, n_profiles).
        candidate: Candidate number of each profile, ascending, shape (n_profiles,).
    """

    worth: Floats
    candidate: Ints


def tabulate_weight_intervals(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Find for every objective how far its weight can move."""
    rows = [
        row
        for ranking in ranked
        for dataset in range(len(ranking.assessment.table.datasets))
        for row in find_weight_intervals(ranking, dataset)
    ]
    return write_rows(rows, WeightInterval)


def tabulate_win_shares(ranked: list[ApplicationRanking]) -> pl.DataFrame:
    """Estimate in which share of weight space each feasible candidate wins."""
    tables = []
    for assessment in (ranking.assessment for ranking in ranked):
        shares, weights = share_weight_space(assessment)
        metrics = list(assessment.application.weighted())
        central = pl.DataFrame(dict(zip(metrics, weights.T, strict=True))).select(
            pl.concat_list(
                pl.struct(pl.lit(metric).alias("metric"), pl.col(metric).alias("weight"))
                for metric in metrics
            )
        )
        tables.append(
            describe_chosen(assessment)
            .select("application", "dataset", "model", "candidate")
            .with_columns(win_share=pl.Series(shares), central_weights=central.to_series())
            .with_columns(
                pl.when(pl.col("win_share") > 0).then("central_weights").alias("central_weights")
            )
            .filter(pl.Series(assessment.feasible))
        )
    return pl.concat(tables)


def share_weight_space(assessment: Assessment) -> tuple[Floats, Floats]:
    """Share the weight space of every dataset among its candidates.

    Returns:
        The shares, shape (n_candidates,), summing to 1 in each dataset with a feasible candidate;
        and the mean weightings under which each wins, shape (n_candidates, n_objectives), NaN for
        one that never does.
    """
    n, n_objectives = len(assessment.chosen), len(assessment.application.weighted())
    n_draws = assessment.rules.n_weight_draws
    wins, weights = np.zeros(n), np.zeros((n, n_objectives))
    for position in range(len(assessment.table.datasets)):
        contenders = find_contenders(assessment, position)
        if not len(contenders.candidate):
            continue
        rng = np.random.default_rng([assessment.rules.seed, position])
        candidates, starts = np.unique(contenders.candidate, return_index=True)
        step = max(1, _UTILITIES_AT_ONCE // len(contenders.candidate))
        for start in range(0, n_draws, step):
            drawn = rng.dirichlet(np.ones(n_objectives), size=min(step, n_draws - start))
            utility = np.maximum.reduceat(drawn @ contenders.worth, starts, axis=1)
            is_best = np.isclose(utility, utility.max(axis=1, keepdims=True), rtol=0, atol=_EQUAL)
            won = is_best / is_best.sum(axis=1, keepdims=True)
            wins[candidates] += won.sum(axis=0)
            weights[candidates] += won.T @ drawn
    with np.errstate(invalid="ignore"):
        return wins / n_draws, weights / wins[:, None]


def find_contenders(assessment: Assessment, dataset: int) -> Contenders:
    """Find a dataset's contenders, with every serving configuration that may be chosen."""
    table = assessment.table
    is_eligible = assessment.judgement.feasible & assessment.choice.is_allowed
    rows = np.flatnonzero(is_eligible & (table.dataset_of_row == dataset))
    scores = np.array(assessment.scores(rows))
    if assessment.application.aggregation == "geometric":
        scores[:, (scores == 0).any(axis=0)] = 0.0  # the utility is 0 whatever the weights
    utility = assessment.judgement.utility[rows]
    best = utility.max(initial=0.0)  # kept even if dominated by less than the utility's rounding
    is_contender = find_pareto_front(scores.T) | (utility == best)
    worth = make_additive(scores[:, is_contender], assessment.application.aggregation)
    return Contenders(worth, table.candidate_of_row[rows[is_contender]])


def find_weight_intervals(ranked: ApplicationRanking, dataset: int) -> Iterator[WeightInterval]:
    """Yield for every objective how far its weight can move on a dataset."""
    assessment = ranked.assessment
    contenders = find_contenders(assessment, dataset)
    names = assessment.table.frame["candidate"].gather(assessment.chosen)
    shares = assessment.application.shares()
    leader = None
    if len(contenders.candidate):  # of equal utilities the better rank leads
        utility = shares @ contenders.worth
        is_best = np.isclose(utility, utility.max(), rtol=0, atol=_EQUAL)
        leader = int(
            min(contenders.candidate[is_best], key=lambda candidate: ranked.rank[candidate])
        )
    goals = assessment.application.weighted()
    total = sum(goal.weight for goal in goals.values())
    for position, (metric, goal) in enumerate(goals.items()):
        row = WeightInterval(
            application=assessment.name,
            dataset=assessment.table.datasets[dataset],
            metric=metric,
            leader=None,
            weight=goal.weight,
        )
        if leader is None:
            yield row
            continue
        share, moving = float(shares[position]), contenders.worth[position]
        other_shares = np.delete(shares, position)
        if len(other_shares):
            resting = (other_shares / other_shares.sum()) @ np.delete(
                contenders.worth, position, axis=0
            )
        else:  # the only objective has the whole weight whatever its number
            resting = moving
        heights, slopes = share * moving + (1 - share) * resting, moving - resting
        above = _find_change(contenders, leader, heights, slopes, reach=1 - share)
        below = _find_change(contenders, leader, heights, -slopes, reach=share)
        low = share - below[0] if below else None
        high = share + above[0] if above else None
        of_others = total - goal.weight
        yield replace(
            row,
            leader=names[leader],
            share=share,
            share_low=0.0 if low is None else low,
            share_high=1.0 if high is None else high,
            weight_low=None if low is None else _weight_of(low, of_others),
            weight_high=None if high is None else _weight_of(high, of_others),
            leader_below=names[below[1]] if below else None,
            leader_above=names[above[1]] if above else None,
        )


def _find_change(
    contenders: Contenders, leader: int, heights: Floats, slopes: Floats, *, reach: float
) -> tuple[float, int] | None:
    """Return at what distance another candidate takes the lead, and which; ``None``: never."""
    leader_rows = np.flatnonzero(contenders.candidate == leader)
    best = leader_rows[np.lexsort((-slopes[leader_rows], -heights[leader_rows]))[0]]
    for distance, line in walk_envelope(heights, slopes, int(best)):
        if distance >= reach - _END:
            return None
        if contenders.candidate[line] != leader:
            return distance, int(contenders.candidate[line])
    return None


def _weight_of(share: float, total_of_others: float) -> float | None:
    """Return the weight, in the YAML's numbers, that gives a share while the others stay.

    ``None`` where no number is large enough.
    """
    return share * total_of_others / (1 - share) if share < 1 else None
