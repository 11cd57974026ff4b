"""Searches on a real Dask cluster: a scheduler and three worker processes on loopback."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster
from factories.planned_searches import plan
from harness.searching import outcomes_by_index
from optuna.trial import TrialState

from rightfit._core.errors import RightfitError
from rightfit._core.progress import Progress, listening
from rightfit.models.bundle import read_bundle
from rightfit_search.families.family import TrainingData
from rightfit_search.searching.parallel import dask_workers
from rightfit_search.searching.parallel.dask_workers import DaskWorkers
from rightfit_search.searching.parallel.side_by_side import search_in_parallel
from rightfit_search.searching.search import is_over
from rightfit_search.searching.search_scheduler import open_study

pytestmark = [pytest.mark.whole, pytest.mark.long]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=3,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # else all clusters of a machine want port 8787
    ) as cluster:
        yield cluster


def test_one_search_uses_all_workers_and_finds_what_one_process_finds(
    blobs: TrainingData, tmp_path: Path, cluster: LocalCluster
) -> None:
    changes: dict[str, Any] = {"sampler": "random", "targets": None, "early_stopping": "none"}
    found = []
    for name, address in (("forks", None), ("cluster", cluster.scheduler_address)):
        [search, *_] = plan(blobs, tmp_path / name, 1, n_trials=10, cluster=address, **changes)
        search_in_parallel([search])
        assert is_over(search.cell, search.settings, search.store)
        assert any(search.store.folder.rglob("*.onnx"))
        found.append(open_study(search.cell, search.settings, search.store))

    assert outcomes_by_index(found[0]) == outcomes_by_index(found[1])
    assert not list((tmp_path / "cluster").glob(".rows-*"))


def test_tasks_of_killed_workers_are_given_out_again(
    blobs: TrainingData, tmp_path: Path, cluster: LocalCluster
) -> None:
    address = cluster.scheduler_address
    searches = plan(blobs, tmp_path, 1, n_trials=10, n_retries=9, cluster=address)
    killed: set[int] = set()

    def kill_two(step: Progress) -> None:
        processes = [nanny.pid for nanny in cluster.workers.values() if nanny.pid]
        if step.n_done in (2, 5) and step.n_done not in killed and processes:
            killed.add(step.n_done)
            os.kill(processes[0], signal.SIGKILL)

    with listening(kill_two):
        search_in_parallel(searches)
    studies = [open_study(one.cell, one.settings, one.store) for one in searches]

    assert killed == {2, 5}
    assert [list(outcomes_by_index(study)) for study in studies] == [list(range(10))] * 3
    assert [len(study.trials) for study in studies] == [10] * 3
    for one, study in zip(searches, studies, strict=True):
        for trial in study.get_trials(states=(TrialState.COMPLETE,)):
            read_bundle(one.store.bundle_folder(study.study_name, trial.number))


def test_search_waits_for_a_cluster_without_workers(blobs: TrainingData, tmp_path: Path) -> None:
    with LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as empty:
        [search, *_] = plan(blobs, tmp_path, 1, n_trials=3, cluster=empty.scheduler_address)

        with listening(lambda _: empty.scale(1)):
            search_in_parallel([search])

        assert is_over(search.cell, search.settings, search.store)


def test_address_where_no_scheduler_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_workers, "CONNECT_MAX_S", 0.5)

    with pytest.raises(RightfitError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        DaskWorkers("tcp://127.0.0.1:9")
