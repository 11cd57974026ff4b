"""How well and how fast do measuring rules find a model's latency? ``make bench-measuring``.

Compares our stopping rule (the preset ``quick``) with a fixed window of 10 s, with perf_analyzer's
rule (windows of 5 s until three agree within 10 %) and with pyperf's scheme (20 processes, a
warm-up and 3 values of 0.1 s each, mean), for a fast, a middle and a slow model. The reference is
the median over ten fresh processes of 10 s each, at full core speed (see
``rightfit.profiling.speed``). Ends with one line of JSON.

Run it on a quiet machine; ``--scale 0.1`` shortens all windows for a look.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from simulated_latencies import coverage_of_intervals

from rightfit.models.bundle import add_onnx, write_bundle
from rightfit.models.families import get_family
from rightfit.models.family import TrainingData
from rightfit.models.schema import InputSchema
from rightfit.profiling.intervals import median_interval
from rightfit.profiling.jobs import OPEN_BUNDLE
from rightfit.profiling.lock import lock_path, machine_lock
from rightfit.profiling.measurement import Bench, Subject, measure_round, run_round
from rightfit.profiling.settings import MeasuringSettings
from rightfit.profiling.speed import SpeedProbe
from rightfit.profiling.stopping import (
    is_disturbed,
    new_state,
    per_process,
    usable_rounds,
)
from rightfit.profiling.workers import WorkerKind, WorkerPool

SHARES = (0.5, 0.95, 0.99)
N_FEATURES = 36
PYPERF_PROCESSES, PYPERF_VALUES, PYPERF_VALUE_S = 20, 3, 0.1
PERF_ANALYZER_WINDOW_S, PERF_ANALYZER_WINDOWS, PERF_ANALYZER_WITHIN = 5.0, 3, 0.1
PRESETS = Path(__file__).parents[1] / "conf" / "base" / "parameters_evaluation.yml"
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "linear": {
        "n_epochs": 2,
        "alpha": 1e-4,
        "penalty": "l2",
        "learning_rate": "optimal",
        "eta0": 0.01,
    },
    "forest": {
        "n_estimators": 12,
        "max_depth": 8,
        "min_samples_leaf": 2,
        "max_features": "sqrt",
    },
}


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


def make_bench(pool: WorkerPool, folder: Path) -> Bench:
    """Return a bench with the preset ``quick``."""
    rows = folder / "rows.npy"
    np.save(rows, np.random.default_rng(1).normal(size=(2_048, N_FEATURES)).astype(np.float32))
    presets = yaml.safe_load(PRESETS.read_text())["evaluation"]["presets"]
    return Bench(
        pool, rows, folder, MeasuringSettings(**presets["quick"]), "quick", SpeedProbe(None)
    )


def make_models(folder: Path) -> dict[str, Subject]:
    """Train and save real models of about 10 us, 1 ms and 20 ms a call."""
    rng = np.random.default_rng(0)
    labels = np.arange(3_000) % 6
    rows = (rng.normal(size=(3_000, N_FEATURES)) + labels[:, None] * 0.3).astype(np.float32)
    schema = InputSchema(
        tuple(f"x{i}" for i in range(N_FEATURES)), tuple(f"c{i}" for i in range(6)), None
    )
    arguments = {}
    for family, configuration in CONFIGURATIONS.items():
        *_, last = get_family(family).train(
            configuration,
            TrainingData(rows, labels, schema),
            n_checkpoints=1,
            seed=0,
            n_threads=1,
            device="cpu",
        )
        bundle = write_bundle(
            folder / family,
            last.model,
            family=family,
            configuration=configuration,
            schema=schema,
            data_version="benchmark",
        )
        add_onnx(bundle, rows[:500])
        arguments[family] = {"path": str(folder / family), "n_threads": 1, "device": "cpu"}
    native = WorkerKind(get_family("forest").native_imports, 1)
    forest = arguments["forest"] | {"runtime": "native"}
    repeated = {"factory": OPEN_BUNDLE, "arguments": forest, "n_repeats": 16}
    return {
        "fast": Subject(
            "fast",
            WorkerKind(("onnxruntime",), 1),
            OPEN_BUNDLE,
            arguments["linear"] | {"runtime": "onnx"},
        ),
        "middle": Subject("middle", native, OPEN_BUNDLE, forest),
        "slow": Subject("slow", native, "rightfit.profiling.known_load:open_repeated", repeated),
    }


def compare_rules(
    bench: Bench, models: dict[str, Subject], options: argparse.Namespace
) -> dict[str, float]:
    """Compare the rules model by model; return our part of the summary."""
    ours: dict[str, list[float]] = {"p50": [], "covers": []}
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
            "ours": [run_ours(model, bench, reference) for _ in range(options.n_runs)],
            "fixed window": [estimate(r["all"], window_s) for r in recordings],
            "perf_analyzer": [run_perf_analyzer(model, bench, options.scale) for _ in range(2)],
            "pyperf": [run_pyperf(model, bench, options.scale)],
        }
        for rule, estimates in rules.items():
            print_rule(name, rule, estimates, reference, window_s)
        slow_pct = 100 * statistics.mean(1 - len(r["clean"]) / len(r["all"]) for r in recordings)
        print(f"{name}: reference p50 {reference[0.5] / 1e3:.1f} us; core slow {slow_pct:.1f} %")
        ours["p50"] += [error(e, reference, 0.5) <= 0.05 for e in rules["ours"]]
        ours["covers"] += [bool(e.p95_covers) for e in rules["ours"]]
        summary[f"speedup_{name}"] = window_s / statistics.mean(e.seconds for e in rules["ours"])
    return {
        "within_5pct_p50": statistics.mean(ours["p50"]),
        "p95_interval_covers": statistics.mean(ours["covers"]),
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
    return {"all": everything, "clean": clean if len(clean) > 200 else everything}


def run_ours(model: Subject, bench: Bench, reference: dict[float, float]) -> Estimate:
    """Measure with our stopping rule."""
    start_s = time.perf_counter()
    state = new_state()
    while state["settled"] is None:
        state = measure_round(model, bench, state)
    seconds = time.perf_counter() - start_s
    rounds = usable_rounds(state, bench.settings)
    intervals = {share: median_interval(per_process(rounds, share) or [0.0]) for share in SHARES}
    p95 = intervals[0.95]
    covers = (
        p95.low is not None and p95.high is not None and (p95.low <= reference[0.95] <= p95.high)
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
    """Return the relative error of a percentile."""
    return abs(found.percentiles_ns[share] / reference[share] - 1)


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
    cells = "".join(f"{100 * value:>11.1f}%" for value in errors)
    print(f"{name:<8}{rule:<16}{seconds:>12.2f}{cells}{share:>12}{window_s / seconds:>11.1f}x")


def check_repeatability(bench: Bench, n_processes: int = 10) -> dict[str, float]:
    """Measure the same model in ten processes started from nothing."""
    kind = WorkerKind(("onnxruntime",), 1)
    arguments = {
        "path": str(bench.folder / "forest"),
        "runtime": "onnx",
        "n_threads": 1,
        "device": "cpu",
    }
    found: dict[str, list[float]] = {"peak_memory": [], "cpu": [], "p50": []}
    for _ in range(n_processes):
        bench.pool.discard(kind)
        finished = run_round(Subject("repeated", kind, OPEN_BUNDLE, arguments), bench, new_state())
        batch = finished["batches"][0]
        peak_mib = finished["base_resident_mib"] + batch["peak_memory_mib"]
        found["peak_memory"].append(peak_mib)
        found["cpu"].append(batch["cpu_ms"] / batch["n_calls"])
        found["p50"].append(finished["percentiles_ns"]["0.5"])
    cv = {k: 100 * statistics.stdev(v) / statistics.mean(v) for k, v in found.items()}
    print(f"ten fresh processes, CV: {', '.join(f'{k} {v:.2f} %' for k, v in cv.items())}")
    return {"cv_peak_memory_pct": cv["peak_memory"]}


def check_disturbed(bench: Bench, n_rounds: int = 20) -> dict[str, float]:
    """Measure while a busy loop is pinned on the measured core."""
    subject = Subject(
        "disturbed",
        WorkerKind(("onnxruntime",), 1),
        OPEN_BUNDLE,
        {"path": str(bench.folder / "linear"), "runtime": "onnx", "n_threads": 1, "device": "cpu"},
    )
    core = bench.pool.get(subject.kind).hello["cores"][0]
    loop = f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"
    busy = subprocess.Popen([sys.executable, "-c", loop])  # noqa: S603 - our own loop
    try:
        time.sleep(0.3)
        marked = []
        for _ in range(n_rounds):
            finished = run_round(subject, bench, new_state())
            marked.append(is_disturbed(finished, {"rounds": [finished]}, bench.settings))
    finally:
        busy.kill()
        busy.wait()
    print(f"busy loop on the measured core: {sum(marked)} of {n_rounds} processes marked")
    return {"disturbed_marked": statistics.mean(marked)}


def check_known_load(bench: Bench) -> dict[str, float]:
    """Measure a model that sleeps 5 ms, burns 5 ms of one core and holds 200 MiB."""
    subject = Subject(
        "known load",
        WorkerKind((), 1),
        "rightfit.profiling.known_load:open_known_load",
        {"sleep_ms": 5, "burn_ms": 5, "allocate_mib": 200, "n_classes": 2},
    )
    settings = bench.settings.model_copy(update={"batch_sizes": (1,), "batch_min_ms": 200})
    found = [run_round(subject, replace(bench, settings=settings), new_state()) for _ in range(6)]
    errors: dict[str, Callable[[Any], float]] = {
        "latency": lambda r: r["percentiles_ns"]["0.5"] / 10e6 - 1,
        "cpu": lambda r: r["batches"][0]["cpu_ms"] / r["batches"][0]["n_calls"] / 5 - 1,
        "memory": lambda r: r["load"]["memory_mib"] / 200 - 1,
    }
    pct = {k: abs(100 * statistics.median(f(r) for r in found)) for k, f in errors.items()}
    print(f"known load, error: {', '.join(f'{k} {v:.2f} %' for k, v in pct.items())}")
    return {"known_load_error_pct": max(pct.values())}


if __name__ == "__main__":
    main()
