"""The search of one cell by one worker, this process; others may search the cell as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, cast

import optuna
from optuna.trial import FrozenTrial, TrialState

from rightfit.families.family import Configuration
from rightfit.families.registry import get_family
from rightfit.tuning.pausing.search_forecast import Step
from rightfit.tuning.search.cell import Cell, SearchSettings, study_name
from rightfit.tuning.search.pausing_plan import PausingPlan
from rightfit.tuning.search.samplers import GivenSampler, grid_points, make_sampler
from rightfit.tuning.search.step_executor import StepExecutor
from rightfit.tuning.search.stopping import StoppingRule, make_pruner
from rightfit.tuning.search.trial import resource_at, run_trial
from rightfit.tuning.studies.budget import Budget
from rightfit.tuning.studies.leases import NEW, TrialPool, first_free_index
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import (
    ASKED_BY,
    CONFIGURATION,
    STOP_REASON,
    is_finished,
)


class SearchFailedError(RuntimeError):
    """No trial of a search was completed."""


_POLL_S = 0.2  # of a worker that waits for the others' last trials


class SharedCores(Protocol):
    """What a worker shares with searches that run beside it."""

    def await_core(self) -> None:
        """Wait until this worker may train; asked before each step, while it holds no trial."""

    def rest(self) -> None:
        """Wait a little, as there is nothing to do now."""


class OwnCores:
    """Cores on which no other search of this run trains."""

    def await_core(self) -> None:
        """See :class:`SharedCores`."""

    def rest(self) -> None:
        """See :class:`SharedCores`."""
        time.sleep(_POLL_S)


def run_search(
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    *,
    on_trial: Callable[[int, int | None], None],
    cores: SharedCores | None = None,
    rule: StoppingRule | None = None,
) -> optuna.Study:
    """Search a cell until its budget is spent, continuing where an earlier run ended.

    Other processes and hosts may search the same cell at the same time: all of them return once no
    trial may start and none is running any more.

    Args:
        cell: What to search.
        settings: Budget and rules.
        store: Where the study and its bundles are kept.
        on_trial: Called with the finished trials and ``n_trials`` at the start and after each.
        cores: See :func:`work_on`.
        rule: See :func:`work_on`.

    Returns:
        The study, at least one of its trials complete.

    Raises:
        ValueError: If the settings are not the family's.
        SearchFailedError: If no trial could be completed.
    """
    cell.params.check_family(get_family(cell.family), n_checkpoints=settings.n_checkpoints)
    pool = work_on(cell, settings, store, on_trial=on_trial, cores=cores, rule=rule)
    finished = pool.finished()
    if not any(trial.state == TrialState.COMPLETE for trial in finished):
        reasons = sorted({str(trial.user_attrs.get(STOP_REASON)) for trial in finished})[:3]
        raise SearchFailedError(
            f"No trial of {cell.name} was completed: {reasons}. Raise training.n_trials or "
            "the training.budget_… in parameters_training.yml, or mend the space in "
            "parameters_models.yml."
        )
    return pool.study


def work_on(
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    *,
    on_trial: Callable[[int, int | None], None],
    cores: SharedCores | None = None,
    only_default: bool = False,
    rule: StoppingRule | None = None,
) -> TrialPool:
    """Be one worker of a search until it is over; see :func:`run_search`.

    Args:
        cell: What to search.
        settings: Budget and rules.
        store: Where the study and its bundles are kept.
        on_trial: Called with the trials begun and ``n_trials`` before each step.
        cores: Shared with other searches; ``None``: they are this one's own.
        only_default: Train the family's default and nothing else, where applications steer.
        rule: Stops trials in place of the one that the settings name.
    """
    cores = cores or OwnCores()
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # progress is shown by on_trial
    study = open_study(cell, settings, store, rule)
    pool = _make_pool(study, cell, settings, store)
    pausing = executor = None
    if settings.targets is not None:
        pausing = PausingPlan(cell, settings, settings.targets, store)
        executor = StepExecutor(pausing, store)
    plan = DefaultOnly(pausing) if pausing and only_default else pausing

    def ask(index: int, params: Configuration | None) -> optuna.Trial:
        return _ask(study, cell, settings, pausing, index, params)

    while True:
        cores.await_core()
        with pool.lease(ask, plan) as lease:
            on_trial(lease.n_begun, settings.n_trials)
            if lease.is_over:
                return pool
            if lease.trial is not None:
                get_family(cell.family).load_libraries()  # a finished search needs none
                if executor is None:
                    run_trial(lease.trial, cell, settings, store)
                else:
                    executor.work(lease.trial)
        if lease.trial is None:
            cores.rest()


def is_over(cell: Cell, settings: SearchSettings, store: StudyStore) -> bool:
    """Tell whether a search was brought to its end before, and its budget allows no more."""
    if store.is_empty:
        return False
    try:
        study = optuna.load_study(study_name=study_name(cell, settings), storage=store.open())
    except KeyError:  # it was not searched with these settings
        return False
    trials = study.get_trials(deepcopy=False)
    begun = [trial for trial in trials if is_finished(trial)]
    if not begun or any(trial.state == TrialState.RUNNING for trial in trials):
        return False
    pool = _make_pool(study, cell, settings, store)
    if pool.n_configurations is not None and first_free_index(begun) >= pool.n_configurations:
        return True
    if not pool.budget.allows_another(begun, now=datetime.now()):
        return True
    if settings.targets is None:
        return False
    pausing = PausingPlan(cell, settings, settings.targets, store)
    return pausing.choose(trials, may_begin=True) is None


@dataclass(frozen=True)
class DefaultOnly:
    """Trains a family's default to its end; see :class:`rightfit.tuning.studies.leases.Plan`."""

    pausing: PausingPlan

    def choose(
        self, trials: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Step | Literal["new"] | None:
        """Begin with the first trial, and go on with it."""
        if any(trial.state == TrialState.RUNNING or is_finished(trial) for trial in trials):
            return self.pausing.finish_default(trials)
        return NEW if may_begin else None

    def stop_paused_trials(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
        """Leave it to the search, which may measure it."""


def _make_pool(
    study: optuna.Study, cell: Cell, settings: SearchSettings, store: StudyStore
) -> TrialPool:
    return TrialPool(
        study,
        store,
        budget=Budget(
            settings.n_trials, settings.budget_cpu_s, settings.budget_wall_s, settings.patience
        ),
        n_configurations=_count_configurations(cell, settings),
        n_retries=settings.n_retries,
    )


def _count_configurations(cell: Cell, settings: SearchSettings) -> int | None:
    """Return how many configurations there are; ``None`` for any number."""
    if not cell.params.space.root:
        return 1
    return len(_grid(cell, settings)) if settings.sampler == "grid" else None


def open_study(
    cell: Cell, settings: SearchSettings, store: StudyStore, rule: StoppingRule | None = None
) -> optuna.Study:
    """Open a cell's study, creating it when needed.

    Args:
        cell: What is searched.
        settings: By which rules.
        store: Where it is kept.
        rule: Stops trials in place of the one that the settings name.
    """
    asked = rule or make_pruner(
        settings.early_stopping,
        n_startup_trials=settings.n_startup_trials,
        last_resource=resource_at(settings.n_checkpoints),
    )
    return optuna.create_study(
        study_name=study_name(cell, settings),
        storage=store.open(),
        direction="maximize",
        load_if_exists=True,
        pruner=cast("optuna.pruners.BasePruner", asked),  # Optuna only ever asks it to prune
    )


def _ask(
    study: optuna.Study,
    cell: Cell,
    settings: SearchSettings,
    pausing: PausingPlan | None,
    index: int,
    params: Configuration | None,
) -> optuna.Trial:
    """Start the trial of a configuration; the one place where configurations are sampled.

    Args:
        study: The search.
        cell: What is searched.
        settings: The sampler and its seed.
        pausing: Asks for configurations where applications steer.
        index: The configuration's place in the search, from 0.
        params: Parameters of an earlier, abandoned attempt; ``None`` for the first.
    """
    if params is None and settings.sampler == "grid":
        params = _grid(cell, settings)[index]
    elif params is None:
        firsts = cell.list_first()  # a search never ends below what needs no search
        params = firsts[index] if index < len(firsts) else None
    proposal = None
    if params is None and pausing is not None:
        proposal = pausing.propose(study, index)
    if proposal is not None:
        params = proposal.params
    if params is not None:
        study.sampler = GivenSampler(params)
    else:
        study.sampler = make_sampler(
            settings.sampler,
            seed=settings.seed,
            index=index,
            n_startup_trials=settings.n_startup_trials,
        )
    trial = study.ask()
    trial.set_user_attr(CONFIGURATION, cell.params.suggest(trial))
    if proposal is not None and proposal.asked_by is not None:
        trial.set_user_attr(ASKED_BY, proposal.asked_by)
    return trial


def _grid(cell: Cell, settings: SearchSettings) -> list[Configuration]:
    return grid_points(cell.params.space, n_points=settings.n_grid_points, seed=settings.seed)
