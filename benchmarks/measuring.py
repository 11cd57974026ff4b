"""How well and how fast do measuring rules find a model's latency? ``make bench-measuring``.

Compares our stopping rule (presets ``quick`` and ``standard``) with a fixed window of 10 s, with
perf_analyzer's rule (windows of 5 s until three agree within 10 %) and with pyperf's scheme (20
processes, a warm-up and 3 values of 0.1 s each, mean), for a fast, a middle and a slow model. The
reference is the median over ten fresh processes of 10 s each, at full core speed (see
``rightfit.profiling.speed``). Ends with one line of JSON: the p50 and the speed-up are those of
``quick``, the interval of the p95 that of ``standard``.

Run it on a quiet machine; ``--scale 0.1`` shortens all windows for a look.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from instrument_checks import check_disturbed, check_known_load, check_repeatability
from measured_models import make_bench, make_models, use_preset
from simulated_latencies import coverage_of_intervals

from rightfit.profiling.intervals import median_interval
from rightfit.profiling.lock import lock_path, machine_lock
from rightfit.profiling.measurement import Bench, Subject, measure_round
from rightfit.profiling.stopping import (
    new_state,
    per_process,
    usable_rounds,
)
from rightfit.profiling.workers import WorkerPool

SHARES = (0.5, 0.95, 0.99)
MIN_CLEAN_CALLS = 67  # what a p99 needs
PYPERF_PROCESSES, PYPERF_VALUES, PYPERF_VALUE_S = 20, 3, 0.1
PERF_ANALYZER_WINDOW_S, PERF_ANALYZER_WINDOWS, PERF_ANALYZER_WITHIN = 5.0, 3, 0.1


@dataclass(frozen=True)
class Estimate:
    """What one run of a rule found.

    Args:
        seconds: Time it took.
        percentiles_ns: By share.
        p95_covers: Whether its interval of the p95 covers the reference; ``None``: has none.
    """

    seconds: float
    percentiles_ns: dict[float, float]
    p95_covers: bool | None


def main() -> None:
    """Run all comparisons and print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all window lengths")
    parser.add_argument("--n-runs", type=int, default=20, help="runs of our rule per model")
    parser.add_argument("--n-processes", type=int, default=10, help="processes of a reference")
    options = parser.parse_args()
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            summary = compare_rules(bench, make_models(Path(folder)), options)
            summary |= {"coverage_min": coverage_of_intervals(n_runs=1_000)}
            summary |= check_repeatability(bench) | check_disturbed(bench) | check_known_load(bench)
    finally:
        pool.close()
    print(json.dumps({key: round(value, 4) for key, value in summary.items()}))


def compare_rules(
    bench: Bench, models: dict[str, Subject], options: argparse.Namespace
) -> dict[str, float]:
    """Compare the rules model by model; return our part of the summary."""
    within: list[bool] = []
    covers: list[bool] = []
    summary = {}
    header = ("model", "rule", "time s", "err p50", "err p95", "err p99", "p95 covers", "speed-up")
    print(("{:<8}{:<16}" + "{:>12}" * 6).format(*header))
    for name, model in models.items():
        window_s = 10 * options.scale
        recordings = [record(model, bench, window_s) for _ in range(options.n_processes)]
        reference = {
            share: statistics.median(percentile(r["clean"], share) for r in recordings)
            for share in SHARES
        }
        rules = {
            f"ours, {preset}": [
                run_ours(model, use_preset(bench, preset), reference) for _ in range(options.n_runs)
            ]
            for preset in ("quick", "standard")
        } | {
            "fixed window": [estimate(r["all"], window_s) for r in recordings],
            "perf_analyzer": [run_perf_analyzer(model, bench, options.scale) for _ in range(2)],
            "pyperf": [run_pyperf(model, bench, options.scale)],
        }
        for rule, estimates in rules.items():
            print_rule(name, rule, estimates, reference, window_s)
        slow_pct = 100 * statistics.mean(r["slow_share"] for r in recordings)
        print(f"{name}: reference p50 {reference[0.5] / 1e3:.1f} us; core slow {slow_pct:.1f} %")
        quick = rules["ours, quick"]
        within += [error(e, reference, 0.5) <= 0.05 for e in quick]
        covers += [bool(e.p95_covers) for e in rules["ours, standard"]]
        summary[f"speedup_{name}"] = window_s / statistics.mean(e.seconds for e in quick)
    return {
        "within_5pct_p50": statistics.mean(within),
        "p95_interval_covers": statistics.mean(covers),
    } | summary


def record(model: Subject, bench: Bench, seconds: float) -> dict[str, Any]:
    """Time calls in a fresh process for some seconds: all of them, and those at full speed."""
    request = {
        "task": "record",
        "factory": model.factory,
        "arguments": model.arguments,
        "rows": str(bench.rows),
        "memory_limit_mib": None,
        "warm_up_max_ms": 300,
        "seconds": seconds,
        "probe_best_ns": bench.speed.best_ns,
        "samples": str(bench.folder / "recorded.npz"),
    }
    with machine_lock(lock_path()):
        answer = bench.pool.get(model.kind).ask(request)
    bench.speed.best_ns = answer["probe_best_ns"]
    with np.load(request["samples"]) as found:
        everything, is_slow = found["samples_ns"], found["is_slow"]
    clean = everything[~is_slow]
    return {
        "all": everything,
        "clean": clean if len(clean) >= MIN_CLEAN_CALLS else everything,
        "slow_share": float(is_slow.mean()),
    }


def run_ours(model: Subject, bench: Bench, reference: dict[float, float]) -> Estimate:
    """Measure with our stopping rule."""
    start_s = time.perf_counter()
    state = new_state()
    while state["settled"] is None:
        state = measure_round(model, bench, state)
    seconds = time.perf_counter() - start_s
    rounds = usable_rounds(state, bench.settings)
    figures = {share: per_process(rounds, share) for share in SHARES}
    intervals = {share: median_interval(f) for share, f in figures.items() if f}
    p95 = intervals.get(0.95)
    covers = (
        p95 is not None
        and p95.low is not None
        and p95.high is not None
        and p95.low <= reference[0.95] <= p95.high
    )
    return Estimate(seconds, {share: i.value for share, i in intervals.items()}, covers)


def run_perf_analyzer(model: Subject, bench: Bench, scale: float) -> Estimate:
    """Extend windows until three in a row agree within 10 %, four at most."""
    window_s = PERF_ANALYZER_WINDOW_S * scale
    samples = record(model, bench, (PERF_ANALYZER_WINDOWS + 1) * window_s)["all"]
    ends = np.cumsum(samples) / 1e9
    windows = [
        samples[(ends > i * window_s) & (ends <= (i + 1) * window_s)]
        for i in range(PERF_ANALYZER_WINDOWS + 1)
    ]
    for first in (0, 1):
        last = [w for w in windows[first : first + PERF_ANALYZER_WINDOWS] if len(w)]
        p95 = [percentile(window, 0.95) for window in last]
        if max(p95) <= min(p95) * (1 + PERF_ANALYZER_WITHIN):
            break
    return estimate(np.concatenate(last), (first + PERF_ANALYZER_WINDOWS) * window_s)


def run_pyperf(model: Subject, bench: Bench, scale: float) -> Estimate:
    """Take the mean over processes of the mean of three loops; it has no percentiles."""
    start_s = time.perf_counter()
    seconds = PYPERF_VALUES * PYPERF_VALUE_S * scale
    means = [float(record(model, bench, seconds)["all"].mean()) for _ in range(PYPERF_PROCESSES)]
    return Estimate(
        time.perf_counter() - start_s, dict.fromkeys(SHARES, statistics.mean(means)), None
    )


def estimate(samples_ns: np.ndarray, seconds: float) -> Estimate:
    """Return the percentiles of some calls; no interval."""
    return Estimate(seconds, {share: percentile(samples_ns, share) for share in SHARES}, None)


def percentile(samples_ns: np.ndarray, share: float) -> float:
    """Return a percentile of calls."""
    return float(np.quantile(samples_ns, share, method="median_unbiased"))


def error(found: Estimate, reference: dict[float, float], share: float) -> float:
    """Return the relative error of a percentile; NaN when it was not reported."""
    return abs(found.percentiles_ns.get(share, math.nan) / reference[share] - 1)


def print_rule(
    name: str,
    rule: str,
    estimates: list[Estimate],
    reference: dict[float, float],
    window_s: float,
) -> None:
    """Print one line: mean time, median errors, coverage, speed-up against the fixed window."""
    seconds = statistics.mean(e.seconds for e in estimates)
    errors = [statistics.median(error(e, reference, share) for e in estimates) for share in SHARES]
    covers = [e.p95_covers for e in estimates if e.p95_covers is not None]
    share = f"{statistics.mean(covers):.0%}" if covers else "-"
    cells = "".join(f"{100 * e:>11.1f}%" if e == e else f"{'-':>12}" for e in errors)
    print(f"{name:<8}{rule:<16}{seconds:>12.2f}{cells}{share:>12}{window_s / seconds:>11.1f}x")


if __name__ == "__main__":
    main()
