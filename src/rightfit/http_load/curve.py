"""The load curve: latency, throughput, errors and costs of a server at rising load.

First rising numbers of clients in a closed loop, until more of them no longer gain anything: the
capacity. Then rising rates of random arrivals in an open loop, as shares of that capacity, until
the server no longer keeps up. Between the highest rate that meets a limit and the next one that
does not, further rates are tried.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from rightfit.http_load.generator import LoadOrder, LoadResult, Loop
from rightfit.http_load.served import Served, Usage
from rightfit.profiling.intervals import Interval, estimate_median
from rightfit.profiling.worker.latency import calls_to_hold, min_calls_to_report, percentile_ns
from rightfit.profiling.worker.units import BYTES_PER_MIB, NS_PER_MS, NS_PER_S

SHARES = (0.5, 0.95, 0.99)
N_WINDOWS = 6  # stretches of a step, one figure each: the fewest that give an interval
GAIN = 1.05  # of throughput, that twice as many clients must bring
MAX_CLIENTS = 256
OPEN_SHARES = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0)  # of the capacity
BEYOND = 1.15  # from one rate to the next, while the server still keeps up with its capacity
MAX_BEYOND = 8
P99_MARGIN = 1.2  # arrivals are random, and a p99 needs a certain number
MAX_STRETCH = 4  # how many times as long a step of an open loop may last to hold a p99
MAX_LATE_SHARE = 0.2  # of the p50, by which the generator may be late without being disturbed
N_REFINEMENTS = 3
MAX_LOST = 0.001  # share of requests without an answer that still counts as keeping up
MAX_BEHIND = (3, 0.02)  # requests, and share of all, that may be left when the load ends


@dataclass(frozen=True)
class LoadStep:
    """What a server did under one load.

    Args:
        loop: ``closed``: ``level`` clients; ``open``: ``level`` requests a second.
        level: How much.
        latency_ms: By percentile (``0.5`` …) the interval; ``None``: too few requests.
        throughput_per_s: Requests answered a second.
        n_requests: Requests that count.
        errors: Requests that failed, by kind.
        keeps_up: Whether the requests were answered as fast as they came.
        server_cores: Cores in use by the server on average.
        peak_memory_mib: Highest resident memory of the server.
        disk_read_mib: Read from disks.
        disk_written_mib: Written to disks.
        sent_mib: Bytes of the requests.
        received_mib: Bytes of the answers.
        late_p99_ms: The load generator's own delay.
    """

    loop: Loop
    level: float
    latency_ms: dict[float, Interval | None]
    throughput_per_s: float
    n_requests: int
    errors: dict[str, int]
    keeps_up: bool
    server_cores: float
    peak_memory_mib: float
    disk_read_mib: float
    disk_written_mib: float
    sent_mib: float
    received_mib: float
    late_p99_ms: float

    @property
    def disturbed(self) -> bool:
        """Whether the generator's delay is more than a fifth of the p50."""
        p50 = self.latency_ms[0.5]
        return p50 is not None and self.late_p99_ms > MAX_LATE_SHARE * p50.value


@dataclass(frozen=True)
class LoadCurve:
    """A server from idle to overload.

    Args:
        closed: Steps by rising number of clients.
        opened: Steps by rising rate.
        capacity_per_s: Most requests a second that any number of clients got answered.
        highest_rate_per_s: Highest rate tried whose p99 meets the limit and that loses nothing;
            ``None`` if none does.
        limit_ms: That limit.
        knee_per_s: Highest rate tried at which the p99 is at most twice that of the lowest rate.
    """

    closed: tuple[LoadStep, ...]
    opened: tuple[LoadStep, ...]
    capacity_per_s: float
    highest_rate_per_s: float | None
    limit_ms: float
    knee_per_s: float | None


def measure_curve(served: Served, order: LoadOrder, *, limit_ms: float) -> LoadCurve:
    """Load a server until it no longer keeps up.

    Args:
        served: The server.
        order: What to ask; its loop and level are replaced.
        limit_ms: Limit of the p99.
    """
    closed = [measure_step(served, replace(order, loop="closed", level=1))]
    while closed[-1].level < MAX_CLIENTS:
        level = 2 * closed[-1].level
        closed.append(measure_step(served, replace(order, loop="closed", level=level)))
        if closed[-1].throughput_per_s < GAIN * closed[-2].throughput_per_s:
            break
    capacity = max(step.throughput_per_s for step in closed)
    opened: list[LoadStep] = []
    beyond = (OPEN_SHARES[-1] * BEYOND ** (i + 1) for i in range(MAX_BEYOND))
    for share in (*OPEN_SHARES, *beyond):
        opened.append(measure_step(served, _order_rate(order, share * capacity)))
        if not opened[-1].keeps_up:
            break
    for _ in range(N_REFINEMENTS):
        ends = _find_gap(opened, limit_ms)
        if ends is None:
            break
        opened.append(measure_step(served, _order_rate(order, math.sqrt(ends[0] * ends[1]))))
        opened.sort(key=lambda step: step.level)
    return LoadCurve(
        closed=tuple(closed),
        opened=tuple(opened),
        capacity_per_s=capacity,
        highest_rate_per_s=_find_highest(opened, limit_ms),
        limit_ms=limit_ms,
        knee_per_s=_find_knee(opened),
    )


def _order_rate(order: LoadOrder, rate_per_s: float) -> LoadOrder:
    """Order random arrivals, and enough of them for a p99 where that takes not too long."""
    needed_s = P99_MARGIN * min_calls_to_report(max(SHARES)) / rate_per_s
    measured_s = min(max(order.measured_s, needed_s), MAX_STRETCH * order.measured_s)
    return replace(order, loop="open", level=rate_per_s, measured_s=measured_s)


def measure_step(served: Served, order: LoadOrder) -> LoadStep:
    """Put one load on a server.

    Args:
        served: The server.
        order: The load.
    """
    served.reset_peak()
    before = served.read_usage()
    result = _generate(order)
    after = served.read_usage()
    return _summarise(order, result, before, after, peak_mib=served.read_peak_mib())


def _generate(order: LoadOrder) -> LoadResult:
    finished = subprocess.run(
        [sys.executable, "-m", "rightfit.http_load.generator"],
        input=json.dumps(asdict(order)).encode(),
        capture_output=True,
        check=False,
    )
    if finished.returncode:
        raise RuntimeError(f"The load generator failed: {finished.stderr.decode()[-500:]}")
    content = json.loads(finished.stdout)
    lists = {name: tuple(content[name]) for name in ("latencies_ns", "due_ns")}
    return LoadResult(**content | lists)


def _summarise(
    order: LoadOrder, result: LoadResult, before: Usage, after: Usage, *, peak_mib: float
) -> LoadStep:
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
        server_cores=(after.cpu_s - before.cpu_s) / total_s,
        peak_memory_mib=peak_mib,
        disk_read_mib=after.read_mib - before.read_mib,
        disk_written_mib=after.written_mib - before.written_mib,
        sent_mib=result.bytes_sent / BYTES_PER_MIB,
        received_mib=result.bytes_received / BYTES_PER_MIB,
        late_p99_ms=result.late_p99_ms,
    )


def _find_percentile(order: LoadOrder, result: LoadResult, share: float) -> Interval | None:
    """Return a percentile of all requests, with the interval of its median over windows.

    Windows are consecutive stretches of equal length. Where one holds too few requests for the
    percentile, it is given without an interval.
    """
    latencies_ns = np.array(result.latencies_ns, dtype=np.int64)
    if len(latencies_ns) < min_calls_to_report(share):
        return None
    value = percentile_ns(latencies_ns, share)
    if value is None:
        return None
    width_ns = order.measured_s * NS_PER_S / N_WINDOWS
    since_ns = np.array(result.due_ns) - order.warm_up_s * NS_PER_S
    window = np.minimum(since_ns // width_ns, N_WINDOWS - 1)
    parts = [latencies_ns[window == number] for number in range(N_WINDOWS)]
    if min(len(part) for part in parts) < calls_to_hold(share):
        return Interval(value / NS_PER_MS, None, None, is_distribution_free=False)
    found = [percentile_ns(part, share) for part in parts]
    interval = estimate_median(
        [one / NS_PER_MS for one in found if one is not None], looks_once=True
    )
    low, high = (interval.low, interval.high)
    value /= NS_PER_MS
    return replace(
        interval,
        value=value,
        low=None if low is None else min(low, value),
        high=None if high is None else max(high, value),
    )


def _meets(step: LoadStep, limit_ms: float) -> bool:
    p99 = step.latency_ms[0.99]
    return step.keeps_up and p99 is not None and p99.value <= limit_ms


def _find_highest(opened: Sequence[LoadStep], limit_ms: float) -> float | None:
    """Return the highest rate up to which every rate tried meets the limit."""
    highest = None
    for step in opened:
        if step.latency_ms[0.99] is None and step.keeps_up:
            continue  # too low a rate for a p99
        if not _meets(step, limit_ms):
            break
        highest = step.level
    return highest


def _find_gap(opened: Sequence[LoadStep], limit_ms: float) -> tuple[float, float] | None:
    highest = _find_highest(opened, limit_ms)
    above = [step.level for step in opened if highest is not None and step.level > highest]
    return (highest, above[0]) if highest is not None and above else None


def _find_knee(opened: Sequence[LoadStep]) -> float | None:
    known = [(step.level, step.latency_ms[0.99], step.keeps_up) for step in opened]
    measured = [(level, p99.value, keeps_up) for level, p99, keeps_up in known if p99 is not None]
    if not measured:
        return None
    knee = None
    for level, p99_ms, keeps_up in measured:
        if not keeps_up or p99_ms > 2 * measured[0][1]:
            break
        knee = level
    return knee
