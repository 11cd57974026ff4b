"""Benchmark of scaling: a search on a Dask cluster.

``python benchmarks/scale_out/scale_out.py`` starts clusters of its own on loopback. Trials are
simulated: the training sleeps for a second, while scheduling, sampling, study, bundles and cluster
are real. The last line is JSON:

- ``speedup_2``, ``_4``, ``_8``: time of one worker over that of so many, for the same number of
  trials, from the start of the search to its end, the cluster running;
- ``duplicates``: indices or configurations that count twice, over all searches;
- ``lost``: trials that are missing, still running, or complete without a bundle.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dask
import optuna
from distributed import Client, LocalCluster
from optuna.trial import TrialState
from sleeping_trainings import TRIAL_S, SleepingTrainings, plan_search

from rightfit_search.searching.parallel.side_by_side import search_in_parallel
from rightfit_search.searching.search_scheduler import open_study
from rightfit_search.searching.studies.trial_attributes import configuration_index, finished_trials


def main() -> None:
    """Run all parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n-trials", type=int, default=64, help="per search")
    parser.add_argument("--n-workers", type=int, nargs="+", default=[1, 2, 4, 8])
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    figures: dict[str, float] = {"duplicates": 0, "lost": 0}
    with tempfile.TemporaryDirectory(prefix="rightfit-scale-out-") as name:
        folder, alone_s = Path(name), 0.0
        for n in options.n_workers:
            with running_cluster(n) as cluster:
                seconds = time_search_s(cluster, folder, f"workers_{n}.linear", options.n_trials)
            alone_s = alone_s or seconds
            beside_ms = (seconds * n / options.n_trials - TRIAL_S) * 1e3
            print(
                f"{n} workers: {seconds:6.2f} s for {options.n_trials} trials of {TRIAL_S:g} s, "
                f"speed-up {alone_s / seconds:.2f}, beside the training {beside_ms:.0f} ms a trial"
            )
            if n > 1:
                figures[f"speedup_{n}"] = round(alone_s / seconds, 2)
            add_audit(figures, folder, f"workers_{n}.linear", options.n_trials)
    print(json.dumps(figures))


@contextlib.contextmanager
def running_cluster(n_workers: int) -> Iterator[LocalCluster]:
    """Run a cluster of processes on loopback whose trainings sleep."""
    with (
        # else a worker is given up that is just starting again 15 s after it was killed
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # else all clusters of a machine want port 8787
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(SleepingTrainings())
        yield cluster


def time_search_s(cluster: LocalCluster, folder: Path, name: str, n_trials: int) -> float:
    """Return the wall seconds of a search; one before it gives every worker its libraries."""
    for search_name, n in ((f"warm_up_{name}", 2 * len(cluster.workers)), (name, n_trials)):
        started_s = time.perf_counter()
        search = plan_search(cluster.scheduler_address, folder, search_name, n)
        search_in_parallel([search])
    return time.perf_counter() - started_s


def add_audit(figures: dict[str, float], folder: Path, name: str, n_trials: int) -> None:
    """Count the duplicates and the lost trials of a finished search."""
    search = plan_search("tcp://nowhere:1", folder, name, n_trials)
    study = open_study(search.cell, search.settings, search.store)
    trials = study.get_trials(deepcopy=False)
    finished = finished_trials(study)
    n_indices = len({configuration_index(trial) for trial in finished})
    n_settings = len({json.dumps(trial.params, sort_keys=True) for trial in finished})
    running = [trial for trial in trials if not trial.state.is_finished()]
    empty = [
        trial
        for trial in finished
        if trial.state == TrialState.COMPLETE
        and not (
            search.store.bundle_folder(study.study_name, trial.number) / "bundle.json"
        ).exists()
    ]
    figures["duplicates"] += (len(finished) - n_indices) + (len(finished) - n_settings)
    figures["lost"] += max(0, n_trials - n_indices) + len(running) + len(empty)


if __name__ == "__main__":
    main()
