"""Searches in processes of their own, to be joined or killed by tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from typing import Any

import optuna
from factories import cells

from harness.forks import FORKS
from rightfit._core.progress import Progress, listening
from rightfit_search.families.family import Checkpoint, TrainingData
from rightfit_search.families.registry import get_family
from rightfit_search.searching.search import run_search
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import configuration_index, finished_trials

Outcome = tuple[dict[str, Any], Any, str]


def search(data: TrainingData, store: StudyStore, **changes: Any) -> optuna.Study:
    """Search the test's cell in this process."""
    settings = cells.make_settings(**changes)
    return run_search(cells.make_cell(data), settings, store)


def make_gate() -> Event:
    """Make what other processes can be held at, see :func:`start_search`."""
    return FORKS.Event()


def start_search(
    data: TrainingData, store: StudyStore, *, gate: Event | None = None, **changes: Any
) -> BaseProcess:
    """Search in another process; return once it holds its first trial, or has ended.

    With a gate it goes no further until that is set.
    """
    is_ready = FORKS.Event()
    arguments = (data, store, is_ready, gate, changes)
    process = FORKS.Process(target=_search, args=arguments, daemon=True)
    process.start()
    assert is_ready.wait(600)
    return process


def start_process(data: TrainingData, store: StudyStore, **changes: Any) -> BaseProcess:
    """Search in another process."""
    process = FORKS.Process(target=search, args=(data, store), kwargs=changes, daemon=True)
    process.start()
    return process


def start_held_search(data: TrainingData, store: StudyStore, **changes: Any) -> BaseProcess:
    """Search in another process; return once it trains, which it goes on to do for ever."""
    is_ready = FORKS.Event()
    process = FORKS.Process(target=_search_held, args=(data, store, is_ready, changes), daemon=True)
    process.start()
    assert is_ready.wait(600)
    return process


def outcomes_by_index(study: optuna.Study) -> dict[int, Outcome]:
    """Return what does not depend on time: parameters, value and state of each configuration."""
    finished = finished_trials(study)
    outcomes = {configuration_index(t) or 0: (t.params, t.values, t.state.name) for t in finished}
    assert len(outcomes) == len(finished)  # no configuration counts twice
    return dict(sorted(outcomes.items()))


def _search(
    data: TrainingData, store: StudyStore, is_ready: Event, gate: Event | None, changes: Any
) -> None:
    def hold(_: Progress) -> None:
        is_ready.set()
        if gate is not None:
            gate.wait(600)

    with listening(hold):
        run_search(cells.make_cell(data), cells.make_settings(**changes), store)
    is_ready.set()  # of a search that was finished before, no trial is reported


def _search_held(data: TrainingData, store: StudyStore, is_ready: Event, changes: Any) -> None:
    def train(*args: Any, **kwargs: Any) -> Iterator[Checkpoint]:
        is_ready.set()
        time.sleep(600)
        yield from ()

    get_family("linear").train = train  # type: ignore[method-assign]
    search(data, store, **changes)
