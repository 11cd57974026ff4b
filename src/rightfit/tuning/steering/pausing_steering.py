"""The pausing search live: one pool of trials in Optuna's study, shared by all workers.

Each configuration is asked for by one application in turn, from a study of its own in which every
trial so far is scored as that application sees it. All of them get their first look; then the
pausing rule says which trial goes on to its next look, and which trained model is measured how.
Between two steps a trial belongs to nobody. Its training waits in the memory of the worker that
last went on with it; elsewhere it starts anew.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from rightfit.families.bundle import read_bundle
from rightfit.families.family import Configuration
from rightfit.families.registry import get_family
from rightfit.tuning.pausing.observed import ObservedTrial, Pool
from rightfit.tuning.pausing.outlook import Step
from rightfit.tuning.search.budget import Budget, is_finished, spent_cpu_s
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.claims import NEW, PAUSED, draw_of, is_paused
from rightfit.tuning.search.learning_curve import Look, follow_training
from rightfit.tuning.search.trial import (
    SEARCH_FAULTS,
    describe_fault,
    keep_model,
    resource_at,
    warn_taken,
)
from rightfit.tuning.steering.demand import Demand
from rightfit.tuning.steering.paused_trainings import PausedTrainings
from rightfit.tuning.steering.scoring import score_trials
from rightfit.tuning.steering.short_measuring import ServingBench
from rightfit.tuning.studies.live_pool import dump_served, observe_trial, read_pool
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
    STOP_CHECKPOINT,
    STOPPED_BY,
    UNTRAINED,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Args:
        params: Values of the searched hyper-parameters.
        asked_by: Application that asks for it; ``None`` for nobody in particular.
    """

    params: dict[str, Any]
    asked_by: str | None


class PausingSteering:
    """Steers a search by what its trials promise to all applications.

    Args:
        cell: What is searched.
        settings: Sampler, seeds and checkpoints.
        demand: What the applications ask for.
        store: Where the study and its bundles are kept.
        bench: Measures trained models; ``None`` where none will be measured.
    """

    def __init__(
        self,
        cell: Cell,
        settings: SearchSettings,
        demand: Demand,
        store: StudyStore,
        bench: ServingBench | None,
    ) -> None:
        self.cell = cell
        self.settings = settings
        self.demand = demand
        self.rule = demand.make_rule()
        self._store = store
        self._bench = bench
        self._budget = Budget(None, settings.budget_cpu_s, settings.budget_wall_s)
        self._trainings = PausedTrainings(demand.paused_memory_mib)
        self._deciding_s = 0.0  # since the last step
        self._proposing_s = 0.0  # of the last configuration
        self._observed: dict[tuple[int, int, int], ObservedTrial] = {}

    def propose(self, study: optuna.Study, draw: int) -> Proposal | None:
        """Return the configuration of a draw; ``None`` to leave it to the sampler.

        Args:
            study: The search.
            draw: The configuration's place in the search, from 0.
        """
        if self.settings.sampler != "tpe" or draw < self.settings.n_startup_trials:
            return None
        started_ns = time.process_time_ns()
        trials = study.get_trials(deepcopy=False)
        outlook = self.rule.survey(self._read(trials))
        if outlook is None:
            return None
        names = [n for n in self.demand.applications.root if n not in outlook.hopeless()]
        names = names or list(self.demand.applications.root)
        name = names[draw % len(names)]
        asked = score_trials(trials, outlook, name, self.settings, draw=draw).ask()
        self.cell.params.suggest(asked)
        self._proposing_s = (time.process_time_ns() - started_ns) / 1e9
        self._deciding_s += self._proposing_s
        return Proposal(asked.params, asked_by=name)

    def choose(
        self, trials: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Step | Literal["new"] | None:
        """See :class:`rightfit.tuning.search.claims.Plan`.

        The default is trained to its end before others begin. First looks get a share of the
        budget, so that most of it is left to go on; one that would overrun it is not begun. Where
        nothing that was begun is worth going on with, the rest of the budget is for new ones too.
        """
        started_ns = time.process_time_ns()
        begun = [t for t in trials if t.state == TrialState.RUNNING or is_finished(t)]
        firsts = [t.user_attrs[CURVE][0] for t in begun if t.user_attrs.get(CURVE)]
        chosen: Step | Literal["new"] | None
        if not firsts:
            chosen = NEW if may_begin else None
        else:
            first_s = fmean(point["fit_cpu_s"] + point["validate_cpu_s"] for point in firsts)
            chosen = self.finish_default(trials)
            if chosen is None and may_begin and self._has_share(begun, first_s):
                chosen = NEW
            if chosen is None:
                chosen = self._go_on(trials, begun)
            if chosen is None and may_begin and self._has_idle_budget(trials, begun):
                chosen = NEW
        self._deciding_s += (time.process_time_ns() - started_ns) / 1e9
        return chosen

    def _has_share(self, begun: Sequence[FrozenTrial], first_s: float) -> bool:
        """Tell whether another first look stays within the share of the budget for first looks."""
        if first_s > self._budget.left_s(begun, now=datetime.now()):
            return False
        if self.settings.budget_cpu_s is None:
            return True
        look_s = first_s + begun[-1].user_attrs.get(PROPOSING_S, 0.0)
        allowed_s = self.demand.breadth_share * self.settings.budget_cpu_s
        return bool(look_s * (len(begun) + 1) <= allowed_s)

    def _has_idle_budget(self, trials: Sequence[FrozenTrial], begun: Sequence[FrozenTrial]) -> bool:
        """Tell whether the budget holds a whole training more, where nothing begun is worth it."""
        if any(t.state == TrialState.RUNNING and not is_paused(t) for t in trials):
            return False
        return self.rule.affords_another(self._read(trials), affordable_s=self._left_s(begun))

    def _go_on(self, trials: Sequence[FrozenTrial], begun: Sequence[FrozenTrial]) -> Step | None:
        """Return the step of a paused trial that promises the most, if any promises enough."""
        measuring_s = sum(t.user_attrs.get(MEASURING_S, 0.0) for t in begun)
        spent_s = self.settings.budget_cpu_s or spent_cpu_s(begun)
        measurable_s = self.demand.measuring_share * spent_s - measuring_s
        return self.rule.choose(
            self._read(trials),
            affordable_s=self._left_s(begun),
            measurable_s=measurable_s if self.demand.is_timed else math.inf,
        )

    def _left_s(self, begun: Sequence[FrozenTrial]) -> float:
        """Return what a further step may take; without timing nothing is too dear."""
        is_timed = self.demand.is_timed
        return self._budget.left_s(begun, now=datetime.now()) if is_timed else math.inf

    def finish_default(self, trials: Sequence[FrozenTrial]) -> Step | None:
        """Return the next step of the family's default, as far as its training is affordable.

        So no search ends below what needs no search, and what a whole training costs is known
        before others are begun.
        """
        paused = (t for t in trials if t.state == TrialState.RUNNING and is_paused(t))
        default = next((trial for trial in paused if draw_of(trial) == 0), None)
        if default is None or len(default.user_attrs[CURVE]) == self.settings.n_checkpoints:
            return None  # there is none, or nothing is left to train
        if self.settings.sampler == "grid" or self.cell.default() is None:
            return None
        begun = [t for t in trials if t.state == TrialState.RUNNING or is_finished(t)]
        return self.rule.finish(
            self._read(trials), default.number, affordable_s=self._left_s(begun)
        )

    def stop_paused_trials(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
        """See :class:`rightfit.tuning.search.claims.Plan`."""
        outlook = self.rule.survey(self._read(trials))
        for trial in trials:
            if trial.state != TrialState.RUNNING or not is_paused(trial) or outlook is None:
                continue
            curve = trial.user_attrs[CURVE]
            ended = optuna.Trial(study, trial._trial_id)
            if len(curve) == self.settings.n_checkpoints:
                study.tell(ended, curve[-1]["quality_raw"])
                continue
            name, reason = outlook.explain_stop(trial.number)
            ended.set_user_attr(STOP_REASON, f"pausing: {reason}")
            ended.set_user_attr(STOPPED_BY, name)
            ended.set_user_attr(STOP_CHECKPOINT, len(curve))
            study.tell(ended, state=TrialState.PRUNED)
        self._trainings.clear()

    def work(self, trial: optuna.Trial, step: Step | None) -> None:
        """Go one step on with a trial and pause it.

        Args:
            trial: Claimed by this worker.
            step: What to do; ``None`` for a new trial's first look.
        """
        started, started_ns = time.time(), time.process_time_ns()
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
                logger.warning("%s: trial %d failed: %s", self.cell.name, trial.number, err)
                logger.debug("The failed trial's traceback:", exc_info=True)
                notes[STOP_REASON] = describe_fault(err)
            had = trial.user_attrs
            own_s = (time.process_time_ns() - started_ns) / 1e9
            spent_s = own_s + measuring_s + self._deciding_s
            notes[COMPUTE_S] = had.get(COMPUTE_S, 0.0) + spent_s
            notes[MEASURING_S] = had.get(MEASURING_S, 0.0) + measuring_s
            if step is None:
                notes[PROPOSING_S], self._proposing_s = self._proposing_s, 0.0
            notes[DECIDING_S] = had.get(DECIDING_S, 0.0) + self._deciding_s
            notes[SPANS] = [*had.get(SPANS, []), [started, time.time()]]
            self._deciding_s = 0.0
            self._pause(trial, look, notes)
        except optuna.exceptions.UpdateFinishedTrialError:
            warn_taken(self.cell, trial)

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
                self.cell,
                configuration,
                n_checkpoints=self.settings.n_checkpoints,
                seed=self.settings.seed,
                n_threads=self.settings.n_threads,
                device=self.settings.device,
            )
        for _ in range(n_missing):
            look = next(training)
        notes[CURVE] = [*curve, look.point]
        if look.point["checkpoint"] == self.settings.n_checkpoints:
            started_ns = time.process_time_ns()
            keep_model(trial, look.model, configuration, self.cell, self._store)
            notes[EXPORT_S] = (time.process_time_ns() - started_ns) / 1e9
        else:
            n_looks = look.point["checkpoint"]
            self._trainings.keep(trial.number, n_looks, training, look.kept_mib)
        return look

    def _measure(self, trial: optuna.Trial, step: Step, notes: dict[str, Any]) -> float:
        """Measure a trained model in one serving configuration; return the seconds it took."""
        assert step.serving is not None  # noqa: S101 - the caller asked
        assert self._bench is not None  # noqa: S101 - only a working search measures
        started_ns = time.process_time_ns()
        folder = self._store.bundle_folder(trial.study.study_name, trial.number)
        bundle = read_bundle(folder, family=self.cell.family)
        metrics, seconds = self._bench.measure(bundle, step.serving)
        export_s = (time.process_time_ns() - started_ns) / 1e9  # measuring is another process'
        attributes = trial.user_attrs
        n_checkpoints = self.settings.n_checkpoints
        seen = observe_trial(trial.number, attributes, self.cell, n_checkpoints=n_checkpoints)
        served = {**seen.served, step.serving: metrics}
        notes[SERVED] = dump_served(served, {**seen.measured_s, step.serving: seconds})
        notes[EXPORT_S] = attributes.get(EXPORT_S, 0.0) + export_s
        return seconds

    def _describe_untrained(self, configuration: Configuration, notes: dict[str, Any]) -> None:
        """Note the structure of the finished model where it is known before any training."""
        family = get_family(self.cell.family)
        schema = self.cell.train.schema
        model = family.build_untrained(configuration, schema, seed=self.settings.seed)
        if model is not None:
            notes[UNTRAINED] = family.describe_structure(model)

    def _read(self, trials: Sequence[FrozenTrial]) -> Pool:
        return read_pool(
            trials,
            self.cell,
            n_checkpoints=self.settings.n_checkpoints,
            in_memory=self._trainings.list_kept() if self.demand.is_timed else None,
            is_timed=self.demand.is_timed,
            observed=self._observed,
        )
