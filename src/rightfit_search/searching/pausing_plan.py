"""What comes next in a pausing search, and what becomes of its paused trials at the end.

Each configuration is asked for by one application in turn, from a study of its own in which every
trial so far is scored as that application sees it. All of them get their first look; then the
pausing rule says which trial goes on to its next look. Nothing is timed, so a seed gives the same
search again.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from statistics import fmean
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.measuring.worker.units import NS_PER_S
from rightfit.models.served_family import Configuration
from rightfit_search.families.registry import get_family
from rightfit_search.searching.candidates import grow_final
from rightfit_search.searching.cell import Cell, SearchSettings
from rightfit_search.searching.observing import as_it_is, read_pool
from rightfit_search.searching.pausing.observed import ObservedTrial, Pool
from rightfit_search.searching.pausing.pausing_rule import ApplicationTargets, PausingRule, Step
from rightfit_search.searching.samplers import make_sampler
from rightfit_search.searching.studies.budget import Budget, CallLimit, measure_pace, spent_work_s
from rightfit_search.searching.studies.trial_attributes import (
    CONFIGURATION,
    CURVE,
    configuration_index,
    is_begun,
    is_shortened,
)

NEW: Literal["new"] = "new"  # begin with another configuration
TOLERANCE = 0.1  # of the budget, by which the default's training may exceed it to reach its end
PORTFOLIO_SHARE = 0.5  # of the budget, until which entries of a portfolio are trained whole


class PausingPlan:
    """Plans a search by what its trials promise to all applications.

    Args:
        cell: What is searched.
        settings: Sampler, seeds and checkpoints.
        targets: What the applications ask for.
        limit: What the call may still take; ``None``: the budget is for trainings alone.
        first_look: What the default takes to its first checkpoint, see ``learning_curve``;
            ``None``: not known.
    """

    def __init__(
        self,
        cell: Cell,
        settings: SearchSettings,
        targets: ApplicationTargets,
        *,
        limit: CallLimit | None = None,
        first_look: Mapping[str, float] | None = None,
    ) -> None:
        self.cell = cell
        self.settings = settings
        self.targets = targets
        self.rule = PausingRule(targets)
        self._n_entries = 0 if settings.sampler == "grid" else len(cell.list_first())
        self._budget = Budget(None, settings.budget_cpu_s, settings.budget_wall_s)
        self._limit, self._first_look = limit, first_look
        self._deciding_s = 0.0
        self._observed: dict[tuple[int, int], ObservedTrial] = {}

    def propose(self, study: optuna.Study, index: int) -> tuple[dict[str, Any], str] | None:
        """Return the configuration of an index; ``None`` to leave it to the sampler.

        Args:
            study: The search.
            index: The configuration's place in the search, from 0.

        Returns:
            Values of the searched hyper-parameters, and the application that asks for them.
        """
        if self.settings.sampler in ("random", "grid") or index < self.settings.n_startup_trials:
            return None
        with self._deciding():
            trials = study.get_trials(deepcopy=False)
            forecast = self.rule.forecast(self._read(trials))
            if forecast is None:
                return None
            names = [n for n in self.targets.applications if n not in forecast.infeasible()]
            names = names or list(self.targets.applications)
            name = names[index % len(names)]
            sampler = make_sampler(self.settings, index)
            scored = optuna.create_study(direction="maximize", sampler=sampler)
            numbers = {trial.number for trial in forecast.pool.trials}
            for trial in trials:
                if trial.number in numbers:
                    value = forecast.appraise(trial.number, name)
                    scored.add_trial(_rescore(trial, TrialState.COMPLETE, value))
                elif trial.state == TrialState.RUNNING and trial.params:
                    scored.add_trial(_rescore(trial, TrialState.RUNNING, None))
            scored_trial = scored.ask()
            self.cell.params.suggest(scored_trial)
            return scored_trial.params, name

    def next_step(
        self, trials: Sequence[FrozenTrial], *, paused: Collection[int], may_begin: bool
    ) -> Step | Configuration | Literal["new"] | None:
        """Return what to do next: a step of a paused trial, a new configuration, or nothing.

        The default is trained to its end before others begin; then so is the portfolio, one entry
        after the other, until half of the budget is spent. First looks get a share of the budget,
        so that most of it is left to go on; one that would overrun it is not begun. Where nothing
        that was begun is worth going on with, the rest of the budget is for new ones too.

        Args:
            trials: All trials of the study.
            paused: Numbers of those that were looked at, may go on and are in no worker's hands.
            may_begin: Whether the limits allow another configuration.

        Returns:
            ``NEW`` for the configuration whose turn it is, or a shortened default that comes first.
        """
        with self._deciding():
            begun = [trial for trial in trials if is_begun(trial)]
            firsts = [t.user_attrs[CURVE][0] for t in begun if t.user_attrs.get(CURVE)]
            if not firsts:
                return NEW if may_begin and self.affords_first_look(begun) else None
            chosen = self.finish_default(trials, paused, may_begin=may_begin)
            if chosen is not None:
                return chosen
            left_s = min(
                self._budget.left_s(begun, now=datetime.now()), self._left_of_call_s(begun)
            )
            left_s -= self._reserve_s(begun)
            forecast = self.rule.forecast(self._read(trials, paused))
            unfinished = {
                configuration_index(trial) or 0: trial.number
                for trial in trials
                if trial.number in paused
                and len(trial.user_attrs[CURVE]) < self.settings.n_checkpoints
            }
            for index, number in sorted(unfinished.items()):
                if forecast is not None and self._is_whole(index, begun):
                    step = forecast.finish(number, left_s)
                    if step is not None:
                        return step
            first_s = fmean(point["work_s"] for point in firsts)
            share_s = self.settings.breadth_share * (self.settings.budget_cpu_s or math.inf)
            is_due = first_s * (len(begun) + 1) <= share_s or self._is_whole(len(begun), begun)
            if may_begin and first_s <= left_s and is_due:
                return NEW
            if forecast is None:
                return None
            step = forecast.choose(left_s)
            is_training = any(
                t.state == TrialState.RUNNING and t.number not in paused for t in trials
            )
            if step is None and may_begin and not is_training and forecast.usual_s <= left_s:
                return NEW  # nothing that was begun is worth it
            return step

    def affords_first_look(self, begun: Sequence[FrozenTrial]) -> bool:
        """Tell whether the default's first look is within the budget, as far as that is known."""
        if self._first_look is None:
            return True
        left_s = self._budget.left_s(begun, now=datetime.now())
        if self._limit is not None:
            left_s = min(left_s, self._limit.left_for_searching_s())
        return max(self._first_look["work_s"], self._first_look["cpu_s"]) <= left_s

    def _left_of_call_s(self, begun: Sequence[FrozenTrial]) -> float:
        """Return what the call has left in usual CPU seconds: as its trainings took so far."""
        if self._limit is None:
            return math.inf
        return self._limit.left_for_searching_s() * measure_pace(begun)

    def _reserve_s(self, begun: Sequence[FrozenTrial]) -> float:
        """Return what the budget keeps free for the final training of the best model."""
        curves = [trial.user_attrs[CURVE] for trial in begun if trial.user_attrs.get(CURVE)]
        if self._limit is None or not curves or not self.cell.learns_validation:
            return 0.0
        best = max(curves, key=lambda curve: curve[-1]["quality_raw"])
        return float(best[-1]["work_s"]) * grow_final(self.cell)

    def take_deciding_s(self) -> float:
        """Return the CPU seconds spent on deciding since the last call."""
        spent_s, self._deciding_s = self._deciding_s, 0.0
        return spent_s

    @contextlib.contextmanager
    def _deciding(self) -> Iterator[None]:
        """Note what a decision takes."""
        started_ns = time.process_time_ns()
        yield
        self._deciding_s += (time.process_time_ns() - started_ns) / NS_PER_S

    def _is_whole(self, index: int, begun: Sequence[FrozenTrial]) -> bool:
        """Tell whether a configuration is trained whole, whatever it promises.

        So is each entry of the portfolio before which less than its share was spent.
        """
        if index >= self._n_entries + sum(map(is_shortened, begun)):
            return False
        before = [trial for trial in begun if (configuration_index(trial) or 0) < index]
        allowed_s = PORTFOLIO_SHARE * (self.settings.budget_cpu_s or math.inf)
        return spent_work_s(before) < allowed_s

    def finish_default(
        self, trials: Sequence[FrozenTrial], paused: Collection[int], *, may_begin: bool
    ) -> Step | Configuration | None:
        """Return what comes next of the family's default, as far as its training is affordable.

        So no search ends below what needs no search. The step to its end may exceed the budget by
        ``TOLERANCE``.

        Args:
            trials: See :meth:`next_step`.
            paused: See there.
            may_begin: See there.

        Returns:
            Its next step; or a default of as many epochs or trees as the budget holds, which takes
            its place, where it does not hold all and another length is another training.
        """
        if self.settings.sampler == "grid" or self.cell.default() is None:
            return None
        begun = [trial for trial in trials if is_begun(trial)]
        defaults = [t for t in begun if configuration_index(t) == 0 or is_shortened(t)]
        default = defaults[-1] if defaults else None
        if default is None or default.number not in paused:
            return None
        n_looks = len(default.user_attrs[CURVE])
        forecast = self.rule.forecast(self._read(trials, paused))
        if n_looks == self.settings.n_checkpoints or forecast is None:
            return None  # nothing is left to train
        left_s = self._budget.left_s(begun, now=datetime.now())
        tolerance_s = TOLERANCE * (self.settings.budget_cpu_s or 0.0) if left_s > 0 else 0.0
        call_s = self._left_of_call_s(begun)
        rest_s = forecast.rest_s(default.number)
        if may_begin and not is_shortened(default) and rest_s > min(left_s + tolerance_s, call_s):
            shortened = self._shorten(default, rest_s, left_s, call_s)
            if shortened is not None:
                return shortened
        if n_looks == self.settings.n_checkpoints - 1:
            left_s += tolerance_s
        return forecast.finish(default.number, min(left_s, call_s))

    def _shorten(
        self, default: FrozenTrial, rest_s: float, left_s: float, call_s: float
    ) -> Configuration | None:
        """Return the default at the length that the budget holds, with its last trainings.

        Args:
            default: The default, at some checkpoint.
            rest_s: What the rest of its training takes.
            left_s: What the budget has left.
            call_s: What the call has left.

        Returns:
            ``None`` where the space holds no such length, or the default has come as far already.
        """
        family, configuration = get_family(self.cell.family), default.user_attrs[CONFIGURATION]
        name = family.length_setting or ""
        if name not in self.cell.params.space or not family.adapts_to_length(configuration):
            return None
        if self._limit is not None:
            growth = grow_final(self.cell)
            final = growth if self.cell.learns_validation else 0.0
            left_s /= 1 + final
            left_s = min(left_s, call_s / (1 + final + growth * self._limit.refit_growth))
        look = default.user_attrs[CURVE][-1]
        length = int(default.params[name] * left_s / (look["work_s"] + rest_s))
        if length <= look["n_steps"] or not self.cell.params.space[name].contains(length):
            return None
        return {**default.params, name: length}

    def explain_stops(
        self, trials: Sequence[FrozenTrial], paused: Collection[int]
    ) -> dict[int, tuple[str, str]]:
        """Return who let each paused trial go last, and why; where none was looked at, nothing."""
        forecast = self.rule.forecast(self._read(trials, paused))
        return {} if forecast is None else {n: forecast.explain_stop(n) for n in paused}

    def find_wanted(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Return the trials that somebody would choose although the end cuts their training short.

        Those trained to the end, or over already, are left out; where quality alone decides, also
        those more than a standard error below the best default of the other families.
        """
        n_checkpoints = self.settings.n_checkpoints
        structures = {
            t.number: t.user_attrs[CURVE][-1]["structure"] for t in trials if CURVE in t.user_attrs
        }
        pool = self._read(trials)
        ended = [as_it_is(t, structures[t.number], n_checkpoints) for t in pool.trials]
        forecast = self.rule.forecast(Pool(ended, n_checkpoints))
        if forecast is None:
            return set()
        names = self.targets.applications
        best = max(ended, key=lambda trial: (trial.qualities[-1], -trial.number))
        incumbents = (
            max(ended, key=lambda trial: (forecast.appraise(trial.number, name), -trial.number))
            for name in names
        )
        lowest = -math.inf if names.asks_costs else self.targets.known_quality or -math.inf
        return {
            trial.number
            for trial in (best, *incumbents)
            if trials[trial.number].state == TrialState.RUNNING
            and len(trials[trial.number].user_attrs[CURVE]) < n_checkpoints
            and trial.qualities[-1] + trial.last.quality_error >= lowest
        }

    def _read(self, trials: Sequence[FrozenTrial], paused: Collection[int] = ()) -> Pool:
        return read_pool(
            trials,
            self.cell,
            n_checkpoints=self.settings.n_checkpoints,
            paused=paused,
            observed=self._observed,
        )


def _rescore(trial: FrozenTrial, state: TrialState, value: float | None) -> FrozenTrial:
    return create_trial(
        state=state, value=value, params=trial.params, distributions=trial.distributions
    )
