"""The search of one cell: ask for a configuration, train through checkpoints, stop the hopeless."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from rightfit.models.bundle import write_bundle
from rightfit.models.families import get_family
from rightfit.models.family import TrainingData
from rightfit.models.quality import QualityMetric, score
from rightfit.tuning.fit_meter import FitMeter
from rightfit.tuning.space import ModelParams, Space
from rightfit.tuning.study_store import STOP_REASON, StudyStore, fail_interrupted, fingerprint

logger = logging.getLogger(__name__)

SamplerName = Literal["tpe", "random", "grid"]
StoppingName = Literal["median", "none"]

_TRIAL_FAULTS = (ArithmeticError, MemoryError, RuntimeError, ValueError)
_MIB = 2**20


@dataclass(frozen=True)
class SearchSettings:
    """Budget and rules of one search; see ``parameters_training.yml``.

    Args:
        n_trials: Finished trials at which the search ends, over all runs.
        timeout_s: Wall seconds at which it ends, over all runs; ``None`` for no limit.
        n_checkpoints: Equal parts of a training, each followed by a validation.
        sampler: Optuna's sampler.
        n_grid_points: Points per range of the grid sampler.
        early_stopping: Optuna's median pruner on the validation quality, or none.
        n_startup_trials: Trials drawn at random, and complete ones needed before a median stop.
        n_threads: Threads a training may use.
        device: ``cpu`` or ``cuda``.
        seed: Seed of sampling and training.
    """

    n_trials: int
    timeout_s: float | None
    n_checkpoints: int
    sampler: SamplerName
    n_grid_points: int
    early_stopping: StoppingName
    n_startup_trials: int
    n_threads: int
    device: str
    seed: int


@dataclass(frozen=True)
class Cell:
    """What a search works on: one family on one dataset.

    Args:
        name: ``{dataset}.{model}``.
        family: Name of the family.
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


def run_search(
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    *,
    on_trial: Callable[[int, int], None],
) -> optuna.Study:
    """Search a cell until its budget is spent, continuing where an earlier run ended.

    Args:
        cell: What to search.
        settings: Budget and rules.
        store: Where the study and its bundles are kept.
        on_trial: Called with the finished trials and ``n_trials`` at the start and after each.

    Returns:
        The study, at least one of its trials complete.

    Raises:
        ValueError: If the settings are not the family's.
        RuntimeError: If no trial could be completed, or another process searches the cell.
    """
    cell.params.check_family(get_family(cell.family), n_checkpoints=settings.n_checkpoints)
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # progress is shown by on_trial
    get_family(cell.family).load_libraries()
    with store.locked():
        study = open_study(cell, settings, store)
        fail_interrupted(study)
        on_trial(len(finished_trials(study)), settings.n_trials)
        while not _is_spent(study, settings):
            study.optimize(
                lambda trial: _run_trial(trial, cell, settings, store),
                n_trials=1,
                catch=_TRIAL_FAULTS,
            )
            on_trial(len(finished_trials(study)), settings.n_trials)
    if not any(trial.state == TrialState.COMPLETE for trial in study.trials):
        reasons = [trial.user_attrs.get(STOP_REASON) for trial in finished_trials(study)]
        raise RuntimeError(
            f"No trial of {cell.name} was completed: {reasons}. Raise training.n_trials or "
            "training.timeout_s in parameters_training.yml, or mend the space in "
            "parameters_models.yml."
        )
    return study


def open_study(cell: Cell, settings: SearchSettings, store: StudyStore) -> optuna.Study:
    """Open the study that belongs to a cell's data, space and code."""
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
    study = optuna.create_study(
        study_name=f"{cell.name}.{key}",
        storage=store.open(),
        direction="maximize",
        load_if_exists=True,
        pruner=make_pruner(settings),
    )
    n_known = len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(settings, cell.params.space, n_known=n_known)
    return study


def make_sampler(
    settings: SearchSettings, space: Space, *, n_known: int
) -> optuna.samplers.BaseSampler:
    """Make Optuna's sampler.

    Args:
        settings: Which one, and its seed.
        space: The space, for the grid.
        n_known: Trials already in the study; they shift the seed, or a resumed search would draw
            the same configurations again.
    """
    seed = settings.seed + n_known
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if settings.sampler == "grid":
        points = {name: item.grid(settings.n_grid_points) for name, item in space.root.items()}
        return optuna.samplers.GridSampler(points, seed=settings.seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=settings.n_startup_trials)


def make_pruner(settings: SearchSettings) -> optuna.pruners.BasePruner:
    """Make Optuna's pruner."""
    if settings.early_stopping == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=settings.n_startup_trials)
    return optuna.pruners.NopPruner()


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended by themselves: complete, stopped or failed while training.

    A failed trial without a reason was interrupted from outside and says nothing.
    """
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
        and (trial.state != TrialState.FAIL or STOP_REASON in trial.user_attrs)
    ]


def _is_spent(study: optuna.Study, settings: SearchSettings) -> bool:
    finished = finished_trials(study)
    if len(finished) >= settings.n_trials:
        return True
    if isinstance(study.sampler, optuna.samplers.GridSampler) and study.sampler.is_exhausted(study):
        return True
    spent_s = sum(trial.duration.total_seconds() for trial in finished if trial.duration)
    return settings.timeout_s is not None and spent_s >= settings.timeout_s


def _run_trial(
    trial: optuna.Trial, cell: Cell, settings: SearchSettings, store: StudyStore
) -> float:
    started_cpu_ns = time.process_time_ns()
    try:
        return _train_trial(trial, cell, settings, store)
    except _TRIAL_FAULTS as err:
        trial.set_user_attr(STOP_REASON, f"failed: {type(err).__name__}: {err}")
        logger.warning("%s: trial %d failed: %s", cell.name, trial.number, err)
        raise
    finally:
        trial.set_user_attr("compute_s", (time.process_time_ns() - started_cpu_ns) / 1e9)


def _train_trial(
    trial: optuna.Trial, cell: Cell, settings: SearchSettings, store: StudyStore
) -> float:
    family = get_family(cell.family)
    configuration = cell.params.suggest(trial)
    trial.set_user_attr("configuration", configuration)
    checkpoints = family.train(
        configuration,
        cell.train,
        n_checkpoints=settings.n_checkpoints,
        seed=settings.seed,
        n_threads=settings.n_threads,
        device=settings.device,
    )
    meter = FitMeter()
    curve: list[dict[str, Any]] = []
    for number in range(1, settings.n_checkpoints + 1):
        with meter.training():
            checkpoint = next(checkpoints)
        probabilities = family.predict_proba(checkpoint.model, cell.validation.rows)
        quality_raw = score(cell.quality.name, cell.validation.labels, probabilities)
        fit = meter.read(n_steps=checkpoint.n_steps)
        curve.append({"checkpoint": number, "n_steps": checkpoint.n_steps, **fit})
        curve[-1] |= {"quality_raw": quality_raw, "fit_cpu_s": meter.cpu_s}
        trial.set_user_attr("curve", curve)
        if not math.isfinite(quality_raw):
            raise ArithmeticError(f"validation quality is {quality_raw} at checkpoint {number}")
        trial.report(quality_raw, number)
        if number < settings.n_checkpoints and trial.should_prune():
            best = max(point["quality_raw"] for point in curve)
            trial.set_user_attr(STOP_REASON, _explain_median(trial, number, best, cell.quality))
            raise optuna.TrialPruned
    _keep_model(trial, checkpoint.model, configuration, cell, store)
    return quality_raw


def _keep_model(
    trial: optuna.Trial, model: Any, configuration: dict[str, Any], cell: Cell, store: StudyStore
) -> None:
    """Write a complete trial's bundle, and what choosing candidates needs to know of it."""
    family = get_family(cell.family)
    bundle = write_bundle(
        store.bundle_folder(trial.study.study_name, trial.number),
        model,
        family=cell.family,
        configuration=configuration,
        schema=cell.train.schema,
        data_version=cell.data_version,
    )
    size_bytes = sum((bundle.path / name).stat().st_size for name in bundle.files)
    trial.set_user_attr("model_size_mib", size_bytes / _MIB)
    started_ns = time.perf_counter_ns()
    family.predict_proba(model, cell.validation.rows)
    trial.set_user_attr("validation_pass_ms", (time.perf_counter_ns() - started_ns) / 1e6)


def _explain_median(trial: optuna.Trial, step: int, best: float, metric: QualityMetric) -> str:
    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    others = [other.intermediate_values[step] for other in complete]
    return (
        f"median: best {metric.name} {best:.4f} up to checkpoint {step} is below the median "
        f"{median(others):.4f} of {len(others)} complete trials"
    )
