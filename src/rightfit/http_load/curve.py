"""The load curve: latency, throughput, errors and costs of a server at rising load.

First rising numbers of clients in a closed loop, until more of them no longer gain anything: the
capacity. Then rising rates of random arrivals in an open loop, as shares of that capacity, until
the server no longer keeps up. Between the highest rate that meets a limit and the next one that
does not, further rates are tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rightfit.http_load.generator import LoadOrder
from rightfit.http_load.load_records import LatencyLimit, LoadCurve, LoadStep
from rightfit.http_load.load_settings import THOROUGH, CurvePlan
from rightfit.http_load.served import RunningServer
from rightfit.http_load.step import Generator, measure_step, start_generator
from rightfit.profiling.worker.latency import min_calls_to_report

GAIN = 1.05  # of throughput, that more clients must bring
MAX_CLIENTS = 256
BEYOND = 1.15  # from one rate to the next, while the server still keeps up with its capacity
MARGIN = 1.2  # arrivals are random, and a percentile needs a certain number


def measure_curve(
    served: RunningServer, order: LoadOrder, *, limit: LatencyLimit, plan: CurvePlan = THOROUGH
) -> LoadCurve:
    """Load a server until it no longer keeps up.

    The loop and level of ``order`` are replaced.
    """
    with start_generator() as generator:
        closed = _raise_clients(served, order, generator, plan.client_factor)
        capacity = max(step.throughput_per_s for step in closed)

        def try_rate(rate_per_s: float) -> LoadStep:
            # Enough requests for the percentile, where that takes not too long.
            needed_s = MARGIN * min_calls_to_report(limit.share) / rate_per_s
            measured_s = min(max(order.measured_s, needed_s), plan.max_stretch * order.measured_s)
            asked = replace(order, loop="open", level=rate_per_s, measured_s=measured_s)
            return measure_step(served, asked, generator)

        opened: list[LoadStep] = []
        beyond = (plan.rate_shares[-1] * BEYOND ** (i + 1) for i in range(plan.n_beyond))
        for share in (*plan.rate_shares, *beyond):
            opened.append(try_rate(share * capacity))
            if not opened[-1].keeps_up:
                break
        for _ in range(plan.n_refinements):
            highest = _find_highest(opened, limit)
            above = [step.level for step in opened if highest and step.level > highest]
            if highest is None or not above:
                break
            opened.append(try_rate(math.sqrt(highest * above[0])))
            opened.sort(key=lambda step: step.level)
    return LoadCurve(
        closed=tuple(closed),
        opened=tuple(opened),
        capacity_per_s=capacity,
        highest_rate_per_s=_find_highest(opened, limit),
        limit_ms=limit.ms,
        knee_per_s=_find_knee(opened, limit.share),
        limit_share=limit.share,
    )


def judge_curve(curve: LoadCurve, limit: LatencyLimit) -> LoadCurve:
    """Hold a curve that was measured for one limit against another one."""
    return replace(
        curve,
        highest_rate_per_s=_find_highest(curve.opened, limit),
        limit_ms=limit.ms,
        knee_per_s=_find_knee(curve.opened, limit.share),
        limit_share=limit.share,
    )


def _raise_clients(
    served: RunningServer, order: LoadOrder, generator: Generator, factor: int
) -> list[LoadStep]:
    closed = [measure_step(served, replace(order, loop="closed", level=1), generator)]
    while closed[-1].level < MAX_CLIENTS:
        level = factor * closed[-1].level
        closed.append(measure_step(served, replace(order, loop="closed", level=level), generator))
        if closed[-1].throughput_per_s < GAIN * closed[-2].throughput_per_s:
            break
    return closed


def meets_limit(step: LoadStep, limit: LatencyLimit) -> bool:
    """Tell whether a server kept up with a load, within a limit of its latency."""
    found = step.latency_ms[limit.share]
    return step.keeps_up and found is not None and found.value <= limit.ms


def _find_highest(opened: Sequence[LoadStep], limit: LatencyLimit) -> float | None:
    """Return the highest rate up to which every rate tried meets the limit."""
    highest = None
    for step in opened:
        if step.latency_ms[limit.share] is None and step.keeps_up:
            continue  # too low a rate for the percentile
        if not meets_limit(step, limit):
            break
        highest = step.level
    return highest


def _find_knee(opened: Sequence[LoadStep], share: float) -> float | None:
    known = [(step.level, step.latency_ms[share], step.keeps_up) for step in opened]
    measured = [(level, found.value, keeps_up) for level, found, keeps_up in known if found]
    knee = None
    for level, found_ms, keeps_up in measured:
        if not keeps_up or found_ms > 2 * measured[0][1]:
            break
        knee = level
    return knee
