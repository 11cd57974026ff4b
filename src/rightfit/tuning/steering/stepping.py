"""Carrying out the steps of a pausing search: training to the next look, or a measurement.

Between two steps a trial belongs to nobody. Its training waits in the memory of the worker that
last went on with it; elsewhere it starts anew.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import optuna
from optuna.trial import TrialState

from rightfit.families.family import Configuration
from rightfit.families.registry import get_family
from rightfit.tuning.pausing.outlook import Step
from rightfit.tuning.search.claims import PAUSED
from rightfit.tuning.search.learning_curve import Look, follow_training
from rightfit.tuning.search.trial import (
    SEARCH_FAULTS,
    describe_fault,
    keep_model,
    read_model,
    resource_at,
    warn_taken,
)
from rightfit.tuning.steering.pausing_steering import PausingSteering
from rightfit.tuning.steering.short_measuring import ServingBench
from rightfit.tuning.studies.live_pool import dump_served, observe_trial
from rightfit.tuning.studies.study_store import STOP_REASON, StudyStore
from rightfit.tuning.studies.trial_attributes import (
    COMPUTE_S,
    CONFIGURATION,
    CURVE,
    DECIDING_S,
    EXPORT_S,
    MEASURING_S,
    PROPOSING_S,
    SERVED,
    SPANS,
    UNTRAINED,
)

logger = logging.getLogger(__name__)


class Stepper:
    """Carries out the steps of a worker.

    Args:
        steering: Decides on them.
        store: Where the study and its bundles are kept.
        bench: Measures trained models.
    """

    def __init__(self, steering: PausingSteering, store: StudyStore, bench: ServingBench) -> None:
        self._cell, self._settings = steering.cell, steering.settings
        self._steering, self._trainings = steering, steering.trainings
        self._store = store
        self._bench = bench

    def work(self, trial: optuna.Trial, step: Step | None) -> None:
        """Go one step on with a trial and pause it.

        Args:
            trial: Claimed by this worker.
            step: What to do; ``None`` for a new trial's first look.
        """
        started, started_ns = time.time(), time.process_time_ns()
        decided = self._steering.take_decided()
        notes: dict[str, Any] = {}
        look, measuring_s = None, 0.0
        try:
            try:
                if step is not None and step.serving is not None:
                    measuring_s = self._measure(trial, step, notes)
                else:
                    look = self._train(trial, notes)
            except SEARCH_FAULTS:
                raise
            except Exception as err:  # a family may raise anything
                logger.warning("%s: trial %d failed: %s", self._cell.name, trial.number, err)
                logger.debug("The failed trial's traceback:", exc_info=True)
                notes[STOP_REASON] = describe_fault(err)
            had = trial.user_attrs
            own_s = (time.process_time_ns() - started_ns) / 1e9
            spent_s = own_s + measuring_s + decided.deciding_s
            notes[COMPUTE_S] = had.get(COMPUTE_S, 0.0) + spent_s
            notes[MEASURING_S] = had.get(MEASURING_S, 0.0) + measuring_s
            if step is None:
                notes[PROPOSING_S] = decided.proposing_s
            notes[DECIDING_S] = had.get(DECIDING_S, 0.0) + decided.deciding_s
            notes[SPANS] = [*had.get(SPANS, []), [started, time.time()]]
            self._pause(trial, look, notes)
        except optuna.exceptions.UpdateFinishedTrialError:
            warn_taken(self._cell, trial)

    def _pause(self, trial: optuna.Trial, look: Look | None, notes: dict[str, Any]) -> None:
        """Write a step down, all of it or nothing."""
        with self._store.transaction(trial.study.study_name):
            for name, note in notes.items():
                trial.set_user_attr(name, note)
            if STOP_REASON in notes:
                trial.study.tell(trial, state=TrialState.FAIL)
                return
            if look is not None:
                checkpoint = look.point["checkpoint"]
                trial.report(look.point["quality_raw"], resource_at(checkpoint))
            trial.set_user_attr(PAUSED, True)

    def _train(self, trial: optuna.Trial, notes: dict[str, Any]) -> Look:
        """Train a trial to its next look, anew where its training is not in memory."""
        attributes = trial.user_attrs
        configuration = attributes[CONFIGURATION]
        curve = attributes.get(CURVE, [])
        if not curve:
            self._describe_untrained(configuration, notes)
        training = self._trainings.take(trial.number, len(curve))
        n_missing = 1 if training is not None else len(curve) + 1
        if training is None:
            training = follow_training(
                self._cell,
                configuration,
                n_checkpoints=self._settings.n_checkpoints,
                seed=self._settings.seed,
                n_threads=self._settings.n_threads,
                device=self._settings.device,
            )
        for _ in range(n_missing):
            look = next(training)
        notes[CURVE] = [*curve, look.point]
        n_looks = len(notes[CURVE])
        if n_looks == self._settings.n_checkpoints:
            started_ns = time.process_time_ns()
            keep_model(trial, look.model, configuration, self._cell, self._store)
            notes[EXPORT_S] = (time.process_time_ns() - started_ns) / 1e9
        else:
            self._trainings.keep(trial.number, n_looks, training, look.kept_mib)
        return look

    def _measure(self, trial: optuna.Trial, step: Step, notes: dict[str, Any]) -> float:
        """Measure a trained model in one serving configuration; return the seconds it took."""
        assert step.serving is not None  # noqa: S101 - the caller asked
        started_ns = time.process_time_ns()
        bundle = read_model(trial.study, trial.number, self._cell, self._settings, self._store)
        metrics, seconds = self._bench.measure(bundle, step.serving)
        export_s = (time.process_time_ns() - started_ns) / 1e9  # measuring is another process'
        attributes = trial.user_attrs
        n_checkpoints = self._settings.n_checkpoints
        seen = observe_trial(trial.number, attributes, self._cell, n_checkpoints=n_checkpoints)
        served = {**seen.served, step.serving: metrics}
        notes[SERVED] = dump_served(served, {**seen.measured_s, step.serving: seconds})
        notes[EXPORT_S] = attributes.get(EXPORT_S, 0.0) + export_s
        return seconds

    def _describe_untrained(self, configuration: Configuration, notes: dict[str, Any]) -> None:
        """Note the structure of the finished model where it is known before any training."""
        family = get_family(self._cell.family)
        schema = self._cell.train.schema
        model = family.build_untrained(configuration, schema, seed=self._settings.seed)
        if model is not None:
            notes[UNTRAINED] = family.describe_structure(model)
