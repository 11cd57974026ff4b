"""What comes next in a pausing search: one pool of trials in Optuna's study for all workers.

Each configuration is asked for by one application in turn, from a study of its own in which every
trial so far is scored as that application sees it. All of them get their first look; then the
pausing rule says which trial goes on to its next look. Workers carry the steps out (see
``step_executor.py``). Nothing is timed, so a seed gives the same search again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.tuning.pausing.observed import ObservedTrial, Pool
from rightfit.tuning.pausing.search_forecast import SearchForecast, Step
from rightfit.tuning.search.cell import ApplicationTargets, Cell, SearchSettings
from rightfit.tuning.search.learning_curve import PausedTrainings
from rightfit.tuning.search.live_pool import as_it_is, read_pool
from rightfit.tuning.search.samplers import make_sampler
from rightfit.tuning.search.trial import keep_model, repeat_training
from rightfit.tuning.studies.budget import Budget, spent_work_s
from rightfit.tuning.studies.leases import NEW
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import (
    CONFIGURATION,
    CURVE,
    STOP_CHECKPOINT,
    STOP_REASON,
    STOPPED_BY,
    configuration_index,
    is_finished,
    is_paused,
    read_work_s,
)

TOLERANCE = 0.1  # of the budget, by which the default's training may exceed it to reach its end
PORTFOLIO_SHARE = 0.5  # of the budget, until which entries of a portfolio are trained whole


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Args:
        params: Values of the searched hyper-parameters.
        asked_by: Application that asks for it; ``None`` for nobody in particular.
    """

    params: dict[str, Any]
    asked_by: str | None


class PausingPlan:
    """Plans a search by what its trials promise to all applications.

    Args:
        cell: What is searched.
        settings: Sampler, seeds and checkpoints.
        targets: What the applications ask for.
        store: Where the trials' models are kept.
    """

    def __init__(
        self, cell: Cell, settings: SearchSettings, targets: ApplicationTargets, store: StudyStore
    ) -> None:
        self.cell = cell
        self.store = store
        self.settings = settings
        self.targets = targets
        self.rule = targets.make_rule()
        self._n_entries = 0 if settings.sampler == "grid" else len(cell.list_first())
        self._budget = Budget(None, settings.budget_cpu_s, settings.budget_wall_s)
        self.trainings = PausedTrainings(settings.paused_memory_mib)
        self._deciding_s = 0.0
        self._observed: dict[tuple[int, int], ObservedTrial] = {}

    def propose(self, study: optuna.Study, index: int) -> Proposal | None:
        """Return the configuration of an index; ``None`` to leave it to the sampler.

        Args:
            study: The search.
            index: The configuration's place in the search, from 0.
        """
        if self.settings.sampler != "tpe" or index < self.settings.n_startup_trials:
            return None
        started_ns = time.process_time_ns()
        trials = study.get_trials(deepcopy=False)
        forecast = self.rule.forecast(self._read(trials))
        if forecast is None:
            return None
        names = [n for n in self.targets.applications.root if n not in forecast.infeasible()]
        names = names or list(self.targets.applications.root)
        name = names[index % len(names)]
        asked = score_trials(trials, forecast, name, self.settings, index=index).ask()
        self.cell.params.suggest(asked)
        self._deciding_s += (time.process_time_ns() - started_ns) / 1e9
        return Proposal(asked.params, asked_by=name)

    def choose(
        self, trials: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Step | Literal["new"] | None:
        """See :class:`rightfit.tuning.studies.leases.Plan`.

        The default is trained to its end before others begin; then so is the portfolio, one entry
        after the other, until half of the budget is spent. First looks get a share of the budget,
        so that most of it is left to go on; one that would overrun it is not begun. Where nothing
        that was begun is worth going on with, the rest of the budget is for new ones too.
        """
        started_ns = time.process_time_ns()
        begun = [t for t in trials if t.state == TrialState.RUNNING or is_finished(t)]
        firsts = [t.user_attrs[CURVE][0] for t in begun if t.user_attrs.get(CURVE)]
        chosen: Step | Literal["new"] | None
        if not firsts:
            chosen = NEW if may_begin else None
        else:
            first_s = fmean(read_work_s(point) for point in firsts)
            chosen = self.finish_default(trials) or self._finish_entry(trials, begun)
            is_entry_due = self._is_whole(len(begun), begun) and first_s <= self._left_s(begun)
            may_look = is_entry_due or self._has_share(begun, first_s)
            if chosen is None and may_begin and may_look:
                chosen = NEW
            if chosen is None:
                chosen = self.rule.choose(self._read(trials), affordable_s=self._left_s(begun))
            if chosen is None and may_begin and self._has_idle_budget(trials, begun):
                chosen = NEW
        self._deciding_s += (time.process_time_ns() - started_ns) / 1e9
        return chosen

    def take_deciding_s(self) -> float:
        """Return the CPU seconds spent on deciding since the last call."""
        spent_s, self._deciding_s = self._deciding_s, 0.0
        return spent_s

    def _is_whole(self, index: int, begun: Sequence[FrozenTrial]) -> bool:
        """Tell whether a configuration is trained whole, whatever it promises.

        So is each entry of the portfolio before which less than its share was spent.
        """
        if index >= self._n_entries:
            return False
        before = [trial for trial in begun if (configuration_index(trial) or 0) < index]
        allowed_s = PORTFOLIO_SHARE * (self.settings.budget_cpu_s or math.inf)
        return spent_work_s(before) < allowed_s

    def _finish_entry(
        self, trials: Sequence[FrozenTrial], begun: Sequence[FrozenTrial]
    ) -> Step | None:
        """Return the next step of the portfolio's earliest unfinished entry that is affordable."""
        paused = {
            configuration_index(trial) or 0: trial.number
            for trial in trials
            if trial.state == TrialState.RUNNING
            and is_paused(trial)
            and len(trial.user_attrs.get(CURVE, ())) < self.settings.n_checkpoints
        }
        left_s = self._left_s(begun)
        steps = (
            self.rule.finish(self._read(trials), paused[index], affordable_s=left_s)
            for index in sorted(paused)
            if self._is_whole(index, begun)
        )
        return next((step for step in steps if step is not None), None)

    def _has_share(self, begun: Sequence[FrozenTrial], first_s: float) -> bool:
        """Tell whether another first look stays within the share of the budget for first looks."""
        if first_s > self._left_s(begun):
            return False
        if self.settings.budget_cpu_s is None:
            return True
        allowed_s = self.settings.breadth_share * self.settings.budget_cpu_s
        return bool(first_s * (len(begun) + 1) <= allowed_s)

    def _has_idle_budget(self, trials: Sequence[FrozenTrial], begun: Sequence[FrozenTrial]) -> bool:
        """Tell whether the budget holds a whole training more, where nothing begun is worth it."""
        if any(t.state == TrialState.RUNNING and not is_paused(t) for t in trials):
            return False
        return self.rule.affords_another(self._read(trials), affordable_s=self._left_s(begun))

    def _left_s(self, begun: Sequence[FrozenTrial]) -> float:
        """Return what a further step may take."""
        return self._budget.left_s(begun, now=datetime.now())

    def finish_default(self, trials: Sequence[FrozenTrial]) -> Step | None:
        """Return the next step of the family's default, as far as its training is affordable.

        So no search ends below what needs no search. The step to its end may exceed the budget by
        ``TOLERANCE``.
        """
        paused = (t for t in trials if t.state == TrialState.RUNNING and is_paused(t))
        default = next((trial for trial in paused if configuration_index(trial) == 0), None)
        if default is None or len(default.user_attrs[CURVE]) == self.settings.n_checkpoints:
            return None  # there is none, or nothing is left to train
        if self.settings.sampler == "grid" or self.cell.default() is None:
            return None
        begun = [t for t in trials if t.state == TrialState.RUNNING or is_finished(t)]
        left_s = self._left_s(begun)
        is_last = len(default.user_attrs[CURVE]) == self.settings.n_checkpoints - 1
        if is_last and left_s > 0:
            left_s += TOLERANCE * (self.settings.budget_cpu_s or 0.0)
        return self.rule.finish(self._read(trials), default.number, affordable_s=left_s)

    def stop_paused_trials(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
        """See :class:`rightfit.tuning.studies.leases.Plan`."""
        forecast = self.rule.forecast(self._read(trials))
        if forecast is None:
            return
        wanted = self._find_wanted(trials)
        for trial in trials:
            if trial.state != TrialState.RUNNING or not is_paused(trial):
                continue
            curve = trial.user_attrs[CURVE]
            ended = optuna.Trial(study, trial._trial_id)
            if len(curve) == self.settings.n_checkpoints:
                study.tell(ended, curve[-1]["quality_raw"])
                continue
            if trial.number in wanted:
                self._keep_as_it_is(ended, len(curve))
                study.tell(ended, curve[-1]["quality_raw"])
                continue
            name, reason = forecast.explain_stop(trial.number)
            ended.set_user_attr(STOP_REASON, f"pausing: {reason}")
            ended.set_user_attr(STOPPED_BY, name)
            ended.set_user_attr(STOP_CHECKPOINT, len(curve))
            study.tell(ended, state=TrialState.PRUNED)
        self.trainings.clear()

    def _find_wanted(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Return the trials that somebody would choose as they are, their training cut short."""
        n_checkpoints = self.settings.n_checkpoints
        structures = {
            t.number: t.user_attrs[CURVE][-1]["structure"] for t in trials if CURVE in t.user_attrs
        }
        pool = self._read(trials)
        ended = [as_it_is(t, structures[t.number], n_checkpoints) for t in pool.trials]
        forecast = self.rule.forecast(Pool(ended, n_checkpoints))
        if forecast is None:
            return set()
        names = self.targets.applications.root
        best = max(ended, key=lambda trial: (trial.qualities[-1], -trial.number))
        incumbents = (
            max(ended, key=lambda trial: (forecast.appraise(trial.number, name), -trial.number))
            for name in names
        )
        return {best.number, *(trial.number for trial in incumbents)}

    def _keep_as_it_is(self, trial: optuna.Trial, n_looks: int) -> None:
        """Write the model of a trial whose training the end of the budget cuts short."""
        look = self.trainings.look_at(trial.number, n_looks)
        if look is None:
            look = repeat_training(
                trial.user_attrs[CONFIGURATION], self.cell, self.settings, n_looks
            )
        keep_model(trial, look.model, trial.user_attrs[CONFIGURATION], self.cell, self.store)
        trial.set_user_attr(STOP_CHECKPOINT, n_looks)
        reason = f"the budget ended its training at look {n_looks} of {self.settings.n_checkpoints}"
        trial.set_user_attr(STOP_REASON, f"kept as it is: {reason}")

    def _read(self, trials: Sequence[FrozenTrial]) -> Pool:
        return read_pool(
            trials, self.cell, n_checkpoints=self.settings.n_checkpoints, observed=self._observed
        )


def score_trials(
    trials: Sequence[FrozenTrial],
    forecast: SearchForecast,
    application: str,
    settings: SearchSettings,
    *,
    index: int,
) -> optuna.Study:
    """Make a study in memory of all trials, scored as one application sees them.

    Args:
        trials: All trials of the search.
        forecast: Their expected utility.
        application: Who asks.
        settings: Seed and start-up trials.
        index: Place in the search of the configuration that is asked for.
    """
    sampler = make_sampler(
        "tpe", seed=settings.seed, index=index, n_startup_trials=settings.n_startup_trials
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    seen = {trial.number for trial in forecast.pool.trials}
    for trial in trials:
        if trial.number in seen:
            value = forecast.appraise(trial.number, application)
            study.add_trial(_rescore(trial, TrialState.COMPLETE, value))
        elif trial.state == TrialState.RUNNING and trial.params:
            study.add_trial(_rescore(trial, TrialState.RUNNING, None))
    return study


def _rescore(trial: FrozenTrial, state: TrialState, value: float | None) -> FrozenTrial:
    return create_trial(
        state=state, value=value, params=trial.params, distributions=trial.distributions
    )
