"""Do slices that alternate tell models apart better than turns of 150 ms? ``make bench-duet``.

The same graphs are timed for the same time, once in a slice of 150 ms each (a turn), once in slices
of 2 ms in random order, block after block, side by side. Figures, from one run:

- ``sd_ratio_p50``, ``sd_ratio_p95``, ``sd_ratio_throughput``: standard deviation over blocks of a
  figure's logarithm relative to the other models, alternating slices / turns;
- ``sd_ratio_p50_busy``: the same with a busy loop on each core;
- ``bias_max``: largest difference of a ratio of two models' medians between both ways;
- ``known_load_error``: of the ratio of two models of known cost, 2 and 3 ms of CPU time;
- ``known_load_covered``: share of blocks of six processes whose interval holds the true ratio.

Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from measured_models import list_served, make_bench, make_models

from rightfit.measuring.blocks import adjust_figures
from rightfit.measuring.intervals import estimate_median
from rightfit.measuring.rounds.block_timing import JobMeasurement, read_percentile, time_block
from rightfit.measuring.rounds.measurement import MeasurementContext, MeasurementTarget
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "support"))  # known loads

TURN_MS, SLICE_MS = 150.0, 2.0
FIGURES: dict[str, Callable[[FinishedRound], float]] = {
    "p50": lambda one: one.percentiles_ns[0.5] or math.nan,
    "p95": lambda one: one.percentiles_ns[0.95] or math.nan,
    "throughput": lambda one: one.batches[-1].rows_per_s,
}
KNOWN_MS = (2.0, 3.0)


def main() -> None:
    """Time the models both ways and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contenders", type=int, nargs="+", default=[2, 8, 24])
    parser.add_argument("--n-blocks", type=int, default=12)
    options = parser.parse_args()
    pool = WorkerPool(max_open=4)
    figures: dict[str, float] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            served = list(list_served(make_models(Path(folder))).values())
            for n in options.contenders:
                subjects = [served[number % len(served)] for number in range(n)]
                found = compare_ways(subjects, bench, options.n_blocks, label=f"{n} contenders")
                figures |= found if n == options.contenders[len(options.contenders) // 2] else {}
            with busy_cores():
                subjects = [served[number % len(served)] for number in range(8)]
                busy = compare_ways(subjects, bench, options.n_blocks, label="8, busy cores")
            figures["sd_ratio_p50_busy"] = busy["sd_ratio_p50"]
            figures |= check_known_loads(bench, n_blocks=6 * options.n_blocks)
    finally:
        pool.close()
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def compare_ways(
    subjects: Sequence[MeasurementTarget], bench: MeasurementContext, n_blocks: int, *, label: str
) -> dict[str, float]:
    """Time models both ways, block by block in turn; print and return how they compare."""
    ways = {name: measure(subjects) for name in (TURN_MS, SLICE_MS)}
    for block in range(n_blocks):
        for slice_ms, measurements in ways.items():
            settings = bench.settings.model_copy(
                update={
                    "slice_ms": slice_ms,
                    "latency_min_ms": TURN_MS,
                    "latency_max_ms": TURN_MS,
                    "batch_min_ms": TURN_MS,
                    "batch_max_ms": TURN_MS,
                    "batch_sizes": (1_024,),
                }
            )
            rng = np.random.default_rng(block)
            own = replace(bench, settings=settings)
            time_block(measurements, own, block=f"b.{block}", rng=rng)
    found: dict[str, float] = {}
    biases = []
    for figure, read in FIGURES.items():
        logs = {
            name: np.log([[read(one) for one in each.state.rounds] for each in measurements])
            for name, measurements in ways.items()
        }
        stds = {name: spread_within_blocks(table) for name, table in logs.items()}
        found[f"sd_ratio_{figure}"] = stds[SLICE_MS] / stds[TURN_MS]
        slices, turns = (
            np.median(logs[name] - np.median(logs[name], axis=0), axis=1)
            for name in (SLICE_MS, TURN_MS)
        )
        biases.append(float(np.abs(slices - turns).max()))
        print(
            f"{label}, {figure}: standard deviation relative to the block {stds[TURN_MS]:.4f} in "
            f"turns, {stds[SLICE_MS]:.4f} in slices"
        )
    return found | {"bias_max": math.expm1(biases[0])}


def measure(subjects: Sequence[MeasurementTarget]) -> list[JobMeasurement]:
    """Return measurements that nothing was timed of."""
    return [JobMeasurement(one, MeasurementState(), save=lambda _: None) for one in subjects]


def spread_within_blocks(logs: np.ndarray) -> float:
    """Return the median model's standard deviation over blocks, relative to all models."""
    relative = logs - np.mean(logs, axis=0)
    n_models = len(logs)
    return float(np.median(relative.std(axis=1, ddof=1)) * math.sqrt(n_models / (n_models - 1)))


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep a busy loop on each core."""
    loop = "while True: pass"
    loops = [
        subprocess.Popen([sys.executable, "-c", loop])  # noqa: S603 - our own loop
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for one in loops:
            one.kill()
            one.wait()


def check_known_loads(bench: MeasurementContext, *, n_blocks: int) -> dict[str, float]:
    """Time two models of known cost; return the ratio's error, and how often intervals hold it."""
    fixed = {"sleep_ms": 0.0, "allocate_mib": 0.0, "n_classes": 2}
    subjects = [
        MeasurementTarget(
            f"{burn_ms} ms",
            WorkerKind((), 1),
            "fakes.known_load:open_known_load",
            fixed | {"burn_ms": burn_ms},
        )
        for burn_ms in KNOWN_MS
    ]
    measurements = measure(subjects)
    settings = bench.settings.model_copy(update={"batch_sizes": (1,), "latency_min_calls": 10})
    for block in range(n_blocks):
        rng = np.random.default_rng(block)
        time_block(measurements, replace(bench, settings=settings), block=f"b.{block}", rng=rng)
    adjusted = adjust_figures([read_percentile(one.state, 0.5) for one in measurements], {})
    first, second = (np.array(list(figures.values())) for figures in adjusted)
    truth = KNOWN_MS[1] / KNOWN_MS[0]
    error = float(np.median(second) / np.median(first)) / truth - 1
    ratios = (second / first).reshape(-1, 6)
    intervals = [estimate_median(one.tolist()) for one in ratios]
    covered = np.mean([one.low <= truth <= one.high for one in intervals if one.low and one.high])
    print(f"known loads: ratio {truth * (1 + error):.4f} of {truth}, held in {covered:.0%}")
    return {"known_load_error": abs(error), "known_load_covered": float(covered)}


if __name__ == "__main__":
    main()
