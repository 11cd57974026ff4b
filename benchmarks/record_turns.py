"""Record turns of real models on this machine: what ``recorded_turns.py`` replays.

Four models are measured in turns, a fresh process each. After every eight turns one of them is
measured alone, eight processes in a row. Disturbed processes are kept and say so. Run
``python benchmarks/record_turns.py`` for some minutes on the machine that measures; it replaces
``recorded/turns.parquet``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from measured_models import list_served, make_bench, make_models, use_preset
from recorded_turns import RECORDED

from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.state import MeasurementState
from rightfit.profiling.measuring.stopping import is_disturbed
from rightfit.profiling.measuring.worker_pool import WorkerPool

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from measured import run_round

N_ALONE = 8  # processes in a row, and turns between two such stretches
SHORT = {"n_visits": 1, "batch_sizes": (8,), "batch_min_ms": 1, "latency_min_ms": 100}


@dataclass(frozen=True)
class RecordedProcess:
    """One process.

    Args:
        profile: Name of its model.
        turn: Turn that it belongs to, or that its stretch follows.
        is_alone: Whether it belongs to a stretch of one model.
        begun_s: When it began, since the first.
        p50_ns: Median of its calls.
        p95_ns: 95th percentile of its calls.
        is_disturbed: Whether others took the core, or it was slow.
    """

    profile: str
    turn: int
    is_alone: bool
    begun_s: float
    p50_ns: float | None
    p95_ns: float | None
    is_disturbed: bool


def record_turns(models: dict[str, Subject], bench: Bench, n_turns: int) -> list[RecordedProcess]:
    """Measure models in turns, and now and then one of them alone."""
    begin_s = time.perf_counter()
    found: list[RecordedProcess] = []

    def measure(name: str, turn: int, *, is_alone: bool) -> None:
        begun_s = time.perf_counter() - begin_s
        done = run_round(models[name], bench, MeasurementState())
        p50_ns, p95_ns = done.percentiles_ns[0.5], done.percentiles_ns[0.95]
        marked = is_disturbed(done, [done], bench.settings)
        found.append(RecordedProcess(name, turn, is_alone, begun_s, p50_ns, p95_ns, marked))

    names = list(models)
    for turn in range(n_turns):
        for name in names:
            measure(name, turn, is_alone=False)
        if turn % N_ALONE == N_ALONE - 1:
            for _ in range(N_ALONE):
                measure(names[turn // N_ALONE % len(names)], turn, is_alone=True)
    return found


def main() -> None:
    """Record and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-turns", type=int, default=240, help="processes of each model")
    parser.add_argument("--file", type=Path, default=RECORDED, help="table to write")
    options = parser.parse_args()
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = use_preset(make_bench(pool, Path(folder)), "standard")
            bench = replace(bench, settings=bench.settings.model_copy(update=SHORT))
            found = record_turns(list_served(make_models(Path(folder))), bench, options.n_turns)
    finally:
        pool.close()
    pl.DataFrame(found).write_parquet(options.file)
    n_disturbed = sum(one.is_disturbed for one in found)
    print(f"{len(found)} processes in {found[-1].begun_s:.0f} s, {n_disturbed} disturbed")


if __name__ == "__main__":
    main()
