"""One trial: train through checkpoints, stop the hopeless, keep the complete."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from rightfit.families.bundle import Bundle, write_bundle
from rightfit.families.registry import get_family
from rightfit.profiling.measuring.lock import lock_path, machine_lock
from rightfit.tuning.search.learning_curve import Json, follow_training
from rightfit.tuning.steering.steering import Referee, Stop
from rightfit.tuning.studies.study_store import STOP_REASON, StudyStore
from rightfit.tuning.studies.trial_attributes import (
    CONFIGURATION,
    CURVE,
    STOP_CHECKPOINT,
    VOTES,
    dump_votes,
)

if TYPE_CHECKING:
    from rightfit.tuning.search.search import Cell, SearchSettings

logger = logging.getLogger(__name__)

_TRIAL_FAULTS = (ArithmeticError, MemoryError, RuntimeError, ValueError)
_MIB = 2**20


def run_trial(
    trial: optuna.Trial,
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    referee: Referee,
) -> None:
    """Train a trial and tell the study how it ended."""
    started_cpu_ns = time.process_time_ns()
    quality_raw = None
    try:
        try:
            quality_raw = _train_trial(trial, cell, settings, store, referee)
            state = TrialState.COMPLETE if quality_raw is not None else TrialState.PRUNED
        except optuna.exceptions.UpdateFinishedTrialError:
            raise
        except _TRIAL_FAULTS as err:
            state = TrialState.FAIL
            trial.set_user_attr(STOP_REASON, f"failed: {type(err).__name__}: {err}")
            logger.warning("%s: trial %d failed: %s", cell.name, trial.number, err)
        for name, note in referee.notes.items():
            trial.set_user_attr(name, note)
        own_s = (time.process_time_ns() - started_cpu_ns) / 1e9
        trial.set_user_attr("compute_s", own_s + referee.measuring_s)
        trial.study.tell(trial, quality_raw, state=state)
    except optuna.exceptions.UpdateFinishedTrialError:
        logger.warning(
            "%s: trial %d was given to another worker, since this one gave no sign of life",
            cell.name,
            trial.number,
        )
        store.drop_bundle(trial.study.study_name, trial.number)


def _train_trial(
    trial: optuna.Trial,
    cell: Cell,
    settings: SearchSettings,
    store: StudyStore,
    referee: Referee,
) -> float | None:
    """Return the final quality; ``None`` if the trial was stopped."""
    configuration = trial.user_attrs[CONFIGURATION]
    curve: list[Json] = []
    if _is_stopped(trial, referee.look(curve)):
        return None
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
        trial.report(look.point["quality_raw"], look.point["checkpoint"])
        if _is_stopped(trial, referee.look(curve)):
            return None
    bundle = _keep_model(trial, look.model, configuration, cell, store)
    referee.finish(bundle)
    quality_raw: float = curve[-1]["quality_raw"]
    return quality_raw


def _is_stopped(trial: optuna.Trial, stop: Stop | None) -> bool:
    if stop is None:
        return False
    trial.set_user_attr(STOP_REASON, stop.reason)
    trial.set_user_attr(STOP_CHECKPOINT, stop.checkpoint)
    if stop.votes:
        trial.set_user_attr(VOTES, dump_votes(stop.votes))
    return True


def _keep_model(
    trial: optuna.Trial, model: Any, configuration: Json, cell: Cell, store: StudyStore
) -> Bundle:
    """Write a complete trial's bundle, and what choosing candidates needs to know of it."""
    family = get_family(cell.family)
    name = trial.study.study_name
    with store.new_bundle(name, trial.number) as folder:
        written = write_bundle(
            folder,
            model,
            model=cell.model,
            family=cell.family,
            configuration=configuration,
            schema=cell.train.schema,
            data_version=cell.data_version,
        )
        size_bytes = sum((folder / file).stat().st_size for file in written.files)
    trial.set_user_attr("model_size_mib", size_bytes / _MIB)
    with machine_lock(lock_path()):  # trainings may run side by side, timings may not
        started_ns = time.perf_counter_ns()
        family.predict_proba(model, cell.validation.rows)
        elapsed_ns = time.perf_counter_ns() - started_ns
    trial.set_user_attr("validation_pass_ms", elapsed_ns / 1e6)
    return replace(written, path=store.bundle_folder(name, trial.number))
