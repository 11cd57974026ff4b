"""One trial without pauses: train through checkpoints, stop the poor, keep the complete."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from itertools import islice
from statistics import median
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from rightfit.families.bundle import Bundle, read_bundle, write_bundle
from rightfit.families.family import Configuration
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.learning_curve import Look, follow_training
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import (
    COMPUTE_S,
    CONFIGURATION,
    CURVE,
    GAINED,
    STOP_CHECKPOINT,
    STOP_REASON,
)

logger = logging.getLogger(__name__)

# What ends a search and no single trial: it may be mended, and then the trials are as good as new.
SEARCH_FAULTS = (ImportError, OSError, optuna.exceptions.OptunaError, SQLAlchemyError)
_MIB = 2**20


def run_trial(trial: optuna.Trial, cell: Cell, settings: SearchSettings, store: StudyStore) -> None:
    """Train a trial under the study's pruner and tell the study how it ended."""
    started_cpu_ns = time.process_time_ns()
    quality_raw = None
    try:
        try:
            quality_raw = _train_trial(trial, cell, settings, store)
            state = TrialState.COMPLETE if quality_raw is not None else TrialState.PRUNED
        except SEARCH_FAULTS:
            raise
        except Exception as err:  # a family may raise anything
            state = TrialState.FAIL
            trial.set_user_attr(STOP_REASON, describe_fault(err))
            logger.warning("%s: trial %d failed: %s", cell.name, trial.number, err)
            logger.debug("The failed trial's traceback:", exc_info=True)
        trial.set_user_attr(COMPUTE_S, (time.process_time_ns() - started_cpu_ns) / 1e9)
        trial.study.tell(trial, quality_raw, state=state)
    except optuna.exceptions.UpdateFinishedTrialError:
        warn_taken(cell, trial)
        store.drop_bundle(trial.study.study_name, trial.number)


def resource_at(checkpoint: int) -> int:
    """Return a checkpoint's length of training in first looks: they double from each to the next.

    Optuna's pruners compare and halve by the resource spent, so it is what they are told.

    >>> [resource_at(checkpoint) for checkpoint in (1, 2, 3, 4)]
    [1, 2, 4, 8]
    """
    return int(2 ** (checkpoint - 1))


def keep_model(
    trial: optuna.Trial,
    model: Any,
    configuration: Configuration,
    cell: Cell,
    store: StudyStore,
) -> Bundle:
    """Write a trained trial's bundle, and what choosing candidates needs to know of it."""
    written = _write_model(model, configuration, cell, store, trial.study.study_name, trial.number)
    size_bytes = sum((written.path / file).stat().st_size for file in written.files)
    trial.set_user_attr("model_size_mib", size_bytes / _MIB)
    return written


def read_model(
    study: optuna.Study, number: int, cell: Cell, settings: SearchSettings, store: StudyStore
) -> Bundle:
    """Read a complete trial's bundle; a damaged one is made anew, which repeats the training."""
    try:
        folder = store.bundle_folder(study.study_name, number)
        bundle = store.trust_recorded(read_bundle(folder, family=cell.family))
        if bundle.is_trusted:
            return bundle
        raise ValueError(f"no search of this data root has written {bundle.weights_file}")
    except (FileNotFoundError, NotADirectoryError, ValueError) as err:
        logger.warning("%s: trial %d is trained again: %s", cell.name, number, err)
    found = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    record = found[number].user_attrs
    last = repeat_training(record[CONFIGURATION], cell, settings, len(record[CURVE]))
    return _write_model(last.model, record[CONFIGURATION], cell, store, study.study_name, number)


def repeat_training(
    configuration: Configuration, cell: Cell, settings: SearchSettings, n_looks: int
) -> Look:
    """Train a configuration again up to a look; the seed makes it the same model."""
    training = follow_training(
        cell,
        configuration,
        n_checkpoints=settings.n_checkpoints,
        seed=settings.seed,
        n_threads=settings.n_threads,
        device=settings.device,
    )
    *_, last = islice(training, n_looks)
    return last


def _write_model(
    model: Any, configuration: Configuration, cell: Cell, store: StudyStore, name: str, number: int
) -> Bundle:
    store.drop_bundle(name, number)  # of a worker that died before it could say so
    with store.new_bundle(name, number) as folder:
        written = write_bundle(
            folder,
            model,
            model=cell.model,
            family=cell.family,
            configuration=configuration,
            schema=cell.train.schema,
            data_version=cell.data_version,
        )
    store.record_weights(written)
    return replace(written, path=store.bundle_folder(name, number))


def describe_fault(err: Exception) -> str:
    """Return a failed trial's reason."""
    return f"failed: {type(err).__name__}: {err}"


def warn_taken(cell: Cell, trial: optuna.Trial) -> None:
    """Say that another worker has gone on with this worker's trial."""
    logger.warning(
        "%s: trial %d was given to another worker, since this one gave no sign of life",
        cell.name,
        trial.number,
    )


def _train_trial(
    trial: optuna.Trial, cell: Cell, settings: SearchSettings, store: StudyStore
) -> float | None:
    """Return the final quality; ``None`` if the trial was stopped."""
    configuration = trial.user_attrs[CONFIGURATION]
    curve: list[dict[str, Any]] = []
    for look in follow_training(
        cell,
        configuration,
        n_checkpoints=settings.n_checkpoints,
        seed=settings.seed,
        n_threads=settings.n_threads,
        device=settings.device,
    ):
        curve.append(look.point)
        trial.set_user_attr(CURVE, curve)
        checkpoint = look.point["checkpoint"]
        trial.report(look.point["quality_raw"], resource_at(checkpoint))
        if checkpoint < settings.n_checkpoints and trial.should_prune():
            trial.set_user_attr(STOP_REASON, _describe_pruning(trial.study, curve))
            trial.set_user_attr(STOP_CHECKPOINT, checkpoint)
            return None
    keep_model(trial, look.model, configuration, cell, store)
    quality_raw: float = curve[-1]["quality_raw"]
    complete = _complete_trials(trial.study)
    if quality_raw > max((other.values[0] for other in complete), default=float("-inf")):
        trial.set_user_attr(GAINED, ["quality"])
    return quality_raw


def _describe_pruning(study: optuna.Study, curve: list[dict[str, Any]]) -> str:
    checkpoint = curve[-1]["checkpoint"]
    if type(study.pruner) is not optuna.pruners.MedianPruner:
        rule = type(study.pruner).__name__.removesuffix("Pruner")
        value = curve[-1]["quality_raw"]
        return f"{rule}: validation quality {value:.4f} at checkpoint {checkpoint} ranks too low"
    best = max(point["quality_raw"] for point in curve)
    resource = resource_at(checkpoint)
    others = [other.intermediate_values[resource] for other in _complete_trials(study)]
    return (
        f"median: best validation quality {best:.4f} up to checkpoint {checkpoint} is below the "
        f"median {median(others):.4f} of {len(others)} complete trials"
    )


def _complete_trials(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
