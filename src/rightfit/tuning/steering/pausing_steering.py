"""What comes next in a pausing search: one pool of trials in Optuna's study for all workers.

Each configuration is asked for by one application in turn, from a study of its own in which every
trial so far is scored as that application sees it. All of them get their first look; then the
pausing rule says which trial goes on to its next look, and which trained model is measured how.
Workers carry the steps out (see ``stepping.py``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from rightfit.tuning.pausing.observed import ObservedTrial, Pool
from rightfit.tuning.pausing.outlook import Step
from rightfit.tuning.search.budget import Budget, is_finished, spent_cpu_s
from rightfit.tuning.search.cell import Cell, SearchSettings
from rightfit.tuning.search.claims import NEW, draw_of, is_paused
from rightfit.tuning.steering.demand import Demand
from rightfit.tuning.steering.paused_trainings import PausedTrainings
from rightfit.tuning.steering.scoring import score_trials
from rightfit.tuning.studies.live_pool import read_pool
from rightfit.tuning.studies.study_store import STOP_REASON
from rightfit.tuning.studies.trial_attributes import (
    CURVE,
    MEASURING_S,
    PROPOSING_S,
    STOP_CHECKPOINT,
    STOPPED_BY,
)


@dataclass(frozen=True)
class Proposal:
    """A configuration to try.

    Args:
        params: Values of the searched hyper-parameters.
        asked_by: Application that asks for it; ``None`` for nobody in particular.
    """

    params: dict[str, Any]
    asked_by: str | None


@dataclass(frozen=True)
class Decided:
    """CPU seconds spent on deciding what comes next.

    Args:
        deciding_s: All of them.
        proposing_s: Those of them for a new configuration.
    """

    deciding_s: float = 0.0
    proposing_s: float = 0.0


class PausingSteering:
    """Steers a search by what its trials promise to all applications.

    Args:
        cell: What is searched.
        settings: Sampler, seeds and checkpoints.
        demand: What the applications ask for.
    """

    def __init__(self, cell: Cell, settings: SearchSettings, demand: Demand) -> None:
        self.cell = cell
        self.settings = settings
        self.demand = demand
        self.rule = demand.make_rule()
        self._budget = Budget(None, settings.budget_cpu_s, settings.budget_wall_s)
        self.trainings = PausedTrainings(demand.paused_memory_mib)
        self._decided = Decided()
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
        spent_s = (time.process_time_ns() - started_ns) / 1e9
        self._decided = Decided(self._decided.deciding_s + spent_s, proposing_s=spent_s)
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
        spent_s = (time.process_time_ns() - started_ns) / 1e9
        self._decided = replace(self._decided, deciding_s=self._decided.deciding_s + spent_s)
        return chosen

    def take_decided(self) -> Decided:
        """Return what was spent on deciding since the last call."""
        decided, self._decided = self._decided, Decided()
        return decided

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
        self.trainings.clear()

    def _read(self, trials: Sequence[FrozenTrial]) -> Pool:
        return read_pool(
            trials,
            self.cell,
            n_checkpoints=self.settings.n_checkpoints,
            in_memory=self.trainings.list_kept() if self.demand.is_timed else None,
            is_timed=self.demand.is_timed,
            observed=self._observed,
        )
