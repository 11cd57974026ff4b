"""Load steps, one load on a server each, and the load curve that rising ones make.

First rising numbers of clients in a closed loop, until more of them no longer gain anything: the
capacity. Then rising rates of random arrivals in an open loop, as shares of that capacity, until
the server no longer keeps up. Between the highest rate that meets a limit and the next one that
does not, further rates are tried.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from pydantic import Field, model_validator

from rightfit._core.processes.channel import Channel, name_kinds
from rightfit._core.processes.starting import start_module
from rightfit._core.progress import report_progress
from rightfit._core.strict_model import StrictModel
from rightfit.measuring.interval import Interval
from rightfit.measuring.median_estimates import estimate_median
from rightfit.measuring.worker.latency import min_calls_to_report, percentile_ns
from rightfit.measuring.worker.meters.cpu import read_busy_s
from rightfit.measuring.worker.units import NS_PER_MS, NS_PER_S
from rightfit.ranking.records.load_records import LatencyLimit, LoadCurve, LoadStep
from rightfit_deploy.http_load.generator import LoadOrder, LoadResult
from rightfit_deploy.http_load.served import RunningServer

GAIN = 1.05  # of throughput, that more clients must bring
MAX_CLIENTS = 256
BEYOND = 1.15  # from one rate to the next, while the server still keeps up with its capacity
MARGIN = 1.2  # arrivals are random, and a percentile needs a certain number
SHARES = (0.5, 0.95, 0.99)
N_WINDOWS = 6  # stretches of a step, one figure each: the fewest that give an interval
MAX_RESULT_BYTES = 2**30  # two numbers of some ten digits for each request
MAX_LOST = 0.001  # share of requests without an answer that still counts as keeping up
MAX_BEHIND = (3, 0.02)  # requests, and share of all, that may be left when the load ends

AskServer = Callable[[LoadOrder], LoadResult]


class CurvePlan(StrictModel):
    """Which rates are tried."""

    client_factor: int = Field(ge=2, le=256)  # from one number of clients to the next
    rate_shares: tuple[float, ...] = Field(min_length=1)  # of the capacity, rising
    n_beyond: int = Field(ge=0, le=100)  # further rates, while the server keeps up
    n_refinements: int = Field(ge=0, le=100)  # between the highest rate within the limit and next
    max_stretch: float = Field(ge=1, le=1_000)  # of a rate's time, to hold the limited percentile

    @model_validator(mode="after")
    def _check_shares(self) -> CurvePlan:
        rising = all(low < high for low, high in pairwise((0.0, *self.rate_shares)))
        if not rising or not self.rate_shares[-1] <= 10:
            raise ValueError(
                "rate_shares must rise from above 0 to at most 10, but got "
                f"{list(self.rate_shares)}."
            )
        return self


THOROUGH = CurvePlan(
    client_factor=2,
    rate_shares=(0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0),
    n_beyond=8,
    n_refinements=3,
    max_stretch=4,
)


@contextlib.contextmanager
def start_generator() -> Iterator[AskServer]:
    """Start a load generator, and end it at last.

    Yields:
        A function that asks a server as ordered. It raises RuntimeError if the generator has ended.
    """
    process, end = start_module("rightfit_deploy.http_load.generator", variables={}, output=None)

    def ask_server(order: LoadOrder) -> LoadResult:
        with contextlib.suppress(BrokenPipeError):
            channel.send(order)
        result: LoadResult | None = channel.receive()
        if result is None:
            raise RuntimeError(f"The load generator ended with status {process.wait()}.")
        return result

    try:
        channel = Channel(end, name_kinds(LoadResult), max_bytes=MAX_RESULT_BYTES)
        yield ask_server
    finally:
        process.kill()
        process.wait()
        end.close()


def measure_step(served: RunningServer, order: LoadOrder, ask_server: AskServer) -> LoadStep:
    """Put one load on a server."""
    unit = "clients" if order.loop == "closed" else "requests/s"
    report_progress("measuring", f"a load of {order.level:,.3g} {unit}")
    served.reset_peak()
    cores = {f"cpu{core}" for core in {*served.cores, order.core} - {None}}
    started_s, busy_s = time.monotonic(), read_busy_s(cores)
    server_cpu_s = -served.read_cpu_s()
    result = ask_server(order)
    server_cpu_s += served.read_cpu_s()
    wall_s, busy_since_s = time.monotonic() - started_s, read_busy_s(cores)
    others_cores = None
    if busy_s is not None and busy_since_s is not None:
        others_s = busy_since_s - busy_s - server_cpu_s - result.cpu_s
        others_cores = max(0.0, others_s) / wall_s
    total_s = order.warm_up_s + result.wall_s
    n_lost = sum(result.errors.values())
    n_behind = result.n_sent - result.n_answered_in_time - n_lost
    return LoadStep(
        loop=order.loop,
        level=order.level,
        latency_ms={share: _find_percentile(order, result, share) for share in SHARES},
        throughput_per_s=result.n_answered_in_time / order.measured_s,
        n_requests=result.n_sent,
        errors=result.errors,
        keeps_up=n_lost <= MAX_LOST * result.n_sent
        and n_behind <= MAX_BEHIND[0] + MAX_BEHIND[1] * result.n_sent,
        server_cores=server_cpu_s / total_s,
        peak_memory_mib=served.read_peak_mib(),
        late_p99_ms=result.late_p99_ms,
        late_max_ms=result.late_max_ms,
        others_cores=others_cores,
    )


def _find_percentile(order: LoadOrder, result: LoadResult, share: float) -> Interval | None:
    """Return a percentile of all requests, with the interval of its median over windows.

    Windows are consecutive stretches of equal length. Where one holds too few requests for the
    percentile, it is given without an interval.
    """
    latencies_ns = np.array(result.latencies_ns, dtype=np.int64)
    value_ns = percentile_ns(latencies_ns, share)
    if value_ns is None or len(latencies_ns) < min_calls_to_report(share):
        return None
    value = value_ns / NS_PER_MS
    width_ns = order.measured_s * NS_PER_S / N_WINDOWS
    since_ns = np.array(result.due_ns) - order.warm_up_s * NS_PER_S
    window = np.minimum(since_ns // width_ns, N_WINDOWS - 1)
    percentiles_ns = [
        percentile_ns(latencies_ns[window == number], share) for number in range(N_WINDOWS)
    ]
    if None in percentiles_ns:
        return Interval(value, None, None, is_distribution_free=False)
    interval = estimate_median(
        [value_ns / NS_PER_MS for value_ns in percentiles_ns if value_ns is not None],
        looks_once=True,
    )
    low, high = interval.low, interval.high
    return replace(
        interval,
        value=value,
        low=None if low is None else min(low, value),
        high=None if high is None else max(high, value),
    )


def measure_curve(
    served: RunningServer,
    order: LoadOrder,
    *,
    limit: LatencyLimit,
    plan: CurvePlan = THOROUGH,
    rate_per_s: float | None = None,
) -> LoadCurve:
    """Load a server until it no longer keeps up.

    Args:
        served: The server.
        order: What it is asked, and for how long; loop and level are replaced.
        limit: Of the latency.
        plan: Rates to try.
        rate_per_s: A rate of interest, tried among them.

    Raises:
        RuntimeError: If no load had an answer within its time.
    """
    with start_generator() as ask_server:
        closed = [measure_step(served, replace(order, loop="closed", level=1), ask_server)]
        while closed[-1].level < MAX_CLIENTS:
            step_order = replace(order, loop="closed", level=plan.client_factor * closed[-1].level)
            closed.append(measure_step(served, step_order, ask_server))
            if closed[-1].throughput_per_s < GAIN * closed[-2].throughput_per_s:
                break
        capacity = max(step.throughput_per_s for step in closed)
        if not capacity:
            raise RuntimeError(
                f"No request was answered within the {order.measured_s:g} s of a load. "
                "Give each more time (--seconds, http_load.step_s)."
            )

        def try_rate(rate_per_s: float) -> LoadStep:
            # Enough requests for the percentile, where that takes not too long.
            needed_s = MARGIN * min_calls_to_report(limit.share) / rate_per_s
            measured_s = min(max(order.measured_s, needed_s), plan.max_stretch * order.measured_s)
            step_order = replace(order, loop="open", level=rate_per_s, measured_s=measured_s)
            return measure_step(served, step_order, ask_server)

        opened: list[LoadStep] = []
        beyond = (plan.rate_shares[-1] * BEYOND ** (i + 1) for i in range(plan.n_beyond))
        rates = {share * capacity for share in (*plan.rate_shares, *beyond)}
        if rate_per_s is not None:
            rates.add(rate_per_s)
        for rate in sorted(rates):
            opened.append(try_rate(rate))
            if not opened[-1].keeps_up:
                break
        for _ in range(plan.n_refinements):
            highest = _find_highest(opened, limit)
            above = [step.level for step in opened if highest and step.level > highest]
            if highest is None or not above:
                break
            opened.append(try_rate(math.sqrt(highest * above[0])))
            opened.sort(key=lambda step: step.level)
    curve = LoadCurve(tuple(closed), tuple(opened), capacity, None, limit.ms, None)
    return judge_curve(curve, limit)


def judge_curve(curve: LoadCurve, limit: LatencyLimit) -> LoadCurve:
    """Hold a curve that was measured for one limit against another one."""
    steps = [(step.level, step.latency_ms[limit.share], step.keeps_up) for step in curve.opened]
    measured = [(level, latency.value, keeps_up) for level, latency, keeps_up in steps if latency]
    knee_per_s = None  # the last rate before the percentile is twice that of the first
    for level, found_ms, keeps_up in measured:
        if not keeps_up or found_ms > 2 * measured[0][1]:
            break
        knee_per_s = level
    return replace(
        curve,
        highest_rate_per_s=_find_highest(curve.opened, limit),
        limit_ms=limit.ms,
        knee_per_s=knee_per_s,
        limit_share=limit.share,
    )


def meets_limit(step: LoadStep, limit: LatencyLimit) -> bool:
    """Tell whether a server kept up with a load, within a limit of its latency."""
    latency = step.latency_ms[limit.share]
    return step.keeps_up and latency is not None and latency.value <= limit.ms


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
