"""Record how much processes differ: many models measured in turns, one row a process.

Run from the repository's root: ``python benchmarks/record_noise.py``. ``benchmarks/ranking.py``
resamples the table, ``benchmarks/recorded/noise.parquet``, for the coverage of rank intervals. In
each turn a fresh process of each model is measured as the preset ``quick`` does, so the rows of a
turn share the machine's state, and turns that follow each other resemble each other.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from measured_models import N_FEATURES, make_bench

from rightfit.families.bundle import add_onnx, write_bundle
from rightfit.families.family import TrainingData
from rightfit.families.registry import get_family
from rightfit.families.schema import InputSchema
from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.jobs import OPEN_BUNDLE
from rightfit.profiling.measuring.rounds import OpenRound
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.stopping import is_disturbed
from rightfit.profiling.measuring.worker_pool import WorkerKind, WorkerPool
from rightfit.profiling.worker.units import NS_PER_MS

FILE = Path(__file__).parent / "recorded" / "noise.parquet"
N_TREES = (3, 10, 30, 100)
LINEAR = {"n_epochs": 2, "alpha": 1e-4, "penalty": "l2", "learning_rate": "optimal", "eta0": 0.01}
FOREST = {"max_depth": 8, "min_samples_leaf": 2, "max_features": "sqrt"}


def main() -> None:
    """Measure all models in turns and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=60)
    parser.add_argument("--to", type=Path, default=FILE)
    options = parser.parse_args()
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            subjects, bench = make_subjects(Path(folder)), make_bench(pool, Path(folder))
            rows = record_turns(subjects, bench, options.turns)
    finally:
        pool.close()
    table = pl.DataFrame(rows)
    table.write_parquet(options.to)
    print(f"{table.height} processes, {table['disturbed'].sum()} of them disturbed: {options.to}")


def make_subjects(folder: Path) -> list[Subject]:
    """Train a linear model and forests of several sizes, each in both runtimes."""
    rng = np.random.default_rng(0)
    labels = np.arange(3_000) % 6
    rows = (rng.normal(size=(3_000, N_FEATURES)) + labels[:, None] * 0.3).astype(np.float32)
    schema = InputSchema(
        tuple(f"x{i}" for i in range(N_FEATURES)), tuple(f"c{i}" for i in range(6)), None
    )
    configurations = {"linear": LINEAR} | {
        f"forest-{n}": FOREST | {"n_estimators": n} for n in N_TREES
    }
    subjects = []
    for name, configuration in configurations.items():
        family = get_family(name.split("-")[0])
        *_, last = family.train(
            configuration,
            TrainingData(rows, labels, schema),
            n_checkpoints=1,
            seed=0,
            n_threads=1,
            device="cpu",
        )
        bundle = write_bundle(
            folder / name,
            last.model,
            model=name,
            family=name.split("-")[0],
            configuration=configuration,
            schema=schema,
            data_version="benchmark",
        )
        arguments = {
            "path": str(folder / name),
            "n_threads": 1,
            "device": "cpu",
            "family": name.split("-")[0],
            "sha256": add_onnx(bundle, rows[:500]).sha256,
        }
        for runtime, imports in (("onnx", ("onnxruntime",)), ("native", family.native_imports)):
            kind, chosen = WorkerKind(tuple(imports), 1), {**arguments, "runtime": runtime}
            subjects.append(Subject(f"{name} {runtime}", kind, OPEN_BUNDLE, chosen))
    return subjects


def record_turns(subjects: list[Subject], bench: Bench, n_turns: int) -> list[dict[str, object]]:
    """Measure a fresh process of each model in each turn; Ctrl-C ends it with the turns so far."""
    states = [MeasurementState() for _ in subjects]
    try:
        for turn in range(n_turns):
            for position, subject in enumerate(subjects):
                finished = OpenRound(subject, bench, states[position]).visit()
                if not isinstance(finished, FinishedRound):
                    raise RuntimeError(f"{subject.label}: {finished}")
                rounds = (*states[position].rounds, finished)
                states[position] = replace(states[position], rounds=rounds)
            print(f"turn {turn + 1} of {n_turns}", flush=True)
    except KeyboardInterrupt:
        print("ended early")
    return [
        {
            "model": subject.label,
            "turn": turn,
            "disturbed": is_disturbed(finished, state.rounds, bench.settings),
            **_read_metrics(finished),
        }
        for subject, state in zip(subjects, states, strict=True)
        for turn, finished in enumerate(state.rounds)
    ]


def _read_metrics(finished: FinishedRound) -> dict[str, float | None]:
    batch = max(finished.batches, key=lambda one: one.rows_per_s)
    percentiles = {
        f"latency_p{100 * share:.0f}_ms": None if value is None else value / NS_PER_MS
        for share, value in finished.percentiles_ns.items()
        if share in (0.5, 0.95, 0.99)
    }
    growth_mib = {
        "peak_memory_mib": max(finished.latency.peak_memory_mib, batch.peak_memory_mib),
        "peak_memory_one_row_mib": finished.latency.peak_memory_mib,
    }
    return {
        **percentiles,
        "throughput_rows_per_s": batch.rows_per_s,
        "cpu_cores": batch.cpu_ms / batch.wall_ms,
        "load_time_ms": finished.load.load_time_ms,
        **{
            name: finished.base_resident_mib + finished.files_mib + one
            for name, one in growth_mib.items()
        },
    }


if __name__ == "__main__":
    main()
