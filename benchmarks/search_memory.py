"""Benchmark of memory: what a search of many trials holds on to.

Run from the repository's root: ``python benchmarks/search_memory.py``. One process searches a small
cell; training, scheduling, sampling, study store and bundles are real, measuring served models is
left out. The last line is JSON, the larger of a search that pauses for applications and one without
early stopping:

- ``growth_mib_per_100``: growth of this process' anonymous memory per 100 trials after the warm-up,
  the slope of a straight line;
- ``growth_handles_per_100``: the same of its open file descriptors;
- ``n_trials``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rightfit.families.family import TrainingData
from rightfit.families.schema import InputSchema
from rightfit.profiling.measuring import lock
from rightfit.profiling.worker.meters.memory import read_memory
from rightfit.tuning.search.search import run_search
from rightfit.tuning.studies.study_store import StudyStore

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests" / "support"))
from factories import cells  # noqa: E402
from factories.application_targets import make_targets  # noqa: E402

PER = 100  # trials
SEARCHES: dict[str, dict[str, Any]] = {
    "none": {},
    "pausing": {"early_stopping": "pausing", "targets": make_targets()},
}


def make_data(n_rows: int = 120, n_features: int = 4) -> TrainingData:
    """Return three groups of rows."""
    generator = np.random.default_rng(0)
    labels = np.arange(n_rows) % 3
    rows = generator.normal(size=(n_rows, n_features)) + labels[:, None]
    schema = InputSchema(tuple(f"x{i}" for i in range(n_features)), ("a", "b", "c"), None)
    return TrainingData(rows.astype(np.float32), labels, schema)


def measure_growth(name: str, *, n_trials: int, n_warm_up: int) -> dict[str, float]:
    """Search in this process; return growth per 100 trials."""
    looks: list[tuple[int, float, int]] = []

    def look(n_begun: int, _n_all: int | None) -> None:
        is_new = not looks or looks[-1][0] != n_begun
        if is_new and n_begun % 10 == 0 and n_begun >= n_warm_up:
            gc.collect()
            memory = read_memory()
            held_mib = memory.anonymous_mib or memory.resident_mib
            looks.append((n_begun, held_mib, psutil.Process().num_fds()))
            if n_begun % 50 == 0:
                print(f"{name}: {n_begun} trials, {held_mib:.1f} MiB", flush=True)

    settings = cells.make_settings(n_trials=n_trials, **SEARCHES[name])
    with tempfile.TemporaryDirectory(prefix="search-memory-") as folder:
        lock.LOCK_PATH = Path(folder) / "lock"  # nothing is timed that others could disturb
        store = StudyStore(Path(folder) / "studies", storage=None)
        run_search(cells.make_cell(make_data()), settings, store, on_trial=look)
    numbers, held_mib, handles = (
        np.array(column, dtype=float) for column in zip(*looks, strict=True)
    )
    return {
        "growth_mib_per_100": PER * float(np.polyfit(numbers, held_mib, 1)[0]),
        "growth_handles_per_100": PER * float(np.polyfit(numbers, handles, 1)[0]),
    }


def main() -> None:
    """Measure both searches."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n-trials", type=int, default=500)
    parser.add_argument("--n-warm-up", type=int, default=150)
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found = [
        measure_growth(name, n_trials=arguments.n_trials, n_warm_up=arguments.n_warm_up)
        for name in arguments.searches
    ]
    result = {key: round(max(one[key] for one in found), 3) for key in found[0]}
    print(json.dumps({**result, "n_trials": arguments.n_trials}))


if __name__ == "__main__":
    main()
