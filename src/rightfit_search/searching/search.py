"""The search of one cell, carried out in this process."""

from __future__ import annotations

import logging
from datetime import datetime

import optuna
from optuna.trial import TrialState

from rightfit._core.progress import report_trials
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import Cell, SearchSettings, study_name
from rightfit_search.searching.pausing_plan import PausingPlan
from rightfit_search.searching.search_scheduler import (
    SearchScheduler,
    count_configurations,
    open_study,
    read_limits,
    read_trials,
)
from rightfit_search.searching.stopping_rules import StoppingRule
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import (
    STOP_REASON,
    finished_trials,
    first_free_index,
    is_finished,
)
from rightfit_search.searching.task_worker import TaskWorker

logger = logging.getLogger(__name__)


class SearchFailedError(RuntimeError):
    """No trial of a search was completed."""


def run_search(
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    *,
    rule: StoppingRule | None = None,
) -> optuna.Study:
    """Search a cell until its budget is spent, continuing where an earlier run ended.

    Where another run searches it, this one waits for that to end. A search that is over already
    needs neither its family nor a lock.

    Args:
        cell: What to search.
        settings: Budget and rules.
        store: Where the study and its bundles are kept.
        rule: Stops trials in place of the one that the settings name.

    Returns:
        The study; at least one of its trials complete.

    Raises:
        ValueError: If the settings are not the family's.
        SearchFailedError: If no trial could be completed.
    """
    if is_over(cell, settings, store):
        store.sweep_partial_bundles(study_name(cell, settings))  # of processes that were killed
        return require_complete(open_study(cell, settings, store, rule), cell)
    cell.params.check_family(get_family(cell.family), n_checkpoints=settings.n_checkpoints)
    name = study_name(cell, settings)
    with store.locked(name, waiting=f"Another run searches {cell.name}; waiting for its end"):
        scheduler = SearchScheduler(cell, settings, store, rule=rule)
        carry_out_all(scheduler, TaskWorker(cell, settings, store, name))
    return require_complete(scheduler.pool.study, cell)


def carry_out_all(scheduler: SearchScheduler, worker: TaskWorker) -> None:
    """Carry out a search's tasks, one after the other in this process, until it is over."""
    n_told = -1
    try:
        while True:
            if scheduler.n_begun != n_told:
                n_told = scheduler.n_begun
                report_trials(scheduler.cell.name, n_told, scheduler.settings.n_trials)
            task = scheduler.next_task()
            scheduler.pool.write()
            if task is None:
                return
            scheduler.note(task, worker.carry_out(task))
    except BaseException:
        scheduler.release()
        raise


def require_complete(study: optuna.Study, cell: Cell) -> optuna.Study:
    """Return a study if one of its trials is complete.

    Raises:
        SearchFailedError: If none is.
    """
    finished = finished_trials(study)
    if any(trial.state == TrialState.COMPLETE for trial in finished):
        return study
    reasons = sorted({str(trial.user_attrs.get(STOP_REASON)) for trial in finished})[:3]
    raise SearchFailedError(
        f"No trial of {cell.name} was completed: {reasons}. Raise training.n_trials or "
        "the training.budget_…, or correct the model's space."
    )


def is_over(cell: Cell, settings: SearchSettings, store: StudyStore) -> bool:
    """Tell whether a search was brought to its end before, and its budget allows no more."""
    trials = read_trials(cell, settings, store)
    begun = [trial for trial in trials if is_finished(trial)]
    if not begun or any(trial.state == TrialState.RUNNING for trial in trials):
        return False
    n_configurations = count_configurations(cell, settings)
    if n_configurations is not None and first_free_index(begun) >= n_configurations:
        return True
    if not read_limits(settings).allows_another(begun, now=datetime.now()):
        return True
    if settings.targets is None:
        return False
    plan = PausingPlan(cell, settings, settings.targets)
    return plan.next_step(trials, paused=(), may_begin=True) is None
