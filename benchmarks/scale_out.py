"""Benchmark of scaling: workers that share a search on PostgreSQL, and what Kedro costs by cells.

Run from the repository's root: ``python benchmarks/scale_out.py``; it needs PostgreSQL's programs
(``apt-get install postgresql``) and starts a server of its own. Trials are simulated: the training
sleeps for a second, while leases, sampling, study store, bundles and database are real. The last
line is JSON:

- ``speedup_2``, ``_4``, ``_8``: time of one worker over that of so many, for the same number of
  trials, from the common start to the moment when the last worker knows that the search is over;
- ``duplicates``: draws or configurations that count twice, over all searches;
- ``lost``: trials that are missing, still running, or complete without a bundle;
- ``overhead_s_9``, ``_36``, ``_100``: Kedro's share of a run of so many cells, in seconds, see
  ``kedro_overhead.py``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
from kedro_overhead import measure_overhead_s
from optuna.trial import TrialState
from sleeping_worker import TRIAL_S, make_cell, make_settings

from rightfit.tuning.search.search import open_study
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import configuration_index, finished_trials

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests" / "support"))
from harness.postgres import HOW_TO_INSTALL, find_postgres, running_postgres  # noqa: E402


class SleepingWorker:
    """A started worker process."""

    def __init__(self, store: StudyStore) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, str(HERE / "sleeping_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.tell({"folder": str(store.folder), "storage": store.storage})

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def wait_for(self, key: str) -> dict[str, float]:
        """Wait until the worker says so; return all it says."""
        assert self._process.stdout is not None  # noqa: S101
        answer: dict[str, float] = json.loads(self._process.stdout.readline() or "{}")
        if key not in answer:
            raise RuntimeError(f"A worker ended or said {answer} instead of {key!r}.")
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Run both parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n-trials", type=int, default=64, help="per search")
    parser.add_argument("--n-workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 6, 10], help="of the grid")
    options = parser.parse_args()
    if find_postgres() is None:
        parser.exit(1, f"{HOW_TO_INSTALL}\n")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="rightfit-scale-out-") as folder:
        with running_postgres("studies") as url:
            store = StudyStore(Path(folder) / "studies", url, heartbeat_s=5, grace_s=30)
            figures |= measure_speedups(store, options.n_trials, options.n_workers)
        overhead_s = measure_overhead_s(tuple(options.sizes), Path(folder))
    for n_cells, seconds in overhead_s.items():
        print(f"{n_cells:4d} cells: {seconds:6.2f} s, {seconds / n_cells * 1e3:6.1f} ms per cell")
        figures[f"overhead_s_{n_cells}"] = round(seconds, 2)
    print(json.dumps(figures))


def measure_speedups(store: StudyStore, n_trials: int, n_workers: list[int]) -> dict[str, float]:
    """Run the same number of trials with rising numbers of workers, one search each."""
    workers = [SleepingWorker(store) for _ in range(max(n_workers))]
    figures: dict[str, float] = {}
    n_duplicates, n_lost = 0, 0
    alone_s = 0.0
    for worker in workers:
        worker.wait_for("ready")
    for n in n_workers:
        name = f"workers_{n}.linear"
        seconds, cpu_s = _time_search_s(workers[:n], name, n_trials)
        alone_s = alone_s or seconds
        beside_ms = (seconds * n / n_trials - TRIAL_S) * 1e3
        print(
            f"{n} workers: {seconds:6.2f} s for {n_trials} trials of {TRIAL_S:g} s, speed-up "
            f"{alone_s / seconds:.2f}, beside the training {beside_ms:.0f} ms per "
            f"trial, {cpu_s / n_trials * 1e3:.0f} ms of them CPU"
        )
        if n > 1:
            figures[f"speedup_{n}"] = round(alone_s / seconds, 2)
        duplicates, lost = _audit(store, name, n_trials)
        n_duplicates, n_lost = n_duplicates + duplicates, n_lost + lost
    for worker in workers:
        worker.close()
    return figures | {"duplicates": n_duplicates, "lost": n_lost}


def _time_search_s(workers: list[SleepingWorker], name: str, n_trials: int) -> tuple[float, float]:
    """Return wall seconds, and CPU seconds of all workers."""
    for worker in workers:
        worker.tell({"name": name, "n_trials": n_trials})
    for worker in workers:
        worker.wait_for("ready")
    started_s = time.perf_counter()
    for worker in workers:
        worker.tell({})
    cpu_s = sum(worker.wait_for("over")["cpu_s"] for worker in workers)
    return time.perf_counter() - started_s, cpu_s


def _audit(store: StudyStore, name: str, n_trials: int) -> tuple[int, int]:
    """Count the duplicates and the lost trials of a finished search."""
    study = open_study(make_cell(name), make_settings(n_trials), store)
    trials = study.get_trials(deepcopy=False)
    finished = finished_trials(study)
    n_indices = len({configuration_index(trial) for trial in finished})
    n_settings = len({json.dumps(trial.params, sort_keys=True) for trial in finished})
    running = [trial for trial in trials if not trial.state.is_finished()]
    empty = [
        trial
        for trial in finished
        if trial.state == TrialState.COMPLETE
        and not (store.bundle_folder(study.study_name, trial.number) / "bundle.json").exists()
    ]
    n_duplicates = (len(finished) - n_indices) + (len(finished) - n_settings)
    return n_duplicates, max(0, n_trials - n_indices) + len(running) + len(empty)


if __name__ == "__main__":
    main()
