"""Does the instrument repeat itself and find a known load?

``make bench-measuring`` runs it; it wants a quiet machine. Fresh processes of real models are
compared, and a model whose time, CPU and memory are known is measured; intervals of simulated
latencies, computed after each process, are held against the truth. The last line is JSON:

- ``cv_peak_memory_pct``, ``cv_cpu_pct``, ``cv_p50_pct``: coefficients of variation of a figure;
- ``memory_off_pct``: largest deviation of a forked process' memory from that of one started from
  nothing;
- ``known_load_error_pct``: largest error of the known load's latency, CPU time and memory;
- ``coverage_min``: lowest share of the simulated intervals of 95 % that contain the truth.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from measured_models import make_bench, make_models, read_preset

from rightfit.measuring.median_estimates import estimate_median
from rightfit.measuring.rounds.jobs import OPEN_BUNDLE
from rightfit.measuring.rounds.measurement import MeasurementContext, MeasurementTarget
from rightfit.measuring.rounds.settling import per_process
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "support"))
from factories.measurements import run_round
from factories.simulated_latencies import draw_bimodal, draw_log_normal, simulate

# Narrow widths make the rule look up to 30 times before it stops.
WIDTHS = {
    "min_processes": 6,
    "max_processes": 30,
    "max_s": 86_400,
    "p50_width_pct": 2,
    "p95_width_pct": 4,
}


def main() -> None:
    """Run all checks and print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-simulated", type=int, default=1_000, help="simulated measurements")
    parser.add_argument("--n-processes", type=int, default=10, help="of the model that is repeated")
    parser.add_argument("--n-rounds", type=int, default=6, help="of the known load")
    parser.add_argument("--n-models", type=int, default=4, help="whose memory is compared")
    options = parser.parse_args()
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            served = make_models(Path(folder))
            figures = {
                **check_repeatability(bench, options.n_processes),
                **check_memory(bench, served[: options.n_models]),
                **check_known_load(bench, options.n_rounds),
                **check_intervals(n_runs=options.n_simulated),
            }
    finally:
        pool.close()
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def check_repeatability(bench: MeasurementContext, n_processes: int) -> dict[str, float]:
    """Measure the same model in processes started from nothing."""
    kind = WorkerKind(("onnxruntime",), 1)
    arguments = {
        "path": str(bench.folder / "forest"),
        "family": None,  # onnxruntime needs none
        "runtime": "onnx",
        "n_threads": 1,
        "device": "cpu",
    }
    found: dict[str, list[float]] = {"peak_memory": [], "cpu": [], "p50": []}
    for _ in range(n_processes):
        bench.pool.discard(kind)
        subject = MeasurementTarget("repeated", kind, OPEN_BUNDLE, arguments)
        finished = run_round(subject, bench, MeasurementState())
        batch = finished.batches[-1]
        found["peak_memory"].append(
            finished.base_resident_mib + finished.files_mib + batch.peak_memory_mib
        )
        found["cpu"].append(batch.cpu_ms / batch.n_calls)
        found["p50"].append(finished.percentiles_ns[0.5] or 0.0)
    cv = {k: 100 * statistics.stdev(v) / statistics.mean(v) for k, v in found.items()}
    print(
        f"{n_processes} fresh processes, CV: {', '.join(f'{k} {v:.2f} %' for k, v in cv.items())}"
    )
    return {f"cv_{k}_pct": v for k, v in cv.items()}


def check_memory(
    bench: MeasurementContext, models: Iterable[MeasurementTarget]
) -> dict[str, float]:
    """Hold the memory of forked processes against that of processes started from nothing.

    Returns:
        ``memory_off_pct``, the largest deviation of a model.
    """
    errors_pct = {}
    for model in models:
        forked = run_round(model, bench, MeasurementState())
        batch = forked.batches[-1]
        forked_mib = forked.base_resident_mib + forked.files_mib + batch.peak_memory_mib
        described = {
            "imports": model.kind.imports,
            "factory": model.factory,
            "arguments": model.arguments,
            "rows": str(bench.rows),
            "batch_size": batch.batch_size,
        }
        program = str(Path(__file__).with_name("fresh_memory.py"))
        ended = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, program, json.dumps(described)],
            env=os.environ | {"OMP_NUM_THREADS": str(model.kind.n_threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        errors_pct[model.label] = 100 * (forked_mib / float(ended.stdout) - 1)
    described_errors = ", ".join(f"{name} {one:+.1f} %" for name, one in errors_pct.items())
    print(f"memory of forked processes against fresh ones: {described_errors}")
    return {"memory_off_pct": max(map(abs, errors_pct.values()))}


def check_known_load(bench: MeasurementContext, n_rounds: int) -> dict[str, float]:
    """Measure a model that sleeps 5 ms, burns 5 ms of one core and holds 200 MiB."""
    subject = MeasurementTarget(
        "known load",
        WorkerKind((), 1),
        "fakes.known_load:open_known_load",
        {"sleep_ms": 5, "burn_ms": 5, "allocate_mib": 200, "n_classes": 2},
    )
    settings = bench.settings.model_copy(update={"batch_sizes": (1,), "batch_min_ms": 200})
    known = replace(bench, settings=settings)
    found = [run_round(subject, known, MeasurementState()) for _ in range(n_rounds)]
    errors: dict[str, Callable[[FinishedRound], float]] = {
        "latency": lambda r: (r.percentiles_ns[0.5] or 0.0) / 10e6 - 1,
        "cpu": lambda r: r.batches[0].cpu_ms / r.batches[0].n_calls / 5 - 1,
        "memory": lambda r: r.load.memory_mib / 200 - 1,
    }
    pct = {k: abs(100 * statistics.median(f(r) for r in found)) for k, f in errors.items()}
    print(f"known load, error: {', '.join(f'{k} {v:.2f} %' for k, v in pct.items())}")
    return {"known_load_error_pct": max(pct.values())}


def check_intervals(*, n_runs: int) -> dict[str, float]:
    """Check whether intervals that are computed after each process cover the truth."""
    settings = read_preset("quick").model_copy(update=WIDTHS)
    lowest = 1.0
    for name, draw in (("log-normal", draw_log_normal), ("bimodal", draw_bimodal)):
        generator = np.random.default_rng(1)
        population = np.concatenate([draw(generator, 2_000, 0) for _ in range(2 * n_runs)])
        runs = [simulate(draw, generator, settings) for _ in range(n_runs)]
        for share in (0.5, 0.95):
            truth = np.quantile(population, share)
            found = [estimate_median(per_process(rounds, share)) for rounds in runs]
            covers = np.mean([i.low <= truth <= i.high for i in found if i.low and i.high])
            print(f"simulated {name}, p{100 * share:.0f}: interval covers in {covers:.1%}")
            lowest = min(lowest, float(covers))
    return {"coverage_min": lowest}


if __name__ == "__main__":
    main()
