from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories.measurements import ClosedPool, DictStore
from factories.training_data import make_blobs

from rightfit.measuring.rounds.worker_pool import WorkerPool
from rightfit_study.training_costs.measuring import StepsRuns, measure_training_costs
from rightfit_study.training_costs.params import TrainingCostsParams
from rightfit_study.training_costs.steps import TrainingTask

pytestmark = pytest.mark.whole

NET: dict[str, Any] = {
    "n_epochs": 9,
    "n_layers": 1,
    "n_units": 8,
    "n_channels": 2,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "batch_size": 999,
}
PARAMS = TrainingCostsParams(
    batch_sizes=(16, 256),
    device="cpu",
    n_processes=2,
    n_rows=512,
    min_steps=3,
    max_waiting_share=0.999,
    answer_max_s=60,
)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    shared = WorkerPool(max_open=1)
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TrainingTask:
    blobs, folder = make_blobs(image_shape=None, n_features=4), tmp_path_factory.mktemp("task")
    order = np.resize(np.random.default_rng(0).permutation(len(blobs.labels)), 1_024)
    rows, labels = folder / "rows.npy", folder / "labels.npy"
    np.save(rows, blobs.rows[order])
    np.save(labels, blobs.labels[order])
    return TrainingTask("net", NET, blobs.schema.to_dict(), str(rows), str(labels), "cpu")


def measure(task: TrainingTask, pool: WorkerPool, store: DictStore) -> Any:
    return measure_training_costs(
        task, PARAMS, pool=pool, store=store, context={"v": "1"}, keys={"dataset": "blobs"}
    )


@pytest.fixture(scope="module")
def store() -> DictStore:
    return DictStore()


@pytest.fixture(scope="module")
def costs(task: TrainingTask, pool: WorkerPool, store: DictStore) -> Any:
    return measure(task, pool, store)


def test_each_batch_size_is_trained_for_its_own_steps(costs: Any) -> None:
    assert costs["batch_size"].to_list() == [16, 256]
    # Of 512 rows; 256 would make 2 steps, so 3 are asked for. Disturbed runs may be left out.
    per_run = costs["n_steps"].to_list()
    assert per_run[0] in (32, 64)
    assert per_run[1] in (3, 6)
    for column in ("step_time_ms", "rows_per_s", "cpu_cores", "peak_memory_mib"):
        assert (costs[column] >= 0).all()
    assert costs["rows_per_s"].to_list() == pytest.approx(
        (costs["batch_size"] / costs["step_time_ms"] * 1_000).to_list()
    )


def test_costs_that_are_known_are_not_measured_again(
    task: TrainingTask, costs: Any, store: DictStore
) -> None:
    again = measure(task, ClosedPool(), store)

    assert again.equals(costs)


@pytest.mark.parametrize("sign", [{"fixed_work_ns": 2}, {"cores": 0.0}])
def test_process_on_a_slow_core_or_without_one_is_left_out(
    sign: dict[str, float], task: TrainingTask, costs: Any, store: DictStore
) -> None:
    slowed = DictStore()
    for key in store.keys():  # noqa: SIM118
        first, second = store.get_record(key, StepsRuns).runs
        quick = replace(first, fixed_work_ns=1, cores=1.0)
        slow = replace(second, **{"fixed_work_ns": 1, "step_time_ms": 1e6} | sign)
        slowed.put_record(key, StepsRuns((quick, slow)))

    again = measure(task, ClosedPool(), slowed)

    assert (again["step_time_ms"] < 1e6).all()
    assert not again["disturbed"].any()


def test_training_that_fails_says_what_was_trained(task: TrainingTask, pool: WorkerPool) -> None:
    broken = replace(task, labels=task.labels + ".absent")

    with pytest.raises(RuntimeError, match=r"Training net with batch_size=16 failed.*absent"):
        measure(broken, pool, DictStore())
