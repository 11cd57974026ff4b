from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from factories.bundles import train_bundle
from factories.data_cards import make_data_card

from rightfit.families.family import TrainingData
from rightfit.processes.lifeline import list_descendants
from rightfit.tuning.parallel import refits
from rightfit.tuning.parallel.forked_workers import close_shared_fork_server
from rightfit.tuning.parallel.refits import refit_side_by_side
from rightfit.tuning.refitting import TEST, TRAINED_ON, FinalRows, RefitJob, refit
from rightfit.tuning.search.cell import write_data
from rightfit.tuning.search.tasks import Ended
from rightfit.tuning.studies.study_store import StudyStore

pytestmark = pytest.mark.whole

FOREST = {"n_estimators": 3, "max_features": 1.0, "min_samples_leaf": 1}
CARD = make_data_card()


@pytest.fixture(autouse=True, scope="module")
def fork_server() -> Iterator[None]:
    yield
    close_shared_fork_server()


def make_data(n_rows: int) -> TrainingData:
    rows = np.random.default_rng(n_rows).normal(size=(n_rows, 2)).astype(np.float32)
    return TrainingData(rows, (rows[:, 0] * rows[:, 1] > 0).astype(np.int64), CARD.input_schema)


def make_jobs(folder: Path, *, n: int) -> list[RefitJob]:
    write_data(folder, TRAINED_ON, make_data(300))
    write_data(folder, TEST, make_data(90))
    chosen = [
        train_bundle(
            folder / f"chosen-{depth}", make_data(200), "forest", FOREST | {"max_depth": depth}
        )
        for depth in range(1, n + 1)
    ]
    store = StudyStore(folder / "studies", None)
    for one in chosen:
        store.record_weights(one)
    return [
        RefitJob(
            rows=folder,
            n_rows=300,
            chosen=one.path,
            sha256=one.sha256,
            family="forest",
            data_card=CARD,
            judging=FinalRows(final_share=0.5, final_min_rows=1000, seed=0),
            store=store,
            measurements=folder / "measurements",
            n_threads=2,
            device="cpu",
            seed=7,
            expected_s=one.configuration["max_depth"],
        )
        for one in chosen
    ]


def test_refits_side_by_side_are_those_made_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = make_jobs(tmp_path, n=3)
    elsewhere = {"store": StudyStore(tmp_path / "alone", None), "measurements": tmp_path / "alone"}
    shutil.copytree(tmp_path / "studies", tmp_path / "alone")  # the record of what was written
    alone = [refit(replace(job, **elsewhere), again=True) for job in jobs]

    refit_side_by_side(jobs, n_at_once=2)
    monkeypatch.setattr("rightfit.tuning.refitting.write_bundle", None)
    made = [refit(job, again=False) for job in jobs]

    assert len({bundle.files["model.onnx"] for bundle, _ in made}) == 3
    assert [bundle.files["model.onnx"] for bundle, _ in made] == [
        bundle.files["model.onnx"] for bundle, _ in alone
    ]
    assert [compared for _, compared in made] == [compared for _, compared in alone]


def test_refit_that_breaks_spoils_no_other_and_its_error_is_met_again(tmp_path: Path) -> None:
    broken, fine = make_jobs(tmp_path, n=2)
    broken = replace(broken, chosen=tmp_path / "nowhere")

    refit_side_by_side([broken, fine], n_at_once=1)

    assert fine.is_trained
    assert not broken.is_trained
    with pytest.raises(FileNotFoundError, match="nowhere"):
        refit(broken, again=False)


def test_the_longest_refit_begins_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[float] = []

    def begin(_server: None, job: RefitJob) -> SimpleNamespace:
        begun.append(job.expected_s)
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(refits, "forking", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(refits, "_begin", begin)
    monkeypatch.setattr(refits, "wait_for", lambda working: working[:1])
    monkeypatch.setattr(refits, "hear", lambda _: [Ended("")])

    refit_side_by_side(make_jobs(tmp_path, n=3), n_at_once=2)

    assert begun == [3, 2, 1]


def test_interrupted_refits_leave_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_channels: object) -> None:
        raise KeyboardInterrupt

    close_shared_fork_server()
    monkeypatch.setattr(refits, "wait_for", interrupt)
    before = set(list_descendants(os.getpid()))

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        refit_side_by_side(make_jobs(tmp_path, n=2), n_at_once=2)

    assert not set(list_descendants(os.getpid())) - before
