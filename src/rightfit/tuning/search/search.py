"""The search of one cell by one worker or several, until its budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from rightfit.families.family import TrainingData
from rightfit.families.quality import QualityMetric
from rightfit.families.registry import get_family
from rightfit.tuning.judge.demand import Demand
from rightfit.tuning.search.budget import Budget
from rightfit.tuning.search.claims import TrialPool
from rightfit.tuning.search.samplers import GivenSampler, SamplerName, grid_points, make_sampler
from rightfit.tuning.search.space import ModelParams
from rightfit.tuning.search.start_workers import worker_processes
from rightfit.tuning.search.trial import run_trial
from rightfit.tuning.steering.steering import QualitySteering, Steering
from rightfit.tuning.studies.study_store import STOP_REASON, StudyStore, fingerprint
from rightfit.tuning.studies.trial_attributes import ASKED_BY, CONFIGURATION

StoppingName = Literal["judge", "median", "successive_halving", "hyperband", "none"]

_POLL_S = 0.2  # of a worker that waits for the others' last trials


@dataclass(frozen=True)
class SearchSettings:
    """Budget and rules of one search; see ``parameters_training.yml``.

    Args:
        n_trials: Finished trials at which the search ends, over all runs and workers; ``None`` for
            no limit, as with the other two.
        budget_cpu_s: CPU seconds of finished trials at which it ends.
        budget_wall_s: Wall seconds with a trial running at which it ends.
        n_workers: Processes that this run puts to the search, itself included.
        n_retries: Times a configuration is tried again after its worker died.
        n_checkpoints: Looks at a training, each at twice the length of the one before.
        sampler: Optuna's sampler.
        n_grid_points: Points per range of the grid sampler.
        patience: Finished trials in a row without a gain after which it ends.
        early_stopping: The judge of all applications, one of Optuna's pruners on the validation
            quality, or none.
        n_startup_trials: Trials drawn at random, and complete ones needed before a median stop.
        n_threads: Threads a training may use.
        device: ``cpu`` or ``cuda``.
        seed: Seed of sampling and training.
        demand: What the applications ask for, for the judge; ``None`` where quality alone steers.
    """

    n_trials: int | None
    budget_cpu_s: float | None
    budget_wall_s: float | None
    patience: int | None
    n_workers: int
    n_retries: int
    n_checkpoints: int
    sampler: SamplerName
    n_grid_points: int
    early_stopping: StoppingName
    n_startup_trials: int
    n_threads: int
    device: str
    seed: int
    demand: Demand | None


@dataclass(frozen=True)
class Cell:
    """What a search works on: one family on one dataset.

    Args:
        name: ``{dataset}.{model}``.
        family: Import path of the family.
        params: Its fixed settings and its space.
        train: Rows to learn from.
        validation: Rows to judge by.
        quality: The dataset's quality metric.
        data_version: Version of the data.
    """

    name: str
    family: str
    params: ModelParams
    train: TrainingData
    validation: TrainingData
    quality: QualityMetric
    data_version: str

    @property
    def model(self) -> str:
        """The model's name in the configuration."""
        return self.name.rpartition(".")[2]


def run_search(
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    *,
    on_trial: Callable[[int, int | None], None],
) -> optuna.Study:
    """Search a cell until its budget is spent, continuing where an earlier run ended.

    Other processes and hosts may search the same cell at the same time: all of them return once no
    trial may start and none is running any more.

    Args:
        cell: What to search.
        settings: Budget and rules.
        store: Where the study and its bundles are kept.
        on_trial: Called with the finished trials and ``n_trials`` at the start and after each.

    Returns:
        The study, at least one of its trials complete.

    Raises:
        ValueError: If the settings are not the family's.
        RuntimeError: If no trial could be completed.
    """
    cell.params.check_family(get_family(cell.family), n_checkpoints=settings.n_checkpoints)
    with worker_processes(cell, settings, store, n=settings.n_workers - 1):
        pool = work_on(cell, settings, store, on_trial=on_trial)
    finished = pool.finished()
    if not any(trial.state == TrialState.COMPLETE for trial in finished):
        reasons = [trial.user_attrs.get(STOP_REASON) for trial in finished]
        raise RuntimeError(
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
) -> TrialPool:
    """Be one worker of a search until it is over; see :func:`run_search`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # progress is shown by on_trial
    study = open_study(cell, settings, store)
    pool = TrialPool(
        study,
        store,
        budget=Budget(
            settings.n_trials, settings.budget_cpu_s, settings.budget_wall_s, settings.patience
        ),
        n_draws=len(_grid(cell, settings)) if settings.sampler == "grid" else None,
        n_retries=settings.n_retries,
    )
    with open_steering(cell, settings, study) as steering:
        while True:
            with pool.claim(lambda d, params: _ask(study, cell, settings, steering, d, params)) as (
                turn
            ):
                on_trial(turn.n_finished, settings.n_trials)
                if turn.is_over:
                    return pool
                if turn.trial is not None:
                    get_family(cell.family).load_libraries()  # a finished search needs none
                    referee = steering.follow(turn.trial)
                    run_trial(turn.trial, cell, settings, store, referee)
            if turn.trial is None:
                time.sleep(_POLL_S)


@contextmanager
def open_steering(cell: Cell, settings: SearchSettings, study: optuna.Study) -> Iterator[Steering]:
    """Make what steers a search while the block runs."""
    if settings.demand is None:
        yield QualitySteering(settings.n_checkpoints)
        return
    from rightfit.tuning.steering.application_steering import open_application_steering

    with open_application_steering(cell, settings, settings.demand, study) as steering:
        yield steering


def study_name(cell: Cell, settings: SearchSettings) -> str:
    """Return the name of the study that belongs to a cell's data, space and code."""
    key = fingerprint(
        cell.family,
        {
            "data_version": cell.data_version,
            "quality": cell.quality.name,
            "params": cell.params.model_dump(),
            "n_checkpoints": settings.n_checkpoints,
            "seed": settings.seed,
            "grid": settings.n_grid_points if settings.sampler == "grid" else None,
        },
    )
    return f"{cell.name}.{key}"


def open_study(cell: Cell, settings: SearchSettings, store: StudyStore) -> optuna.Study:
    """Open a cell's study, creating it when needed."""
    return optuna.create_study(
        study_name=study_name(cell, settings),
        storage=store.open(),
        direction="maximize",
        load_if_exists=True,
        pruner=make_pruner(settings),
    )


def make_pruner(settings: SearchSettings) -> optuna.pruners.BasePruner:
    """Make Optuna's pruner."""
    if settings.early_stopping == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=settings.n_startup_trials)
    if settings.early_stopping == "successive_halving":
        return optuna.pruners.SuccessiveHalvingPruner()
    if settings.early_stopping == "hyperband":
        return optuna.pruners.HyperbandPruner(1, settings.n_checkpoints, reduction_factor=2)
    return optuna.pruners.NopPruner()


def _ask(
    study: optuna.Study,
    cell: Cell,
    settings: SearchSettings,
    steering: Steering,
    draw: int,
    params: dict[str, Any] | None,
) -> optuna.Trial:
    """Start the trial of a draw; the one place where configurations are sampled.

    Args:
        study: The search.
        cell: What is searched.
        settings: The sampler and its seed.
        steering: Who may ask for a configuration.
        draw: The configuration's place in the search, from 0.
        params: Parameters of an earlier, abandoned attempt; ``None`` for the first.
    """
    if params is None and settings.sampler == "grid":
        params = _grid(cell, settings)[draw]
    proposal = steering.propose(draw) if params is None else None
    if proposal is not None:
        params = dict(proposal.params)
    if params is not None:
        study.sampler = GivenSampler(params)
    else:
        study.sampler = make_sampler(
            settings.sampler,
            seed=settings.seed,
            draw=draw,
            n_startup_trials=settings.n_startup_trials,
        )
    trial = study.ask()
    trial.set_user_attr(CONFIGURATION, cell.params.suggest(trial))
    if proposal is not None:
        trial.set_user_attr(ASKED_BY, proposal.asked_by)
    return trial


def _grid(cell: Cell, settings: SearchSettings) -> list[dict[str, Any]]:
    return grid_points(cell.params.space, n_points=settings.n_grid_points, seed=settings.seed)
