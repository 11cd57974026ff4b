"""Choice of the serving configuration: which of its profiles stands for a candidate.

A feasible configuration beats an infeasible one, then the higher utility wins. Where none is
feasible, the one nearest to the limits speaks for the candidate. Equal ones are told apart by the
tie rule, at last by the order of runtime, threads and device.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rightfit.ranking.applications.constraints import Judgement
from rightfit.ranking.applications.tie_rules import UTILITY, TieKey
from rightfit.ranking.applications.utility import Bools, Floats, Ints
from rightfit.ranking.contest.profile_table import ProfileTable


def choose_configurations(
    table: ProfileTable, judgement: Judgement, rule: tuple[TieKey, ...]
) -> Ints:
    """Choose one row per candidate.

    Returns:
        Row of the chosen profile of each candidate, shape (n_candidates,).
    """
    starts, n_rows = table.starts, table.n_rows
    if len(starts) == n_rows:
        return starts
    lengths = np.diff(starts, append=n_rows)
    alive: Bools = np.ones(n_rows, dtype=np.bool_)
    for preference in _preferences(table, judgement, rule):
        ranked = np.where(alive, preference, -np.inf)
        alive &= ranked == np.repeat(np.maximum.reduceat(ranked, starts), lengths)
        if np.count_nonzero(alive) == len(starts):
            return np.flatnonzero(alive)
    rows = np.where(alive, np.arange(n_rows), n_rows)
    return np.minimum.reduceat(rows, starts)


def tie_preference(table: ProfileTable, key: TieKey, rows: Ints | slice) -> Floats:
    """Return a tie key's values with the better one higher; what was not measured comes last."""
    values = table.values(key.by)[rows]
    signed = values if key.prefer == "higher" else -values
    return np.where(np.isnan(signed), -np.inf, signed)


def _preferences(
    table: ProfileTable, judgement: Judgement, rule: tuple[TieKey, ...]
) -> Iterator[Floats]:
    yield np.where(judgement.feasible, 1.0, 0.0)
    yield np.where(np.isnan(judgement.utility), 0.0, 1.0)
    yield -judgement.excess
    yield np.where(np.isnan(judgement.utility), -1.0, judgement.utility)
    for key in rule:
        if key.by != UTILITY:
            yield tie_preference(table, key, slice(None))
