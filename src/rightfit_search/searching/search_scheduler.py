"""The scheduler of one search: it alone decides what comes next and writes the study.

Workers carry its tasks out, in this process or elsewhere. A lost worker is a lost task: the trial
is given out again, up to ``n_retries`` times. A lost scheduler loses the tasks that were out, and
nothing else: the next one finds in the study all that has ended, and the checkpoints that each
other trial has passed. No trial is blamed for the end of a run, which people end at any moment;
where the machine has stopped too, the trials that were out may have been the reason, and it counts
as a worker's death.

A configuration's index is its place in the search: 0, 1, … without gaps. It seeds the sampler, so
the n-th configuration does not depend on what was interrupted before. A trial's number counts
records, which also hold those that a search did not begin itself.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from statistics import median
from typing import Any, Literal, cast

import optuna
from optuna.trial import FrozenTrial, TrialState

from rightfit._core.processes.lifeline import identify_machine
from rightfit.models.served_family import Configuration
from rightfit_search.searching.candidates import choose_complete, grow_final, grow_work, plan_finish
from rightfit_search.searching.cell import Cell, SearchSettings, study_name
from rightfit_search.searching.pausing.pausing_rule import Step
from rightfit_search.searching.pausing_plan import NEW, TOLERANCE, PausingPlan
from rightfit_search.searching.samplers import give_parameters, grid_points, make_sampler
from rightfit_search.searching.stopping_rules import PAUSING, StoppingRule, make_pruner, resource_at
from rightfit_search.searching.studies.budget import Budget, CallLimit, spent_work_s
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.studies.trial_attributes import (
    ASKED_BY,
    CONFIGURATION,
    CURVE,
    DEATHS,
    GAINED,
    INDEX,
    MODEL_SIZE_MIB,
    SHORTENED,
    SPENT,
    STOP_CHECKPOINT,
    STOP_REASON,
    STOP_RULE,
    STOPPED_BY,
    UNDERWAY,
    Spent,
    configuration_index,
    first_free_index,
    is_begun,
    is_finished,
    is_shortened,
    is_underway,
)
from rightfit_search.searching.studies.trial_pool import TrialPool
from rightfit_search.searching.tasks import Task, TaskResult, bound_task

logger = logging.getLogger(__name__)


class SearchScheduler:
    """Schedules one search; whoever makes one holds the search's lock.

    Args:
        cell: What to search.
        settings: Budget and rules.
        store: Where the study and its bundles are kept.
        rule: Stops trials in place of the one that the settings name.
        only_default: Train the family's default and nothing else, where applications steer.
        finishes: Whether candidates are made of the chosen trials when it is over.
        exports: Whether these are exported to ONNX.
        limit: What the call may still take, final trainings included; ``None``: the budget is for
            trainings alone.
        first_look: What the default takes to its first checkpoint; ``None``: not known.
    """

    def __init__(
        self,
        cell: Cell,
        settings: SearchSettings,
        store: StudyStore,
        *,
        rule: StoppingRule | None = None,
        only_default: bool = False,
        finishes: bool = False,
        exports: bool = False,
        limit: CallLimit | None = None,
        first_look: Mapping[str, float] | None = None,
    ) -> None:
        self.cell, self.settings, self._store = cell, settings, store
        self.pool = TrialPool(open_study(cell, settings, store, rule), store.open())
        self._plan: PausingPlan | None = None
        if settings.targets is not None:
            self._plan = PausingPlan(
                cell, settings, settings.targets, limit=limit, first_look=first_look
            )
        self._limit, self._final_work_s = limit, 0.0
        self._only_default = only_default
        self._limits = read_limits(settings)
        self._n_configurations = count_configurations(cell, settings)
        self._out: dict[int, Task] = {}  # by trial, in workers' hands
        self._deciding_s: dict[int, float] = {}  # of the same
        self._machine = identify_machine()
        self._n_lost: Counter[tuple[str, int]] = Counter()  # tasks that no record counts
        self._is_trained = False  # nothing more is trained
        self._last: deque[Task] = deque()  # what is left then: models to keep
        self._unfinished: deque[int] = deque()  # and trials to make candidates of
        self._finishes, self._exports = finishes, exports
        self._take_over()

    @property
    def n_begun(self) -> int:
        """Trials that have ended by themselves or, where trials are paused, were looked at."""
        counts = (
            is_finished(trial) or (self._plan is not None and CURVE in trial.user_attrs)
            for trial in self.pool.trials
            if is_begun(trial)
        )
        return sum(counts)

    @property
    def n_out(self) -> int:
        """Tasks in workers' hands."""
        return len(self._out)

    def next_task(self) -> Task | None:
        """Decide what comes next; it is in a worker's hands from now on.

        Returns:
            ``None`` if there is nothing to do before another task is back. If none is out, the
            search is over.
        """
        task = None if self._is_trained else self._next_training()
        if task is None and not self._out and not self._is_trained and not self._only_default:
            self._is_trained = True
            trials = self.pool.trials
            numbers = [] if self._plan is None else sorted(self._plan.find_wanted(trials))
            self._last += [self._make_task("keep", trials[number]) for number in numbers]
        if task is None and self._is_trained:
            if not self._last and not self._out:  # all that is wanted has been kept
                self._end_paused_trials()
                if self._finishes:
                    self._unfinished += choose_complete(self.pool.study, self.cell, self.settings)
                self._finishes = False
            if self._last:
                task = self._last.popleft()
            elif self._unfinished:
                task = self._plan_finish(self._unfinished.popleft())
        if task is not None:
            task = self._limit_task(task)
            self._out[task.number] = task
            if self._plan is not None:
                self._deciding_s[task.number] = self._plan.take_deciding_s()
        return task

    def note(self, task: Task, result: TaskResult) -> None:
        """Note what came of a task; ``pool.write`` stores it."""
        self._take_back(task)
        deciding_s = self._deciding_s.pop(task.number, 0.0)
        if task.kind == "train":
            self._note_training(task, result, deciding_s)
        elif task.kind == "keep" and not result.fault:
            looks = f"look {task.n_checkpoints} of {self.settings.n_checkpoints}"
            notes = {
                MODEL_SIZE_MIB: result.model_size_mib,
                STOP_CHECKPOINT: task.n_checkpoints,
                STOP_REASON: f"kept as it is: the budget ended its training at {looks}",
            }
            self.pool.note(task.number, notes)

    def record_worker_loss(self, task: Task) -> None:
        """Take back a task whose worker has died."""
        self._take_back(task)
        if task.kind == "train":
            self._count_death(self.pool.trials[task.number])
            return
        self._n_lost[task.kind, task.number] += 1
        if self._n_lost[task.kind, task.number] <= self.settings.n_retries:
            self._last.appendleft(task)

    def release(self, *tasks: Task) -> None:
        """Take back tasks, all if none is named, because of something that was no trial's fault."""
        for task in tasks or tuple(self._out.values()):
            self._take_back(task)
            if task.kind == "train":
                self.pool.note(task.number, {UNDERWAY: None})
        with contextlib.suppress(Exception):  # the study may be out of reach
            self.pool.write()

    def _take_back(self, task: Task) -> None:
        del self._out[task.number]
        if self._limit is not None:
            self._limit.end(self.cell.name, task.number)

    def _limit_task(self, task: Task) -> Task:
        """Say how long a task may take, and keep free what it is expected to take."""
        limit = self._limit
        if limit is None:
            return task
        curve = self.pool.trials[task.number].user_attrs.get(CURVE, [])
        match task.kind:
            case "train":
                expected_s = _read_training_s(curve)  # each look is at twice the steps before it
                max_s = limit.left_for_searching_s()
                if self.settings.budget_cpu_s is not None:
                    max_s = min(max_s, max(self.settings.budget_cpu_s, 2 * expected_s))
            case "finish":
                max_s = limit.left_for_final_s(self.cell.name)
                expected_s = _read_training_s(curve) * grow_final(self.cell)
                limit.release_final(self.cell.name)
            case _:
                max_s, expected_s = limit.left_s(), 0.0
        limit.begin(self.cell.name, task.number, expected_s)
        if task.kind == "finish" and task.exports:  # exporting is not in the budget
            return task
        return bound_task(task, limit, max_s)

    def _plan_finish(self, number: int) -> Task:
        """Plan a candidate's final training, where the budget and the call have room for it."""
        trial, limit = self.pool.trials[number], self._limit
        left_s = None if limit is None else limit.left_for_final_s(self.cell.name)
        task = plan_finish(trial, self.cell, self.settings, exports=self._exports, left_s=left_s)
        if limit is None or not task.learns_validation or self.settings.budget_cpu_s is None:
            return task
        work_s = trial.user_attrs[CURVE][-1]["work_s"] * grow_final(self.cell)
        spent_s = spent_work_s(self.pool.trials) + self._final_work_s
        if spent_s + work_s > (1 + TOLERANCE) * self.settings.budget_cpu_s:
            return replace(task, learns_validation=False)
        self._final_work_s += work_s
        return task

    def _reserve(self) -> None:
        """Keep free what the final training of the best model takes."""
        trials = [
            trial
            for trial in self.pool.trials
            if trial.state != TrialState.FAIL and trial.user_attrs.get(CURVE)
        ]
        if self._limit is not None and trials:
            best = max(trials, key=lambda trial: trial.user_attrs[CURVE][-1]["quality_raw"])
            look, growth = best.user_attrs[CURVE][-1], grow_final(self.cell)
            of_all = growth * self._limit.refit_growth
            self._limit.reserve(
                self.cell.name,
                look["fit_cpu_s"] * grow_work(best, self.cell, growth) if growth > 1 else 0.0,
                refit_s=look["fit_cpu_s"] * grow_work(best, self.cell, of_all) if of_all else 0.0,
                quality_raw=look["quality_raw"],
            )

    def _take_over(self) -> None:
        """Go on from what an earlier scheduler has left."""
        self._store.sweep_partial_bundles(self.pool.name)
        for trial in self.pool.trials:
            if trial.state != TrialState.RUNNING:
                continue
            if configuration_index(trial) is None:
                self._store.drop_bundle(self.pool.name, trial.number)
                self.pool.end(trial.number, TrialState.FAIL)
                logger.info("%s: trial %d was abandoned", self.pool.name, trial.number)
                continue
            if is_underway(trial):
                if trial.user_attrs[UNDERWAY][1] == self._machine:
                    self.pool.note(trial.number, {UNDERWAY: None})
                else:
                    self._count_death(trial)
            if self._plan is None and self._n_passed(trial) == self.settings.n_checkpoints:
                self._complete(trial.number)

    def _next_training(self) -> Task | None:
        """Choose among the trials that wait and a new configuration."""
        if self._limit is not None and self._limit.left_for_searching_s() <= 0:
            return None
        trials = self.pool.trials
        begun = [trial for trial in trials if is_begun(trial)]
        waiting = [
            trial
            for trial in begun
            if trial.state == TrialState.RUNNING and trial.number not in self._out
        ]
        # Without pauses each trial goes on at once; with them, one whose first step was lost does.
        ready = [trial for trial in waiting if self._plan is None or CURVE not in trial.user_attrs]
        if ready:
            return self._go_on(ready[0])
        index = first_free_index(begun)
        may_begin = self._limits.allows_another(begun, now=datetime.now()) and (
            self._n_configurations is None or index < self._n_configurations
        )
        chosen: Step | Configuration | Literal["new"] | None = NEW if may_begin else None
        if self._plan is not None:
            paused = {trial.number for trial in waiting}
            if not self._only_default:
                chosen = self._plan.next_step(trials, paused=paused, may_begin=may_begin)
            elif begun:
                step = self._plan.finish_default(trials, paused, may_begin=may_begin)
                # how short another default is depends on what the search gets at last
                chosen = step if isinstance(step, Step) else None
            elif not self._plan.affords_first_look(begun):
                chosen = None
        if isinstance(chosen, Step):
            return self._go_on(trials[chosen.number])
        if chosen is None:
            return None
        return self._begin(index, shortened=None if isinstance(chosen, str) else chosen)

    def _begin(self, index: int, *, shortened: Configuration | None = None) -> Task:
        """Begin a configuration; the one place where configurations are sampled."""
        params, asked_by = shortened, None
        notes: dict[str, Any] = {INDEX: index, UNDERWAY: [0, self._machine]}
        if shortened is not None:
            notes[SHORTENED] = True
        elif self.settings.sampler == "grid":
            params = grid_points(self.cell.params.space, self.settings)[index]
        else:
            firsts = self.cell.list_first()  # a search never ends below what needs no search
            place = index - sum(is_shortened(t) for t in self.pool.trials if is_begun(t))
            params = firsts[place] if place < len(firsts) else None
        if params is None and self._plan is not None:
            params, asked_by = self._plan.propose(self.pool.study, index) or (None, None)
        if params is not None:
            sampler: optuna.samplers.BaseSampler = give_parameters(params)
        else:
            sampler = make_sampler(self.settings, index)
        if asked_by is not None:
            notes[ASKED_BY] = asked_by
        return self._make_task("train", self.pool.begin(sampler, self.cell.params.suggest, notes))

    def _go_on(self, trial: FrozenTrial) -> Task:
        self.pool.note(trial.number, {UNDERWAY: [self._n_passed(trial), self._machine]})
        return self._make_task("train", trial)

    def _note_training(self, task: Task, result: TaskResult, deciding_s: float) -> None:
        number, had = task.number, self.pool.trials[task.number]
        before = Spent.of(had)
        spent = Spent(
            compute_s=before.compute_s + result.cpu_s + deciding_s,
            deciding_s=before.deciding_s + deciding_s,
            spans=[*before.spans, [result.started_s, result.ended_s]],
        )
        notes: dict[str, Any] = {}
        if result.model_size_mib is not None:
            notes[MODEL_SIZE_MIB] = result.model_size_mib
        if result.fault or result.point is None:
            logger.warning("%s: trial %d failed: %s", self.cell.name, number, result.fault)
            self.pool.note(number, notes | {SPENT: asdict(spent), STOP_REASON: result.fault})
            self.pool.end(number, TrialState.FAIL)
            return
        # The curve last: it says that the step is done. What it took is in it: each note is written
        # in a transaction of its own.
        curve = [*had.user_attrs.get(CURVE, []), result.point | {SPENT: asdict(spent)}]
        self.pool.note(number, notes | {CURVE: curve})
        checkpoint = task.n_checkpoints + 1
        self.pool.report(number, resource_at(checkpoint), result.point["quality_raw"])
        self._reserve()
        if self._plan is not None:
            return
        if checkpoint == self.settings.n_checkpoints:
            self._complete(number)
        elif self.pool.is_stopped_by_rule(number):
            rule, reason = _describe_stop(self.pool, number)
            stop = {STOP_RULE: rule, STOP_REASON: reason, STOP_CHECKPOINT: checkpoint}
            self.pool.note(number, stop)
            self.pool.end(number, TrialState.PRUNED)

    def _complete(self, number: int) -> None:
        """End a trial of a search without pauses that was trained to the end."""
        quality_raw = self.pool.trials[number].user_attrs[CURVE][-1]["quality_raw"]
        qualities = [trial.values[0] for trial in _complete_trials(self.pool)]
        if quality_raw > max(qualities, default=float("-inf")):
            self.pool.note(number, {GAINED: ["quality"]})
        self.pool.end(number, TrialState.COMPLETE, quality_raw)

    def _count_death(self, trial: FrozenTrial) -> None:
        """Note that a worker died in a trial's next step; after too many deaths the trial fails."""
        n_passed, n_deaths = trial.user_attrs.get(DEATHS, [-1, 0])
        n_deaths = n_deaths + 1 if n_passed == self._n_passed(trial) else 1
        self.pool.note(trial.number, {DEATHS: [self._n_passed(trial), n_deaths], UNDERWAY: None})
        if n_deaths <= self.settings.n_retries:
            return
        reason = f"the worker, or its machine, died in {n_deaths} of {n_deaths} attempts"
        logger.warning("%s: trial %d failed: %s", self.pool.name, trial.number, reason)
        self.pool.note(trial.number, {STOP_REASON: reason})
        self.pool.end(trial.number, TrialState.FAIL)
        self._store.drop_bundle(self.pool.name, trial.number)

    def _end_paused_trials(self) -> None:
        """Note how each paused trial of a pausing search ended."""
        trials = self.pool.trials
        paused = {t.number for t in trials if t.state == TrialState.RUNNING}
        if self._plan is None or not paused:
            return
        reasons = self._plan.explain_stops(trials, paused)
        for number in sorted(paused):
            notes, curve = trials[number].user_attrs, trials[number].user_attrs[CURVE]
            # A reason alone is that of a stop whose end another scheduler did not live to write.
            is_kept = MODEL_SIZE_MIB in notes and STOP_REASON in notes
            if is_kept or len(curve) == self.settings.n_checkpoints:
                self.pool.end(number, TrialState.COMPLETE, curve[-1]["quality_raw"])
                continue
            name, reason = reasons[number]
            stop = {STOP_RULE: PAUSING, STOP_REASON: reason, STOPPED_BY: name}
            self.pool.note(number, stop | {STOP_CHECKPOINT: len(curve)})
            self.pool.end(number, TrialState.PRUNED)

    def _make_task(self, kind: Literal["train", "keep"], trial: FrozenTrial) -> Task:
        configuration = trial.user_attrs[CONFIGURATION]
        return Task(kind, trial.number, configuration, self._n_passed(trial))

    def _n_passed(self, trial: FrozenTrial) -> int:
        return len(trial.user_attrs.get(CURVE, ()))


def open_study(
    cell: Cell, settings: SearchSettings, store: StudyStore, rule: StoppingRule | None = None
) -> optuna.Study:
    """Open a cell's study, creating it when needed.

    Args:
        cell: What is searched.
        settings: By which rules.
        store: Where it is kept.
        rule: Stops trials in place of the one that the settings name.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # progress is shown by others
    pruner = rule or make_pruner(
        settings.early_stopping,
        n_startup_trials=settings.n_startup_trials,
        last_resource=resource_at(settings.n_checkpoints),
    )
    return optuna.create_study(
        study_name=study_name(cell, settings),
        storage=store.open(),
        direction="maximize",
        load_if_exists=True,
        pruner=cast("optuna.pruners.BasePruner", pruner),  # Optuna only ever asks it to prune
    )


def read_trials(cell: Cell, settings: SearchSettings, store: StudyStore) -> list[FrozenTrial]:
    """Return the trials of a search so far; none where nothing was searched with these settings."""
    if store.is_empty:
        return []
    try:
        study = optuna.load_study(study_name=study_name(cell, settings), storage=store.open())
    except KeyError:
        return []
    return study.get_trials(deepcopy=False)


def read_limits(settings: SearchSettings) -> Budget:
    """Return what a search may spend."""
    return Budget(
        settings.n_trials, settings.budget_cpu_s, settings.budget_wall_s, settings.patience
    )


def count_configurations(cell: Cell, settings: SearchSettings) -> int | None:
    """Return how many configurations there are; ``None`` for any number."""
    if not cell.params.space:
        return 1
    if settings.sampler == "grid":
        return len(grid_points(cell.params.space, settings))
    return None


def _read_training_s(curve: Sequence[Mapping[str, float]]) -> float:
    """Return the CPU seconds that a trial's training and validation took."""
    return curve[-1]["fit_cpu_s"] + curve[-1]["validate_cpu_s"] if curve else 0.0


def _describe_stop(pool: TrialPool, number: int) -> tuple[str, str]:
    """Return the name of the rule that stopped a trial, and why it did."""
    curve, rule = pool.trials[number].user_attrs[CURVE], pool.study.pruner
    checkpoint = curve[-1]["checkpoint"]
    if type(rule) is not optuna.pruners.MedianPruner:
        name, value = type(rule).__name__.removesuffix("Pruner"), curve[-1]["quality_raw"]
        return name, f"validation quality {value:.4f} at checkpoint {checkpoint} ranks too low"
    best = max(point["quality_raw"] for point in curve)
    resource = resource_at(checkpoint)
    values = [other.intermediate_values[resource] for other in _complete_trials(pool)]
    return "median", (
        f"best validation quality {best:.4f} up to checkpoint {checkpoint} is below the median "
        f"{median(values):.4f} of {len(values)} complete trials"
    )


def _complete_trials(pool: TrialPool) -> list[FrozenTrial]:
    return [trial for trial in pool.trials if trial.state == TrialState.COMPLETE]
