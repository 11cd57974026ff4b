"""Weight intervals: how far one weight can move before another candidate leads.

One weight moves while the others keep their proportions. The utility (under the geometric mean: its
logarithm) is then a straight line in the moved weight's share, so the interval is exact. Profiles
count as measured, without their errors and without the tie rule: the leader is the feasible
candidate of the highest utility.

Table ``weight_intervals``: one row per application, dataset and objective: ``metric``, ``leader``
(candidate; null: none is feasible), ``weight`` as in the YAML with the ends ``weight_low`` and
``weight_high`` between which the leader stays (null: no end on that side), the same as normalised
shares ``share``, ``share_low``, ``share_high`` in [0, 1], and ``leader_below``, ``leader_above``:
the leader beyond the ends (null: none).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rightfit.ranking.applications.utility import Floats
from rightfit.ranking.contest.contest import Contest
from rightfit.ranking.rank_candidates import Ranked
from rightfit.ranking.sensitivity.contenders import Contenders, find_contenders
from rightfit.ranking.sensitivity.envelope import walk_envelope
from rightfit.typed_tables import write_rows

_END = 1e-9  # so near to a share of 0 or 1 a change is no change


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


def tabulate_weight_intervals(ranked: list[Ranked]) -> pl.DataFrame:
    """Find for every objective how far its weight can move."""
    rows = [
        row
        for one in ranked
        for dataset in range(len(one.contest.table.datasets))
        for row in _find_intervals(one, dataset)
    ]
    return write_rows(rows, WeightInterval)


def _find_intervals(ranked: Ranked, dataset: int) -> Iterator[WeightInterval]:
    contest = ranked.contest
    contenders = find_contenders(contest, dataset)
    for position, (metric, goal) in enumerate(contest.application.weighted().items()):
        row = WeightInterval(
            application=contest.name,
            dataset=contest.table.datasets[dataset],
            metric=metric,
            leader=None,
            weight=goal.weight,
        )
        is_led = len(contenders.candidate) > 0
        leader = int(ranked.leaders[dataset])
        yield _add_ends(row, contest, contenders, leader, position) if is_led else row


def _add_ends(
    row: WeightInterval, contest: Contest, contenders: Contenders, leader: int, position: int
) -> WeightInterval:
    shares = contest.application.shares()
    share = float(shares[position])
    moving = contenders.worth[position]
    others = np.delete(shares, position)
    if len(others):
        resting = (others / others.sum()) @ np.delete(contenders.worth, position, axis=0)
    else:  # the only objective has the whole weight whatever its number
        resting = moving
    heights, slopes = share * moving + (1 - share) * resting, moving - resting
    above = _find_change(contenders, leader, heights, slopes, reach=1 - share)
    below = _find_change(contenders, leader, heights, -slopes, reach=share)
    names = contest.table.frame["candidate"].gather(contest.chosen)
    weights = [goal.weight for goal in contest.application.weighted().values()]
    total_of_others = sum(weights) - weights[position]
    low = share - below[0] if below else None
    high = share + above[0] if above else None
    return replace(
        row,
        leader=names[leader],
        share=share,
        share_low=0.0 if low is None else low,
        share_high=1.0 if high is None else high,
        weight_low=None if low is None else _weight_of(low, total_of_others),
        weight_high=None if high is None else _weight_of(high, total_of_others),
        leader_below=names[below[1]] if below else None,
        leader_above=names[above[1]] if above else None,
    )


def _find_change(
    contenders: Contenders, leader: int, heights: Floats, slopes: Floats, *, reach: float
) -> tuple[float, int] | None:
    """Return at what distance another candidate takes the lead, and which; ``None``: never."""
    own = np.flatnonzero(contenders.candidate == leader)
    best = own[np.lexsort((-slopes[own], -heights[own]))[0]]
    for distance, line in walk_envelope(heights, slopes, int(best)):
        if distance >= reach - _END:
            return None
        if contenders.candidate[line] != leader:
            return distance, int(contenders.candidate[line])
    return None


def _weight_of(share: float, total_of_others: float) -> float:
    """Return the weight, in the YAML's numbers, that gives a share while the others stay."""
    return share * total_of_others / (1 - share)
