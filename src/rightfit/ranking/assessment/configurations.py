"""Configurations: which serving configuration represents a candidate to an application.

A feasible one rather than an infeasible one; where none is feasible, one that a quiet machine may
show to be, then the one nearest to the limits. Among practically equal ones the tie rule decides,
as it does between candidates; then utility, and last the order of runtime, threads and device.

Two rules leave feasible ones out, so that luck in measuring does not choose:

- One with a half width above ``MAX_HALF_WIDTH`` in a metric that the application uses, while
  another one of the candidate is known better.
- Several threads whose lead on the best single thread is no larger than what costs vary by from
  process to process: they take cores for a gain that the next measurement may not show. Where they
  surely meet the limits and no single thread does, they stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rightfit.ranking.applications.applications import (
    QUALITIES,
    THREADS,
    UTILITY,
    Application,
    TieKey,
)
from rightfit.ranking.applications.constraints import Judgement, Limit, meets
from rightfit.ranking.applications.utility import Bools, Floats, Ints
from rightfit.ranking.assessment.interval_reach import carry_intervals
from rightfit.ranking.assessment.profile_table import ProfileTable

UTILITY_DIGITS = 6  # of serving configurations: less is an export's rounding
MAX_HALF_WIDTH = 0.3  # of a 95 % interval, as a share of the value; a wider one chooses nothing


@dataclass(frozen=True)
class Choice:
    """The configuration of each candidate, and what the rules have left out.

    Args:
        chosen: Row of the profile that represents each candidate, shape (n_candidates,).
        otherwise: Row that would without the rules of widths and threads, shape (n_candidates,).
        is_allowed: Which rows the rules leave, shape (n_rows,).
        is_wide: Which rows are left out for their width, shape (n_rows,).
    """

    chosen: Ints
    otherwise: Ints
    is_allowed: Bools
    is_wide: Bools


def choose_configurations(
    table: ProfileTable,
    application: Application,
    judgement: Judgement,
    *,
    limits: tuple[Limit, ...],
    undecided: Bools,
    rule: tuple[TieKey, ...],
    equal_within: float,
) -> Choice:
    """Choose one row per candidate.

    The tie rule decides among those whose utility is less than ``equal_within`` below the highest.
    Keys of quality are left out: a candidate is the same model in each configuration, and what an
    export rounds decides nothing.

    Args:
        table: The profiles.
        application: That chooses.
        judgement: Of all profiles.
        limits: The application's, over all profiles.
        undecided: Which profiles a quiet machine may show to be feasible.
        rule: The tie rule.
        equal_within: Utility that it may cost.
    """
    if len(table.starts) == table.n_rows:
        is_wide: Bools = np.zeros(table.n_rows, dtype=np.bool_)
        return Choice(table.starts, table.starts, ~is_wide, is_wide)
    feasible, is_wide = judgement.feasible, find_wide(table, application)
    is_wide &= feasible & _any_of_candidate(table, feasible & ~is_wide)
    is_allowed = ~is_wide & ~_find_idle_threads(
        table, application, judgement.utility, feasible & ~is_wide, limits
    )

    chosen, otherwise = (
        _choose(table, judgement, undecided, among, rule, equal_within=equal_within)
        for among in (is_allowed, np.ones_like(is_allowed))
    )
    return Choice(chosen, otherwise, is_allowed, is_wide)


def find_wide(table: ProfileTable, application: Application) -> Bools:
    """Tell which profiles have too wide an interval in a cost that the application uses."""
    is_wide: Bools = np.zeros(table.n_rows, dtype=np.bool_)
    for metric in application.needed_metrics():
        interval = None if metric in QUALITIES else table.interval(metric)
        if interval is not None:
            low, high = interval
            is_wide |= (high - low) / 2 > MAX_HALF_WIDTH * np.abs(table.values(metric))
    return is_wide


def is_practically_equal(utility: Floats, highest: Floats, equal_within: float) -> Bools:
    """Tell which utilities are less than ``equal_within`` below the highest, or equal to it."""
    near: Bools = (utility == highest) | (utility > highest - equal_within)
    return near


def tie_preference(table: ProfileTable, key: TieKey, rows: Ints | slice) -> Floats:
    """Return a tie key's values with the better one higher; what was not measured comes last."""
    return orient(table.values(key.by)[rows], key)


def orient(values: Floats, key: TieKey) -> Floats:
    """Turn values of a tie key's metric so that higher is better; NaN becomes -inf."""
    signed = values if key.prefer == "higher" else -values
    return np.where(np.isnan(signed), -np.inf, signed)


def _find_idle_threads(
    table: ProfileTable,
    application: Application,
    utility: Floats,
    candidates: Bools,
    limits: tuple[Limit, ...],
) -> Bools:
    """Tell which profiles of several threads are not surely ahead of their best single thread.

    The interval of a difference follows from both intervals, whose distances add in quadrature.
    Quality counts as exact, since it is the same model's.

    Args:
        table: The profiles.
        application: That chooses.
        utility: Of all profiles.
        candidates: Which of them are feasible.
        limits: The application's, over all profiles.
    """
    n_threads = table.values(THREADS)
    single, several = candidates & (n_threads == 1), candidates & (n_threads > 1)
    several &= _any_of_candidate(table, single)
    rows = np.flatnonzero(several)
    if not len(rows):
        return several
    reached = np.where(single, utility, -np.inf)
    highest = np.maximum.reduceat(reached, table.starts)[table.candidate_of_row]
    is_best = single & (reached == highest)
    numbers = np.where(is_best, np.arange(table.n_rows), table.n_rows)
    best = np.minimum.reduceat(numbers, table.starts)[table.candidate_of_row[rows]]
    below, _ = carry_intervals(table, application, rows, without=QUALITIES)
    _, above = carry_intervals(table, application, best, without=QUALITIES)
    is_needed = _meets_surely(table, limits)
    is_needed &= ~_any_of_candidate(table, single & is_needed)
    lead = utility[rows] - utility[best]
    several[rows] = ~is_needed[rows] & (lead <= np.hypot(below, above))
    return several


def _meets_surely(table: ProfileTable, limits: tuple[Limit, ...]) -> Bools:
    """Tell which profiles meet the limits of costs at the worse ends of their intervals, too."""
    is_sure: Bools = np.ones(table.n_rows, dtype=np.bool_)
    for limit in limits:
        interval = None if limit.metric in QUALITIES else table.interval(limit.metric)
        if interval is not None:
            is_sure &= meets(limit, interval[0 if limit.is_floor else 1])
    return is_sure


def _any_of_candidate(table: ProfileTable, holds: Bools) -> Bools:
    """Tell of each row whether something holds of any row of its candidate."""
    of_candidate: Bools = np.logical_or.reduceat(holds, table.starts)
    return of_candidate[table.candidate_of_row]


def _choose(
    table: ProfileTable,
    judgement: Judgement,
    undecided: Bools,
    allowed: Bools,
    rule: tuple[TieKey, ...],
    *,
    equal_within: float,
) -> Ints:
    starts, n_rows = table.starts, table.n_rows
    lengths = np.diff(starts, append=n_rows)
    alive = allowed.copy()

    def best(values: Floats) -> Floats:
        among = np.where(alive, values, -np.inf)
        return np.repeat(np.maximum.reduceat(among, starts), lengths)

    utility = np.where(np.isnan(judgement.utility), -1.0, judgement.utility.round(UTILITY_DIGITS))
    standing = np.where(judgement.feasible, 2.0, np.where(undecided, 1.0, 0.0))
    for values in (standing, np.where(utility < 0, 0.0, 1.0), -judgement.excess):
        alive &= values == best(values)
    alive &= is_practically_equal(utility, best(utility), equal_within)
    for key in rule:
        if key.by not in QUALITIES:
            values = utility if key.by == UTILITY else tie_preference(table, key, slice(None))
            alive &= values == best(values)
    alive &= utility == best(utility)
    rows = np.where(alive, np.arange(n_rows), n_rows)
    return np.minimum.reduceat(rows, starts)
