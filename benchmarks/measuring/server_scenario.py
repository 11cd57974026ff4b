"""Does the search for the highest arrival rate find it? Simulated queues with known answers tell.

Queues with one server and Poisson arrivals (M/G/1) of three kinds of service time, two mean service
times and two limits; beside them one whose requests take twice as long when they find the server
idle. Time is virtual: nothing sleeps, and a run's seconds are those that a machine would have
needed. The truth comes from Lindley's recursion over sixty million requests. Compared are the
search with the presets ``standard`` and ``publish``, as they measure a profile, and the bisection
that it replaced: trials that pass or fail, each ten limits long, from an empty queue.

Ends with one line of JSON. The two figures to hold are those of ``publish``: in the 5 s of
``standard`` no rule can see enough of the wilder queues, so there the interval must say so.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from kept_pieces import KeptPieces
from presets import read_preset

from rightfit.profiling.estimate import Interval
from rightfit.profiling.intervals import estimate_median
from rightfit.profiling.measuring.settings import ServerSettings
from rightfit.profiling.worker.highest_rate import find_max_rate
from rightfit.profiling.worker.latency import percentile_ns
from rightfit.profiling.worker.open_loop import poisson_arrivals_ns
from rightfit.profiling.worker.queue_replay import SHARE, draw_replay
from rightfit.profiling.worker.rate_search import SearchAim
from rightfit.profiling.worker.service_times import without_idling
from rightfit.profiling.worker.under_load import (
    CLOSED_LOOP_SHARE,
    N_CLOSED_LOOP,
    LoadPlan,
    measure_load,
)
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S

Nanoseconds = npt.NDArray[np.int64]
Draw = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]

SERVICES_MS = (1.0, 5.0)
LIMITS = (10, 50)  # in mean service times
N_TRUTH = 2_000_000
CLOSE = 0.05
PRECISION = 0.0005  # of the truth
COLD = "cold when idle"


def draw_deterministic(_: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Return services that all take the same time, of mean 1."""
    return np.ones(n)


def draw_exponential(generator: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Draw exponential services of mean 1."""
    return generator.standard_exponential(n)


def draw_bimodal(generator: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Draw services of mean 1, of which one in ten takes eleven times as long as the others."""
    return np.where(generator.random(n) < 0.9, 0.5, 5.5)


@dataclass(frozen=True)
class Shape:
    """A kind of service time.

    Args:
        draw: Draws services of mean 1.
        cold: What a request takes longer that finds the server idle, in mean services.
    """

    draw: Draw
    cold: float = 0.0


SHAPES = {
    "deterministic": Shape(draw_deterministic),
    "exponential": Shape(draw_exponential),
    "bimodal": Shape(draw_bimodal),
    COLD: Shape(draw_deterministic, cold=1.0),
}


def answer_all(
    arrivals: npt.NDArray[Any], services: npt.NDArray[Any], cold: float
) -> npt.NDArray[np.float64]:
    """Return the time from arrival to answer of each request, by Lindley's recursion."""
    if cold == 0:
        work = np.cumsum(services)
        begun = np.maximum.accumulate(arrivals - work + services)
        latencies_of_all: npt.NDArray[np.float64] = begun + work - arrivals
        return latencies_of_all
    free, latencies = 0.0, []
    for arrival, service in zip(arrivals.tolist(), services.tolist(), strict=True):
        free = arrival + service + cold if free <= arrival else free + service
        latencies.append(free - arrival)
    return np.array(latencies)


@dataclass
class SimulatedServer:
    """A server in virtual time."""

    shape: Shape
    service_ms: float
    generator: np.random.Generator
    spent_s: float = 0.0

    def services_ns(self, n: int) -> Nanoseconds:
        """Draw service times."""
        return (self.shape.draw(self.generator, n) * self.service_ms * NS_PER_MS).astype(np.int64)

    def close_loop(self, max_s: float) -> Nanoseconds:
        """Answer calls back to back."""
        services_ns = self.services_ns(N_CLOSED_LOOP)
        n_calls = 1 + int(np.searchsorted(np.cumsum(services_ns), max_s * NS_PER_S))
        self.spent_s += float(services_ns[:n_calls].sum()) / NS_PER_S
        return services_ns[:n_calls]

    def serve(self, arrivals_ns: Nanoseconds) -> Nanoseconds:
        """Answer scheduled arrivals; return the time from each arrival to its answer."""
        cold_ns = self.shape.cold * self.service_ms * NS_PER_MS
        latencies_ns = answer_all(arrivals_ns, self.services_ns(len(arrivals_ns)), cold_ns)
        self.spent_s += float(arrivals_ns[-1] + latencies_ns[-1]) / NS_PER_S
        return latencies_ns.astype(np.int64)


@dataclass(frozen=True)
class Found:
    """What a run found.

    Args:
        interval: Highest rate over the processes; ``None`` when none was found.
        seconds: Virtual time of all processes.
    """

    interval: Interval | None
    seconds: float


@dataclass(frozen=True)
class Summary:
    """What the runs of one rule on one queue found.

    Args:
        within: Share of runs within 5 % of the truth.
        found: Share of runs with a rate; without one, a run says why.
        covers: Share of intervals that hold the truth; ``None`` for a rule without intervals.
        error: Median of the relative errors.
        half_width: Median of the intervals' half widths as a share.
        seconds: Mean virtual time of a run.
    """

    within: float
    found: float
    covers: float | None
    error: float
    half_width: float | None
    seconds: float


QueueResults = dict[str, Summary]  # by rule


def search(server: SimulatedServer, settings: ServerSettings, seed: int) -> Found:
    """Measure a profile's highest rate as the profiler does, process after process."""
    start_s = server.spent_s
    rates = [search_once(server, settings, seed + i) for i in range(settings.n_processes)]
    known = [rate for rate in rates if rate is not None]
    interval = estimate_median(known, looks_once=True) if len(known) == len(rates) else None
    return Found(interval, server.spent_s - start_s)


def search_once(server: SimulatedServer, settings: ServerSettings, seed: int) -> float | None:
    """Return the highest rate that one process finds."""
    end_s = server.spent_s + settings.max_s
    services_ns = server.close_loop(CLOSED_LOOP_SHARE * settings.max_s)
    error = settings.rate_error_pct / 100
    aim = SearchAim(settings.p99_limit_ms, error, settings.n_own_requests)
    plan = LoadPlan(settings.rate_per_s, aim, seed)
    found = measure_load(server.serve, services_ns, plan, left_s=lambda: end_s - server.spent_s)
    return found.highest.rate_per_s


def bisect(server: SimulatedServer, limit_ms: float, max_s: float) -> Found:
    """Bisect on pass and fail, in one process: the rule before."""
    start_s = server.spent_s
    services_ns = server.close_loop(CLOSED_LOOP_SHARE * max_s)
    replay = draw_replay(without_idling(services_ns), 5_000, server.generator)
    high = find_max_rate(replay, limit_ms) or NS_PER_S / float(services_ns.mean())
    met: float | None = None
    for step in range(6):
        rate = high if step == 0 else high / 3 if met is None else math.sqrt(met * high)
        n_requests = max(700, math.ceil(rate * 10 * limit_ms / 1e3))
        arrivals_ns = poisson_arrivals_ns(rate, n_requests, server.generator)
        if arrivals_ns[-1] / NS_PER_S > max_s - (server.spent_s - start_s):
            break
        p99_ns = percentile_ns(server.serve(arrivals_ns), SHARE)
        if p99_ns is not None and p99_ns <= limit_ms * NS_PER_MS:
            met = rate
            if step == 0:
                break
        else:
            high = rate
    interval = None if met is None else Interval(met, None, None, is_distribution_free=False)
    return Found(interval, server.spent_s - start_s)


@functools.cache
def true_max_rate(shape: str, limit: float, n_requests: int) -> float:
    """Return the highest rate of a queue with a mean service time of 1 s.

    The mean over 30 sequences of requests, 5 of a cold server, by Lindley's recursion and
    bisection.
    """
    n_sequences = 5 if SHAPES[shape].cold else 30  # one after the other takes longer
    rates = [solve(SHAPES[shape], limit, seed, n_requests) for seed in range(n_sequences)]
    error = statistics.stdev(rates) / math.sqrt(n_sequences) / statistics.mean(rates)
    print(f"{shape}, limit {limit}: true rate {statistics.mean(rates):.5f}, error {error:.2%}")
    return statistics.mean(rates)


def solve(shape: Shape, limit: float, seed: int, n_requests: int) -> float:
    """Return the highest rate of one sequence of requests."""
    generator = np.random.default_rng(seed)
    services = shape.draw(generator, n_requests)
    unit_arrivals = np.cumsum(generator.standard_exponential(n_requests))
    low, high = 0.1, 0.999
    while high / low > 1 + PRECISION:
        rate = math.sqrt(low * high)
        latencies = answer_all(unit_arrivals / rate, services, shape.cold)
        is_met = float((latencies[n_requests // 100 :] > limit).mean()) <= 1 - SHARE
        low, high = (rate, high) if is_met else (low, rate)
    return math.sqrt(low * high)


def summarise(runs: list[Found], truth: float) -> Summary:
    """Hold the runs of one rule against the truth; a run without a rate is a miss."""
    intervals = [run.interval for run in runs if run.interval is not None]
    errors = [abs(i.value / truth - 1) for i in intervals] + [1.0] * (len(runs) - len(intervals))
    ends = [(i.low, i.high) for i in intervals if i.low is not None and i.high is not None]
    return Summary(
        within=statistics.mean(error <= CLOSE for error in errors),
        found=len(intervals) / len(runs),
        covers=statistics.mean(low <= truth <= high for low, high in ends) if ends else None,
        error=statistics.median(errors),
        half_width=statistics.median((high / low - 1) / 2 for low, high in ends) if ends else None,
        seconds=statistics.mean(run.seconds for run in runs),
    )


def read_settings(preset: str, limit_ms: float) -> ServerSettings:
    """Return the ``server`` block of a preset with another limit."""
    return read_preset(preset).server.model_copy(update={"p99_limit_ms": limit_ms})


def each_queue(shapes: Sequence[str]) -> Iterator[tuple[str, float, int]]:
    """Yield shape, mean service time in ms and limit in service times of each queue."""
    for shape in shapes:
        for service_ms in SERVICES_MS:
            for limit in LIMITS:
                yield shape, service_ms, limit


def check_queue(
    shape: str, service_ms: float, limit: int, *, n_runs: int, n_truth: int
) -> QueueResults:
    """Run all rules on one queue; return what each found by its name."""
    limit_ms = limit * service_ms
    truth = true_max_rate(shape, limit, n_truth) * 1e3 / service_ms
    server = SimulatedServer(SHAPES[shape], service_ms, np.random.default_rng(7))
    found = {"bisection": [bisect(server, limit_ms, 6) for _ in range(n_runs)]}
    for preset in ("standard", "publish"):
        settings = read_settings(preset, limit_ms)
        found[preset] = [search(server, settings, 1_000 * run) for run in range(n_runs)]
    return {name: summarise(runs, truth) for name, runs in found.items()}


def check_max_rate(
    *,
    n_runs: int,
    n_truth: int,
    shapes: Sequence[str] = tuple(SHAPES),
    pieces: KeptPieces | None = None,
) -> dict[str, float]:
    """Print how close the rules come for each queue; return the lowest and mean shares.

    Returns:
        ``max_rate_within_5pct`` and ``max_rate_covers`` of ``publish`` over all runs of the three
        kinds, the lowest of a single queue, and the same of ``standard`` and of the bisection;
        ``max_rate_cold_within_5pct`` of ``publish`` for the fourth kind.
    """
    header = ("within 5 %", "found", "covers", "error", "half width", "time s")
    print(("{:<16}{:>5}{:>7}  {:<10}" + "{:>12}" * 6).format("service", "ms", "limit", "", *header))
    pieces = pieces or KeptPieces(None)
    found: dict[str, list[QueueResults]] = {"cold": [], "warm": []}
    for shape, service_ms, limit in each_queue(shapes):
        check = functools.partial(
            check_queue, shape, service_ms, limit, n_runs=n_runs, n_truth=n_truth
        )
        results = pieces.find(f"{shape} {service_ms:g} ms {limit}", QueueResults, check)
        found["cold" if shape == COLD else "warm"].append(results)
        for name, one in results.items():
            covers = "-" if one.covers is None else f"{one.covers:.1%}"
            width = "-" if one.half_width is None else f"{one.half_width:.1%}"
            print(
                f"{shape:<16}{service_ms:>5g}{limit:>7}  {name:<10}{one.within:>12.1%}"
                f"{one.found:>12.1%}{covers:>12}{one.error:>12.1%}{width:>12}{one.seconds:>12.1f}",
                flush=True,
            )
    figures = _figures(found["warm"]) if found["warm"] else {}
    if found["cold"]:
        within = [one["publish"].within for one in found["cold"]]
        figures["max_rate_cold_within_5pct"] = statistics.mean(within)
    return figures


def _figures(found: list[QueueResults]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, ending in (("publish", ""), ("standard", "_standard"), ("bisection", "_bisection")):
        within = [one[name].within for one in found]
        covers = [covered for one in found if (covered := one[name].covers) is not None]
        figures[f"max_rate_within_5pct{ending}"] = statistics.mean(within)
        figures[f"max_rate_within_5pct{ending}_min"] = min(within)
        figures[f"max_rate_s{ending}"] = statistics.mean(one[name].seconds for one in found)
        figures[f"max_rate_found{ending}"] = statistics.mean(one[name].found for one in found)
        if covers:
            figures[f"max_rate_covers{ending}"] = statistics.mean(covers)
            figures[f"max_rate_covers{ending}_min"] = min(covers)
    return figures


def main() -> None:
    """Run all comparisons and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-runs", type=int, default=150, help="runs of each rule on each queue")
    parser.add_argument("--n-truth", type=int, default=N_TRUTH, help="requests behind a true rate")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--keep", type=Path, help="folder of queues, to run some at a time")
    options = parser.parse_args()
    figures = check_max_rate(
        n_runs=options.n_runs,
        n_truth=options.n_truth,
        shapes=options.shapes,
        pieces=KeptPieces(options.keep),
    )
    print(json.dumps({key: round(value, 4) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
