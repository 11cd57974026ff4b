"""Do our server scenario and MLPerf LoadGen's agree? Needs the extra ``bench`` and a quiet machine.

One function of known service time, uniform from half to one and a half times its mean by its row,
is served in this process by LoadGen's Server scenario and by ours in turns, at rates below and
above the highest that meets a limit of ten mean service times. Side by side: the p99 at the same
rate, and whether the limit is met: LoadGen's VALID, our highest rate being above that rate. A third
figure replays the queue with the service times of LoadGen's own run, which saw the same machine.

LoadGen counts from the scheduled arrival, as we do, and its queries are answered where they are
issued: one server, first come, first served. Ends with one line of JSON. On a noisy machine, where
a wait of 2 ms may take 20, ``--mean-ms 40`` makes the noise small.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mlperf_loadgen
import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.latency import time_calls
from rightfit.profiling.worker.open_loop import SPIN_NS, time_open_loop
from rightfit.profiling.worker.queue_replay import N_MOST, draw_replay
from rightfit.profiling.worker.rate_search import SearchAim
from rightfit.profiling.worker.results import ServerResult
from rightfit.profiling.worker.service_times import ServiceTimes
from rightfit.profiling.worker.under_load import LoadPlan, measure_load
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S

Rows = list[npt.NDArray[np.float32]]

LIMIT = 10  # mean service times
N_ROWS = 1_024
FACTORS = (0.85, 1.15)  # of the highest rate, in turns
MIN_QUERIES = 662  # what a p99 needs
MAX_OVERHEAD_NS = 100_000  # LoadGen's own, between two queries that waited
VERDICTS = {True: "VALID", False: "INVALID"}


@dataclass(frozen=True)
class LoadGenRun:
    """What LoadGen found at a rate."""

    p99_ms: float
    is_valid: bool
    services: ServiceTimes


@dataclass(frozen=True)
class Compared:
    """One rate, served by both."""

    rate_per_s: float
    loadgen: LoadGenRun
    ours: ServerResult

    @property
    def is_valid(self) -> bool:
        """Our verdict."""
        highest_per_s = self.ours.highest.rate_per_s
        return highest_per_s is not None and self.rate_per_s <= highest_per_s

    @property
    def ratio(self) -> float:
        """Our p99 / LoadGen's."""
        p99_ms = self.ours.fixed.p99_ms
        return float("inf") if p99_ms is None else p99_ms / self.loadgen.p99_ms

    @property
    def replayed_ratio(self) -> float:
        """The p99 of a queue with LoadGen's service times / LoadGen's."""
        replay = draw_replay(self.loadgen.services, N_MOST, np.random.default_rng(0))
        return replay.p99_ns(self.rate_per_s) / NS_PER_MS / self.loadgen.p99_ms


def answer(row: npt.NDArray[np.float32]) -> None:
    """Take the milliseconds that the row holds; sleep most of them, to leave the cores alone."""
    end_ns = time.perf_counter_ns() + int(row[0, 0] * NS_PER_MS)
    time.sleep(max(0, end_ns - SPIN_NS - time.perf_counter_ns()) / NS_PER_S)
    while time.perf_counter_ns() < end_ns:
        pass


def make_rows(mean_ms: float) -> Rows:
    """Return rows of one figure, the milliseconds that a call with them takes."""
    drawn_ms = np.random.default_rng(0).uniform(0.5 * mean_ms, 1.5 * mean_ms, N_ROWS)
    return [np.array([[ms]], dtype=np.float32) for ms in drawn_ms]


@dataclass(frozen=True)
class Peers:
    """Both scenarios on one function.

    Args:
        rows: Inputs of the function.
        limit_ms: Limit of the p99.
        seconds: Length of one run at its rate.
        spans_ns: Begin and end of each answer to LoadGen.
    """

    rows: Rows
    limit_ms: float
    seconds: float
    spans_ns: list[tuple[int, int]] = field(default_factory=list)

    def run_loadgen(self, rate_per_s: float, *, seed: int) -> LoadGenRun:
        """Run LoadGen's Server scenario."""
        self.spans_ns.clear()
        settings = mlperf_loadgen.TestSettings()
        settings.scenario = mlperf_loadgen.TestScenario.Server
        settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
        settings.server_target_qps = rate_per_s
        settings.server_target_latency_ns = int(self.limit_ms * NS_PER_MS)
        settings.server_target_latency_percentile = 0.99
        settings.min_query_count = MIN_QUERIES
        settings.min_duration_ms = int(self.seconds * 1e3)
        settings.schedule_rng_seed = settings.sample_index_rng_seed = settings.qsl_rng_seed = seed
        n_rows = len(self.rows)
        sut = mlperf_loadgen.ConstructSUT(self._issue, lambda: None)
        library = mlperf_loadgen.ConstructQSL(n_rows, n_rows, lambda _: None, lambda _: None)
        with tempfile.TemporaryDirectory() as folder:
            log = mlperf_loadgen.LogSettings()
            log.enable_trace = False
            log.log_output.outdir = folder
            log.log_output.copy_summary_to_stdout = False
            mlperf_loadgen.StartTestWithLogSettings(sut, library, settings, log)
            summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
        mlperf_loadgen.DestroyQSL(library)
        mlperf_loadgen.DestroySUT(sut)
        p99_ms, is_valid = read_summary(summary)
        return LoadGenRun(p99_ms, is_valid, read_spans(np.array(self.spans_ns)))

    def _issue(self, samples: Sequence[mlperf_loadgen.QuerySample]) -> None:
        for sample in samples:
            begin_ns = time.perf_counter_ns()
            answer(self.rows[sample.index])
            self.spans_ns.append((begin_ns, time.perf_counter_ns()))
            response = mlperf_loadgen.QuerySampleResponse(sample.id, 0, 0)
            mlperf_loadgen.QuerySamplesComplete([response])

    def run_ours(self, rate_per_s: float, *, seed: int) -> ServerResult:
        """Measure the same function at the same rate, and its highest rate."""
        services_ns = time_calls(answer, self.rows, min_calls=100, min_ns=0, max_ns=NS_PER_S)
        end_s = time.perf_counter() + 2 * self.seconds
        aim = SearchAim(self.limit_ms, 0.01, max(MIN_QUERIES, int(rate_per_s * self.seconds)))
        return measure_load(
            lambda arrivals_ns: time_open_loop(answer, self.rows, arrivals_ns),
            services_ns,
            LoadPlan(rate_per_s, aim, seed),
            left_s=lambda: end_s - time.perf_counter(),
        )


def read_spans(spans_ns: npt.NDArray[np.int64]) -> ServiceTimes:
    """Return service times from the begin and end of each answer, in rows.

    An answer that begins right after the one before belongs to a query that waited.
    """
    pauses_ns = spans_ns[1:, 0] - spans_ns[:-1, 1]
    found_idle = np.concatenate([[True], pauses_ns > MAX_OVERHEAD_NS])
    begun_ns = spans_ns[:, 0].copy()
    begun_ns[1:][~found_idle[1:]] = spans_ns[:-1, 1][~found_idle[1:]]
    return ServiceTimes(spans_ns[:, 1] - begun_ns, found_idle)


def read_summary(summary: str) -> tuple[float, bool]:
    """Read the p99 in ms and the verdict from LoadGen's summary.

    Raises:
        ValueError: If the summary holds neither.
    """
    p99 = re.search(r"99\.00 percentile latency \(ns\)\s*:\s*(\d+)", summary)
    verdict = re.search(r"Result is\s*:\s*(VALID|INVALID)", summary)
    if p99 is None or verdict is None:
        raise ValueError(f"LoadGen's summary holds no p99 or no verdict: {summary}")
    return int(p99.group(1)) / NS_PER_MS, verdict.group(1) == "VALID"


def compare(peers: Peers, *, n_runs: int) -> dict[str, float]:
    """Serve with both in turns, print both, and return the figures.

    Returns:
        ``loadgen_p99_ratio`` and ``loadgen_replayed_ratio``, medians over the runs, and
        ``loadgen_agrees``, their share with the same verdict.
    """
    highest = peers.run_ours(NS_PER_S / (peers.limit_ms * NS_PER_MS), seed=99).highest
    if highest.rate_per_s is None:
        raise RuntimeError(f"No highest rate here: {highest.reason}. Raise --mean-ms.")
    runs = []
    header = ("rate/s", "LoadGen", "ours", "ratio", "replayed", "LoadGen", "ours")
    print(("{:>10}" * len(header)).format(*header))
    for run in range(n_runs):
        rate_per_s = FACTORS[run % len(FACTORS)] * highest.rate_per_s
        loadgen = peers.run_loadgen(rate_per_s, seed=run)
        runs.append(Compared(rate_per_s, loadgen, peers.run_ours(rate_per_s, seed=run)))
        print_run(runs[-1])
    return {
        "loadgen_p99_ratio": statistics.median(run.ratio for run in runs),
        "loadgen_replayed_ratio": statistics.median(run.replayed_ratio for run in runs),
        "loadgen_agrees": statistics.mean(run.is_valid == run.loadgen.is_valid for run in runs),
    }


def print_run(run: Compared) -> None:
    """Print one rate: both p99 in ms, the ratios, and both verdicts."""
    p99_ms = run.ours.fixed.p99_ms
    ours = "-" if p99_ms is None else f"{p99_ms:.2f}"
    print(
        f"{run.rate_per_s:>10.0f}{run.loadgen.p99_ms:>10.2f}{ours:>10}{run.ratio:>10.3f}"
        f"{run.replayed_ratio:>10.3f}{VERDICTS[run.loadgen.is_valid]:>10}{VERDICTS[run.is_valid]:>10}",
        flush=True,
    )


def main() -> None:
    """Compare and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-runs", type=int, default=10, help="rates served by both")
    parser.add_argument("--seconds", type=float, default=30, help="length of one run at its rate")
    parser.add_argument("--mean-ms", type=float, default=2, help="mean service time")
    options = parser.parse_args()
    peers = Peers(make_rows(options.mean_ms), LIMIT * options.mean_ms, options.seconds)
    figures = compare(peers, n_runs=options.n_runs)
    print(json.dumps({key: round(value, 4) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
