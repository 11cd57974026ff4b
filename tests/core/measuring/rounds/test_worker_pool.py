from __future__ import annotations

from dataclasses import replace
from typing import Any

from factories.measurements import known_load, make_settings

from rightfit.measuring.rounds.measurement import MeasurementContext, OpenRound
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind, WorkerPool
from rightfit.measuring.worker.protocol import Failure, Predicted, PredictRequest

NOTHING: dict[str, Any] = {"factory": "", "arguments": {}, "rows": "", "predictions": ""}


def test_pool_keeps_a_worker_for_its_kind_and_closes_the_least_used() -> None:
    one, two = (WorkerKind(imports=("json",), n_threads=n) for n in (1, 2))
    pool = WorkerPool(max_open=1)

    try:
        first = pool.get(one)
        again = pool.get(one)
        other = pool.get(two)
        first_is_closed = first.is_closed
        afresh = pool.get(one)
    finally:
        pool.close()

    assert first is again
    assert first_is_closed
    assert afresh is not first
    assert other.is_closed


def test_workers_that_are_started_together_close_none_of_each_other() -> None:
    pool = WorkerPool(max_open=1)
    kinds = [WorkerKind(imports=("json",), n_threads=n) for n in (1, 2)]
    try:
        pool.start(kinds)

        assert all(not pool.get(kind).is_closed for kind in kinds)
        assert len({pool.get(kind).pid for kind in kinds}) == 2
    finally:
        pool.close()


def test_pool_does_not_close_a_worker_whose_children_stay(bench: MeasurementContext) -> None:
    pool = WorkerPool(max_open=1)
    own = replace(bench, pool=pool, settings=make_settings())
    process = OpenRound(known_load(), own, MeasurementState())

    try:
        process.time_slice()
        process.time_slice(4)
        staying = pool.get(known_load().kind)
        other = pool.get(WorkerKind(imports=("json",), n_threads=1))
        is_kept = not staying.is_closed
        finished = process.finish(block="a.0", others_cores=None)
        pool.get(WorkerKind(imports=("json",), n_threads=2))
    finally:
        pool.close()

    assert is_kept
    assert isinstance(finished, FinishedRound)
    assert (staying.is_closed, other.is_closed) == (True, True)


def test_worker_that_cannot_import_says_why() -> None:
    pool, kind = WorkerPool(max_open=1), WorkerKind(imports=("not_there",), n_threads=1)

    try:
        pool.start([kind])
        answer = pool.get(kind).ask(PredictRequest(**NOTHING), Predicted)
    finally:
        pool.close()

    assert isinstance(answer, Failure)
    assert "No module named 'not_there'" in answer.error


def test_worker_does_not_see_libraries_its_runtime_does_not_need(pool: WorkerPool) -> None:
    worker = pool.get(WorkerKind(imports=("json",), n_threads=1))
    request = PredictRequest(factory="pandas:DataFrame", arguments={}, rows="", predictions="")

    answer = worker.ask(request, Predicted)

    assert isinstance(answer, Failure)
    assert "pandas is hidden from measuring processes" in answer.error
