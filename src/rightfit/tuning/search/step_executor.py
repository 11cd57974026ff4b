"""Carrying out the steps of a pausing search: training a trial to its next look.

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
from rightfit.tuning.search.learning_curve import Look, follow_training
from rightfit.tuning.search.pausing_plan import PausingPlan
from rightfit.tuning.search.trial import (
    SEARCH_FAULTS,
    describe_fault,
    keep_model,
    resource_at,
    warn_taken,
)
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import (
    COMPUTE_S,
    CONFIGURATION,
    CURVE,
    DECIDING_S,
    PAUSED,
    SPANS,
    STOP_REASON,
    UNTRAINED,
)

logger = logging.getLogger(__name__)


class StepExecutor:
    """Carries out the steps of a worker.

    Args:
        plan: Decides on them.
        store: Where the study and its bundles are kept.
    """

    def __init__(self, plan: PausingPlan, store: StudyStore) -> None:
        self._cell, self._settings = plan.cell, plan.settings
        self._plan, self._trainings = plan, plan.trainings
        self._store = store

    def work(self, trial: optuna.Trial) -> None:
        """Train a trial, leased by this worker, to its next look and pause it."""
        started, started_ns = time.time(), time.process_time_ns()
        deciding_s = self._plan.take_deciding_s()
        notes: dict[str, Any] = {}
        look = None
        try:
            try:
                look = self._train(trial, notes)
            except SEARCH_FAULTS:
                raise
            except Exception as err:  # a family may raise anything
                logger.warning("%s: trial %d failed: %s", self._cell.name, trial.number, err)
                logger.debug("The failed trial's traceback:", exc_info=True)
                notes[STOP_REASON] = describe_fault(err)
            had = trial.user_attrs
            spent_s = (time.process_time_ns() - started_ns) / 1e9 + deciding_s
            notes[COMPUTE_S] = had.get(COMPUTE_S, 0.0) + spent_s
            notes[DECIDING_S] = had.get(DECIDING_S, 0.0) + deciding_s
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
            keep_model(trial, look.model, configuration, self._cell, self._store)
        else:
            self._trainings.keep(trial.number, n_looks, training, look)
        return look

    def _describe_untrained(self, configuration: Configuration, notes: dict[str, Any]) -> None:
        """Note the structure of the finished model where it is known before any training."""
        family = get_family(self._cell.family)
        schema = self._cell.train.schema
        model = family.build_untrained(configuration, schema, seed=self._settings.seed)
        if model is not None:
            notes[UNTRAINED] = family.describe_structure(model)
