"""Is our p99 under load MLPerf LoadGen's? Needs the extra ``bench`` and a quiet machine.

One function of known service time, uniform from half to one and a half times its mean by its row,
is served in this process by LoadGen's Server scenario and by our open loop in turns, at half and at
seven tenths of the rate that keeps the server busy all the time. Side by side: the p99 at the same
rate.

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
from dataclasses import dataclass
from pathlib import Path

import mlperf_loadgen
import numpy as np
import numpy.typing as npt

from rightfit.profiling.worker.open_loop import SPIN_NS, measure_at_rate, time_open_loop
from rightfit.profiling.worker.protocol import ServerRequest
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S

Rows = list[npt.NDArray[np.float32]]

N_ROWS = 1_024
UTILISATIONS = (0.5, 0.7)  # in turns
LIMIT = 10  # mean service times; LoadGen needs one, and we do not read its verdict
MIN_QUERIES = 662  # what a p99 needs


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
        mean_ms: Its mean service time.
        seconds: Length of one run at its rate.
    """

    rows: Rows
    mean_ms: float
    seconds: float

    def run_loadgen(self, rate_per_s: float, *, seed: int) -> float:
        """Run LoadGen's Server scenario; return its p99 in ms."""
        settings = mlperf_loadgen.TestSettings()
        settings.scenario = mlperf_loadgen.TestScenario.Server
        settings.mode = mlperf_loadgen.TestMode.PerformanceOnly
        settings.server_target_qps = rate_per_s
        settings.server_target_latency_ns = int(LIMIT * self.mean_ms * NS_PER_MS)
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
        return read_p99_ms(summary)

    def _issue(self, samples: Sequence[mlperf_loadgen.QuerySample]) -> None:
        for sample in samples:
            answer(self.rows[sample.index])
            response = mlperf_loadgen.QuerySampleResponse(sample.id, 0, 0)
            mlperf_loadgen.QuerySamplesComplete([response])

    def run_ours(self, rate_per_s: float, *, seed: int) -> float:
        """Measure the same function at the same rate; return our p99 in ms.

        Raises:
            RuntimeError: If the machine is too noisy to keep up.
        """
        request = ServerRequest(
            factory="",
            arguments={},
            rows="",
            warm_up_max_ms=0,
            rate_per_s=rate_per_s,
            n_requests=max(MIN_QUERIES, int(rate_per_s * self.seconds)),
            max_s=10 * self.seconds,
            seed=seed,
        )
        found = measure_at_rate(
            lambda arrivals_ns: time_open_loop(answer, self.rows, arrivals_ns),
            self.mean_ms * NS_PER_MS,
            request,
        )
        if found.p99_ms is None:
            raise RuntimeError(f"{found.reason}. Raise --mean-ms.")
        return found.p99_ms


def read_p99_ms(summary: str) -> float:
    """Read the p99 in ms from LoadGen's summary.

    Raises:
        ValueError: If the summary holds none.
    """
    p99 = re.search(r"99\.00 percentile latency \(ns\)\s*:\s*(\d+)", summary)
    if p99 is None:
        raise ValueError(f"LoadGen's summary holds no p99: {summary}")
    return int(p99.group(1)) / NS_PER_MS


def compare(peers: Peers, *, n_runs: int) -> dict[str, float]:
    """Serve with both in turns, print both, and return the figures.

    Returns:
        ``loadgen_p99_ratio``, our p99 / LoadGen's, the median over the runs.
    """
    ratios = []
    header = ("rate/s", "LoadGen ms", "ours ms", "ratio")
    print(("{:>12}" * len(header)).format(*header))
    for run in range(n_runs):
        rate_per_s = UTILISATIONS[run % len(UTILISATIONS)] * 1e3 / peers.mean_ms
        theirs_ms = peers.run_loadgen(rate_per_s, seed=run)
        ours_ms = peers.run_ours(rate_per_s, seed=run)
        ratios.append(ours_ms / theirs_ms)
        print(f"{rate_per_s:>12.0f}{theirs_ms:>12.2f}{ours_ms:>12.2f}{ratios[-1]:>12.3f}")
    return {"loadgen_p99_ratio": statistics.median(ratios)}


def main() -> None:
    """Compare and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-runs", type=int, default=10, help="rates served by both")
    parser.add_argument("--seconds", type=float, default=30, help="length of one run at its rate")
    parser.add_argument("--mean-ms", type=float, default=2, help="mean service time")
    options = parser.parse_args()
    peers = Peers(make_rows(options.mean_ms), options.mean_ms, options.seconds)
    figures = compare(peers, n_runs=options.n_runs)
    print(json.dumps({key: round(value, 4) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
