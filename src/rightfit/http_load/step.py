"""A load step: one load on a server, and what it did under it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rightfit.http_load.generator import LoadOrder, LoadResult
from rightfit.http_load.load_records import LoadStep
from rightfit.http_load.served import RunningServer, Usage
from rightfit.processes.channel import Channel, name_kinds
from rightfit.processes.starting import start_module
from rightfit.profiling.estimate import Interval
from rightfit.profiling.intervals import estimate_median
from rightfit.profiling.worker.latency import calls_to_hold, min_calls_to_report, percentile_ns
from rightfit.profiling.worker.meters.disturbance import parse_stat
from rightfit.profiling.worker.units import BYTES_PER_MIB, NS_PER_MS, NS_PER_S

SHARES = (0.5, 0.95, 0.99)
N_WINDOWS = 6  # stretches of a step, one figure each: the fewest that give an interval
MAX_RESULT_BYTES = 2**30  # two numbers of some ten digits for each request
MAX_LOST = 0.001  # share of requests without an answer that still counts as keeping up
MAX_BEHIND = (3, 0.02)  # requests, and share of all, that may be left when the load ends


class Generator:
    """The load generator's process, which carries out one order after the other."""

    def __init__(self, process: subprocess.Popen[bytes], channel: Channel) -> None:
        self._process = process
        self._channel = channel

    def run(self, order: LoadOrder) -> LoadResult:
        """Ask a server as ordered.

        Raises:
            RuntimeError: If the generator has ended.
        """
        with contextlib.suppress(BrokenPipeError):
            self._channel.send(order)
        result: LoadResult | None = self._channel.receive()
        if result is None:
            raise RuntimeError(f"The load generator ended with status {self._process.wait()}.")
        return result


@contextlib.contextmanager
def start_generator() -> Iterator[Generator]:
    """Start a load generator, and end it at last."""
    process, end = start_module("rightfit.http_load.generator", variables={}, output=None)
    try:
        yield Generator(process, Channel(end, name_kinds(LoadResult), max_bytes=MAX_RESULT_BYTES))
    finally:
        process.kill()
        process.wait()
        end.close()


def measure_step(served: RunningServer, order: LoadOrder, generator: Generator) -> LoadStep:
    """Put one load on a server."""
    served.reset_peak()
    cores = {*served.cores, order.core} - {None}
    started_s, busy_s = time.monotonic(), _read_busy_s(cores)
    before = served.read_usage()
    result = generator.run(order)
    after = served.read_usage()
    wall_s, busy_since_s = time.monotonic() - started_s, _read_busy_s(cores)
    others_cores = None
    if busy_s is not None and busy_since_s is not None:
        own_s = after.cpu_s - before.cpu_s + result.cpu_s
        others_cores = max(0.0, busy_since_s - busy_s - own_s) / wall_s
    return _summarise(
        order, result, before, after, peak_mib=served.read_peak_mib(), others_cores=others_cores
    )


def _summarise(
    order: LoadOrder,
    result: LoadResult,
    before: Usage,
    after: Usage,
    *,
    peak_mib: float,
    others_cores: float | None,
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
        late_max_ms=result.late_max_ms,
        others_cores=others_cores,
    )


def _read_busy_s(cores: Collection[int | None]) -> float | None:
    """Return the seconds that cores were busy since the machine started, steal included."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    names = {f"cpu{core}" for core in cores}
    found = [parse_stat(line, wall_s=0.0).busy_s for line in lines if line.split()[0] in names]
    return sum(found) if len(found) == len(names) else None


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
