from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import cells
from factories.application_targets import make_targets

from rightfit_search.families.family import TrainingData
from rightfit_search.searching.cell import study_name
from rightfit_search.searching.parallel.planned_search import PlannedSearch, share_budget
from rightfit_search.searching.parallel.side_by_side import SearchQueue
from rightfit_search.searching.search_scheduler import SearchScheduler, open_study
from rightfit_search.searching.studies.budget import CallLimit
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import CURVE, SPENT
from rightfit_search.searching.task_worker import TaskWorker

DEFAULT = {"default": {"alpha": 1e-4, "eta0": 0.1}}


def plan(data: TrainingData, studies: Path, name: str, **changes: Any) -> PlannedSearch:
    cell = cells.make_cell(data, name=name, params=cells.LINEAR_PARAMS.model_copy(update=DEFAULT))
    changes = {"sampler": "tpe", "early_stopping": "pausing", "targets": make_targets()} | changes
    return PlannedSearch(
        cell,
        cells.make_settings(**changes),
        StudyStore(studies, None),
        {"a": cells.LINEAR_BLOCK.model_copy(update=DEFAULT)} if not name.endswith(".a") else {},
        n_at_once=2,
    )


def test_a_datasets_searches_begin_once_all_its_defaults_are_trained(
    blobs: TrainingData, tmp_path: Path
) -> None:
    queue = SearchQueue([plan(blobs, tmp_path, name) for name in ("x.a", "x.b", "y.a")])

    defaults = [queue.next() for _ in range(3)]
    begin = {}
    for task in reversed(defaults):
        assert task.only_default
        queue.end(task)
        begin[task.cell.name] = queue.has_next and queue.next().cell.name

    assert begin["y.a"] == "y.a"
    assert begin["x.b"] is False  # the other default of its dataset is still trained
    assert begin["x.a"] in ("x.a", "x.b")


def train_default(search: PlannedSearch) -> None:
    cell, settings, store = search.cell, search.settings, search.store
    scheduler = SearchScheduler(cell, settings, store, only_default=True)
    worker = TaskWorker(cell, settings, store, study_name(cell, settings))
    while (task := scheduler.next_task()) is not None:
        scheduler.note(task, worker.carry_out(task))
    scheduler.pool.write()


def test_a_search_knows_what_the_other_defaults_have_reached(
    blobs: TrainingData, tmp_path: Path
) -> None:
    queue = SearchQueue([plan(blobs, tmp_path, name) for name in ("x.a", "x.b")])
    for task in (queue.next(), queue.next()):
        train_default(task)
        queue.end(task)

    known = {}
    while queue.has_next:
        task = queue.next()
        targets = task.settings.targets
        assert targets is not None
        known[task.cell.name] = targets.known_quality

    assert known == {"x.a": None, "x.b": pytest.approx(1.0)}


@pytest.mark.parametrize(
    "changes", [{"targets": None, "early_stopping": "none"}, {"sampler": "grid"}]
)
def test_without_applications_or_a_default_a_search_is_one_task(
    changes: dict[str, Any], blobs: TrainingData, tmp_path: Path
) -> None:
    queue = SearchQueue([plan(blobs, tmp_path, "x.a", **changes)])

    assert not queue.next().only_default
    assert not queue.has_next


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"budget_cpu_s": 20.0, "n_trials": None}, ["x.b", "x.a"]),  # 18 and 12 seconds are left
        ({"budget_cpu_s": None, "n_trials": 5}, ["x.a", "x.b"]),  # 4 more trials like the default
        ({"budget_cpu_s": 20.0, "n_trials": 5}, ["x.a", "x.b"]),  # 12 by the budget, 8 by trials
    ],
)
def test_the_search_with_most_left_to_do_begins_first(
    limits: dict[str, Any], expected: list[str], blobs: TrainingData, tmp_path: Path
) -> None:
    queue = SearchQueue([plan(blobs, tmp_path, name, **limits) for name in ("x.a", "x.b")])
    for spent_s in (8.0, 2.0):
        search = queue.next()
        trial = open_study(search.cell, search.settings, search.store).ask()
        trial.set_user_attr(SPENT, {"compute_s": spent_s})
        trial.study.tell(trial, 0.5)
        queue.end(search)

    assert [queue.next().cell.name for _ in range(2)] == expected


def test_families_share_evenly_what_a_call_has_left_when_all_defaults_are_trained(
    blobs: TrainingData, tmp_path: Path
) -> None:
    limit = CallLimit(100.0, cpu_clock_ns=lambda: 0)
    limit.charge(10.0)
    searches = [
        replace(plan(blobs, tmp_path, f"x.{name}", budget_cpu_s=30.0), limit=limit)
        for name in "abc"
    ]
    for search, work_s, cpu_s in zip(searches[:2], (2.0, 4.0), (4.0, 2.0), strict=True):
        trial = open_study(search.cell, search.settings, search.store).ask()
        trial.set_user_attr(CURVE, [{"quality_raw": 0.9, "work_s": work_s}])
        trial.set_user_attr(SPENT, {"compute_s": cpu_s})

    budgets_s = [search.settings.budget_cpu_s for search in share_budget(searches)]

    # 80 but for the margin, in two: seconds of "a" are half of the usual ones, of "b" twice
    assert budgets_s == [pytest.approx(2.0 + 40.0 / 2), pytest.approx(4.0 + 40.0 * 2), 0.0]
