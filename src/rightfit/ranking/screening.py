"""Which profiles could an application still choose? Only those are worth measuring further.

A profile is out for an application if it breaks a limit even at the favourable ends of its
intervals, or if it is surely worth less than another one that surely keeps all limits; for a
configuration of fewer threads or cheaper hardware than its model's best one that must be more than
a tie rule may give up. Beside the profile that leads so far it is out already if it cannot be
better by more than practical equality. A profile that is out for every application is left alone.
Timings that other work disturbed may be better on a quiet machine, see ``find_slowdown``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from rightfit.data.request_path import RequestPath
from rightfit.measuring.metrics import LATENCY_COLUMNS, METRICS, columns_from, find_slowdown
from rightfit.ranking.applications.applications import Application, Applications
from rightfit.ranking.applications.batch_sizes import serve_batches
from rightfit.ranking.applications.constraints import Limit, meets, resolve_limits
from rightfit.ranking.applications.utility import Bools, Floats, compute_utility

QUALITIES = columns_from("predictions")
LATENCIES = tuple(LATENCY_COLUMNS.values())  # of rising percentiles
# An application that needs none of them chooses the same however long is measured.
REFINABLE = {metric.column for metric in METRICS if metric.is_refinable}


def could_be_chosen(
    profiles: pl.DataFrame,
    applications: Applications,
    request_path: RequestPath,
    *,
    equal_within: float,
) -> Sequence[bool]:
    """Tell for each profile whether an application could choose it.

    Each application chooses among the profiles of its request path; ``request_path`` is that of
    those that name none. Utilities that differ by less than ``equal_within`` are practically equal.

    Returns:
        One answer per row. Where no application needs anything that measuring makes more certain,
        nothing is worth measuring further.
    """
    chosen = np.zeros(profiles.height, dtype=bool)
    for application in applications.values():
        needed = set(application.needed_metrics())
        if not REFINABLE & needed:
            continue
        path = application.request_path or request_path
        mine = (profiles["request_path"] == path).to_numpy()
        if not needed <= set(profiles.columns):
            chosen[mine] = True  # the ranking will say what is missing
            continue
        rivals = serve_batches(profiles.filter(mine), application.batch_sizes)
        best, worst = (
            _ends(rivals, application, favourable=favourable) for favourable in (True, False)
        )
        limits = _find_limits(rivals, application)
        # A loss beside the best is judged on the same rows: intervals say too little of it.
        values = {metric: _floats(rivals[metric]) for metric in worst}
        relative = [limit for limit in limits if limit.kind == "max_degradation"]
        absolute = [limit for limit in limits if limit.kind != "max_degradation"]
        surely_keeps = _keeps(worst, absolute, unknown=False)
        surely_keeps &= _keeps(values, relative, unknown=False)
        is_beaten = _is_beaten(rivals, application, surely_keeps, equal_within)
        chosen[mine] |= _keeps(best, limits, unknown=True) & ~is_beaten
    return [bool(answer) for answer in chosen]


def _find_limits(profiles: pl.DataFrame, application: Application) -> Sequence[Limit]:
    """Resolve limits against the best measured so far: one still to come only raises a bound."""
    best = {
        metric: np.asarray(np.max(values, initial=-math.inf, where=~np.isnan(values)))
        for metric, constraint in application.constraints.items()
        if constraint.max_degradation is not None
        for values in [_floats(profiles[metric])]
    }
    return resolve_limits(application, best)


def _is_beaten(
    profiles: pl.DataFrame, application: Application, surely_keeps: Bools, equal_within: float
) -> Bools:
    """Tell which profiles have less utility than another that is sure to be allowed."""
    is_same = profiles["candidate"].to_numpy()[:, None] == profiles["candidate"].to_numpy()[None, :]
    loss = np.zeros(is_same.shape)
    for column in {"n_threads", "min_hardware_tier"} & set(profiles.columns):
        needed = _floats(profiles[column])
        loss[is_same & (needed[:, None] < needed[None, :])] = equal_within
    if surely_keeps.any():
        values = {metric: _floats(profiles[metric]) for metric in application.needed_metrics()}
        reached = np.nan_to_num(compute_utility(values, application))
        leader = int(np.argmax(np.where(surely_keeps, reached, -1.0)))
        loss[:, leader] -= np.where(loss[:, leader] > 0, 0.0, equal_within)
        loss[leader, leader] = 0.0
    is_below = _is_below(profiles, application, by=loss)
    result: Bools = np.asarray((is_below & surely_keeps[None, :]).any(axis=1))
    return result


def _is_below(profiles: pl.DataFrame, application: Application, *, by: Floats) -> Bools:
    """Tell for each pair whether the first is surely worth less than the second.

    The interval of a difference of independent estimates follows from theirs: distances to the
    ends add in quadrature (Zou and Donner, Statistics in Medicine 27, 2008). Quality counts as it
    is: measuring does not make it more certain.

    Args:
        profiles: What was measured so far.
        application: Whose utility counts.
        by: Utility by which it must be less, for each pair.
    """
    lowest, value, highest = (
        compute_utility(ends, application)
        for ends in (
            _ends(profiles, application, favourable=False, exact_quality=True),
            {metric: _floats(profiles[metric]) for metric in application.needed_metrics()},
            _ends(profiles, application, favourable=True, exact_quality=True),
        )
    )
    # What is not measured might be worth everything, or nothing.
    highest, lowest, least = (
        np.nan_to_num(highest, nan=1.0),
        np.nan_to_num(lowest),
        np.nan_to_num(value),
    )
    most = np.where(np.isnan(value), highest, value)
    above, below = highest - most, least - lowest
    gap = least[None, :] - most[:, None] - np.hypot(above[:, None], below[None, :])
    is_below: Bools = by < gap
    return is_below


def _ends(
    profiles: pl.DataFrame,
    application: Application,
    *,
    favourable: bool,
    exact_quality: bool = False,
) -> dict[str, Floats]:
    """Return each needed metric at the end of its interval that suits the application, or not."""
    ends = {}
    is_disturbed = profiles["disturbed"] if "disturbed" in profiles.columns else False
    for metric in application.needed_metrics():
        goal = application.objectives.get(metric)
        limit = application.constraints.get(metric)
        higher = goal.best > goal.worst if goal else limit is not None and limit.max is None
        name = f"{metric}_{'high' if higher == favourable else 'low'}"
        value = _floats(profiles[metric])
        is_exact = name not in profiles.columns or (exact_quality and metric in QUALITIES)
        end = value if is_exact else _floats(profiles[name])
        # a single process has a value without an interval, which tells nothing
        is_unknown = np.isnan(end) & ~np.isnan(value)
        ends[metric] = np.where(is_unknown, math.inf if higher == favourable else 0.0, end)
        times = np.where(is_disturbed, find_slowdown(metric), 1.0)
        if favourable:
            ends[metric] = ends[metric] * times if higher else ends[metric] / times
        if metric in LATENCIES and favourable and not higher:
            for lower in LATENCIES[: LATENCIES.index(metric)]:  # a percentile is no less than these
                if f"{lower}_low" in profiles.columns:
                    least = _floats(profiles[f"{lower}_low"]) / times
                    ends[metric] = np.fmax(ends[metric], least)
    return ends


def _floats(column: pl.Series) -> Floats:
    # through a list: for a dozen rows, polars' own casts take a hundred times as long
    return np.array(column.to_list(), dtype=np.float64)


def _keeps(values: dict[str, Floats], limits: Sequence[Limit], *, unknown: bool) -> Bools:
    """Tell which profiles keep limits; ``unknown`` stands for what isn't measured."""
    keeps = np.ones(len(next(iter(values.values()))), dtype=bool)
    for limit in limits:
        measured = values[limit.metric]
        keeps &= meets(limit, measured) | (np.isnan(measured) & unknown)
    return keeps
