"""One trial: train through checkpoints, stop the hopeless, keep the complete."""

from __future__ import annotations

import logging
import math
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from rightfit.models.bundle import write_bundle
from rightfit.models.families import get_family
from rightfit.models.quality import score
from rightfit.profiling.lock import lock_path, machine_lock
from rightfit.tuning.fit_meter import FitMeter
from rightfit.tuning.study_store import STOP_REASON, StudyStore

if TYPE_CHECKING:
    from rightfit.tuning.search import Cell, SearchSettings

logger = logging.getLogger(__name__)

_TRIAL_FAULTS = (ArithmeticError, MemoryError, RuntimeError, ValueError)
_MIB = 2**20


def run_trial(trial: optuna.Trial, cell: Cell, settings: SearchSettings, store: StudyStore) -> None:
    """Train a trial and tell the study how it ended."""
    started_cpu_ns = time.process_time_ns()
    quality_raw = None
    try:
        try:
            quality_raw = _train_trial(trial, cell, settings, store)
            state = TrialState.COMPLETE
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except optuna.exceptions.UpdateFinishedTrialError:
            raise
        except _TRIAL_FAULTS as err:
            state = TrialState.FAIL
            trial.set_user_attr(STOP_REASON, f"failed: {type(err).__name__}: {err}")
            logger.warning("%s: trial %d failed: %s", cell.name, trial.number, err)
        trial.set_user_attr("compute_s", (time.process_time_ns() - started_cpu_ns) / 1e9)
        trial.study.tell(trial, quality_raw, state=state)
    except optuna.exceptions.UpdateFinishedTrialError:
        logger.warning(
            "%s: trial %d was given to another worker, since this one gave no sign of life",
            cell.name,
            trial.number,
        )
        store.drop_bundle(trial.study.study_name, trial.number)


def _train_trial(
    trial: optuna.Trial, cell: Cell, settings: SearchSettings, store: StudyStore
) -> float:
    family = get_family(cell.family)
    configuration = trial.user_attrs["configuration"]
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
        reason = _stop_reason(trial, curve, cell) if number < settings.n_checkpoints else None
        if reason is not None:
            trial.set_user_attr(STOP_REASON, reason)
            raise optuna.TrialPruned
    _keep_model(trial, checkpoint.model, configuration, cell, store)
    return quality_raw


def _stop_reason(trial: optuna.Trial, curve: list[dict[str, Any]], cell: Cell) -> str | None:
    """Say why a trial should stop, or ``None``; the one place where stopping is decided.

    Args:
        trial: The running trial, its quality at the last checkpoint reported.
        curve: What was measured at its checkpoints so far.
        cell: What is searched.
    """
    if not trial.should_prune():
        return None
    step = curve[-1]["checkpoint"]
    if not isinstance(trial.study.pruner, optuna.pruners.MedianPruner):
        rule = type(trial.study.pruner).__name__.removesuffix("Pruner")
        value = curve[-1]["quality_raw"]
        return f"{rule}: {cell.quality.name} {value:.4f} at checkpoint {step} ranks too low"
    best = max(point["quality_raw"] for point in curve)
    complete = trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    others = [other.intermediate_values[step] for other in complete]
    return (
        f"median: best {cell.quality.name} {best:.4f} up to checkpoint {step} is below the median "
        f"{median(others):.4f} of {len(others)} complete trials"
    )


def _keep_model(
    trial: optuna.Trial, model: Any, configuration: dict[str, Any], cell: Cell, store: StudyStore
) -> None:
    """Write a complete trial's bundle, and what choosing candidates needs to know of it."""
    family = get_family(cell.family)
    with store.new_bundle(trial.study.study_name, trial.number) as folder:
        bundle = write_bundle(
            folder,
            model,
            family=cell.family,
            configuration=configuration,
            schema=cell.train.schema,
            data_version=cell.data_version,
        )
        size_bytes = sum((folder / name).stat().st_size for name in bundle.files)
    trial.set_user_attr("model_size_mib", size_bytes / _MIB)
    with machine_lock(lock_path()):  # trainings may run side by side, timings may not
        started_ns = time.perf_counter_ns()
        family.predict_proba(model, cell.validation.rows)
        elapsed_ns = time.perf_counter_ns() - started_ns
    trial.set_user_attr("validation_pass_ms", elapsed_ns / 1e6)
