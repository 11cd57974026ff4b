"""Record how processes of real models differ on this machine, one row a process.

Run from the repository's root: ``python benchmarks/measuring/record_processes.py NAME``, some
minutes, where ``NAME`` says how busy the machine is. Ten models are measured in turns as the preset
``quick`` does, with the calls that a p95 needs: in each turn a fresh process of each model, so the
rows of a turn share the machine's state. After every second turn one of them is measured alone,
eight processes in a row. Disturbed processes are kept and say so.

The rows are added to ``benchmarks/recorded/processes.parquet``, in place of those of that name.
``recorded_turns.py`` replays them for intervals of single metrics, ``benchmarks/ranking`` for those
of ranks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from measured_models import CONFIGURATIONS, make_bench, save_model
from recorded_turns import RECORDED

from rightfit.families.registry import get_family
from rightfit.profiling.measuring.jobs import OPEN_BUNDLE
from rightfit.profiling.measuring.measurement import Bench, Subject
from rightfit.profiling.measuring.settling import is_disturbed
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.worker_pool import WorkerKind, WorkerPool
from rightfit.profiling.worker.units import NS_PER_MS

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "support"))
from factories.measurements import run_round

N_TREES = (3, 10, 30, 100)
TURNS_BETWEEN = 2  # stretches of one model
N_ALONE = 8  # processes of a stretch
FOR_A_P95 = {"latency_min_calls": 150, "latency_min_ms": 60}


@dataclass(frozen=True)
class RecordedProcess:
    """One process.

    Args:
        recording: How busy the machine was.
        model: Name of its model.
        turn: Turn that it belongs to, or that its stretch follows.
        is_alone: Whether it belongs to a stretch of one model.
        begun_s: When it began, since the first.
        is_disturbed: Whether others took the core, or it was slow.
        latency_p50_ms: Median of its calls, and so on.
    """

    recording: str
    model: str
    turn: int
    is_alone: bool
    begun_s: float
    is_disturbed: bool
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    throughput_rows_per_s: float
    cpu_cores: float
    load_time_ms: float
    peak_memory_mib: float
    peak_memory_one_row_mib: float


def main() -> None:
    """Record and add to the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", help="of the recording, replaced where it is there")
    parser.add_argument("--seconds", type=float, default=270, help="no turn starts after them")
    parser.add_argument("--n-trees", type=int, nargs="*", default=N_TREES, help="of the forests")
    parser.add_argument("--file", type=Path, default=RECORDED, help="table to add to")
    options = parser.parse_args()
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            bench = replace(bench, settings=bench.settings.model_copy(update=FOR_A_P95))
            subjects = list(make_subjects(Path(folder), options.n_trees))
            found = list(record(options.name, subjects, bench, options.seconds))
    finally:
        pool.close()
    table = pl.DataFrame(found)
    if options.file.is_file():
        others = pl.read_parquet(options.file).filter(pl.col("recording") != options.name)
        table = pl.concat([others, table])
    table.write_parquet(options.file)
    n_disturbed = sum(one.is_disturbed for one in found)
    print(f"{len(found)} processes in {found[-1].begun_s:.0f} s, {n_disturbed} disturbed")


def make_subjects(folder: Path, n_trees: Sequence[int]) -> Iterator[Subject]:
    """Train a linear model and forests of several sizes, each in both runtimes."""
    forest = CONFIGURATIONS["forest"]
    configurations = {"linear": CONFIGURATIONS["linear"]} | {
        f"forest-{n}": forest | {"n_estimators": n} for n in n_trees
    }
    for name, configuration in configurations.items():
        family = name.split("-")[0]
        arguments = save_model(folder / name, family, configuration)
        imports = {"onnx": ("onnxruntime",), "native": get_family(family).native_imports}
        for runtime, needed in imports.items():
            kind = WorkerKind(tuple(needed), 1)
            opened = {**arguments, "runtime": runtime}
            yield Subject(f"{name} {runtime}", kind, OPEN_BUNDLE, opened)


def record(
    name: str, subjects: list[Subject], bench: Bench, seconds: float
) -> Iterator[RecordedProcess]:
    """Measure models in turns, and now and then one of them alone."""
    begin_s = time.perf_counter()
    states = {subject.label: MeasurementState() for subject in subjects}

    def measure(subject: Subject, turn: int, *, is_alone: bool) -> RecordedProcess:
        begun_s = time.perf_counter() - begin_s
        done = run_round(subject, bench, states[subject.label])
        if not states[subject.label].rounds:  # later processes repeat its best batch size
            states[subject.label] = MeasurementState(rounds=(done,))
        marked = is_disturbed(done, [states[subject.label].rounds[0], done], bench.settings)
        return describe(name, subject.label, turn, done, begun_s, (is_alone, marked))

    turn = 0
    while time.perf_counter() - begin_s < seconds or turn < TURNS_BETWEEN:
        for subject in subjects:
            yield measure(subject, turn, is_alone=False)
        if turn % TURNS_BETWEEN == TURNS_BETWEEN - 1:
            for _ in range(N_ALONE):
                chosen = subjects[turn // TURNS_BETWEEN % len(subjects)]
                yield measure(chosen, turn, is_alone=True)
        turn += 1


def describe(
    recording: str,
    model: str,
    turn: int,
    done: FinishedRound,
    begun_s: float,
    flags: tuple[bool, bool],
) -> RecordedProcess:
    """Return the metrics of one process; ``flags``: was it alone, was it disturbed."""
    batch = max(done.batches, key=lambda one: one.rows_per_s)
    empty_mib = done.base_resident_mib + done.files_mib
    in_ms = {
        share: None if ns is None else ns / NS_PER_MS for share, ns in done.percentiles_ns.items()
    }
    return RecordedProcess(
        recording=recording,
        model=model,
        turn=turn,
        is_alone=flags[0],
        begun_s=begun_s,
        is_disturbed=flags[1],
        latency_p50_ms=in_ms[0.5],
        latency_p95_ms=in_ms[0.95],
        latency_p99_ms=in_ms[0.99],
        throughput_rows_per_s=batch.rows_per_s,
        cpu_cores=batch.cpu_ms / batch.wall_ms,
        load_time_ms=done.load.load_time_ms,
        peak_memory_mib=empty_mib + max(done.latency.peak_memory_mib, batch.peak_memory_mib),
        peak_memory_one_row_mib=empty_mib + done.latency.peak_memory_mib,
    )


if __name__ == "__main__":
    main()
