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

import polars as pl
from measured_models import CONFIGURATIONS, make_bench, save_model

from rightfit.families.registry import get_family
from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.jobs import OPEN_BUNDLE
from rightfit.profiling.measuring.rounds import OpenRound
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.stopping import is_disturbed
from rightfit.profiling.measuring.worker_pool import WorkerKind, WorkerPool
from rightfit.profiling.worker.units import NS_PER_MS

FILE = Path(__file__).parent / "recorded" / "noise.parquet"
N_TREES = (3, 10, 30, 100)


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
    forest = CONFIGURATIONS["forest"]
    configurations = {"linear": CONFIGURATIONS["linear"]} | {
        f"forest-{n}": forest | {"n_estimators": n} for n in N_TREES
    }
    subjects = []
    for name, configuration in configurations.items():
        family = name.split("-")[0]
        arguments = save_model(folder / name, family, configuration)
        imports = {"onnx": ("onnxruntime",), "native": get_family(family).native_imports}
        subjects += [
            Subject(
                f"{name} {runtime}",
                WorkerKind(tuple(needed), 1),
                OPEN_BUNDLE,
                {**arguments, "runtime": runtime},
            )
            for runtime, needed in imports.items()
        ]
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
