"""Sharing a search among workers: each trial belongs to one, and a dead worker's trial to the next.

A worker leases a trial under a lock that all workers of the search share, on whatever host they
run. There it sees every earlier lease, so no two workers start the same trial, and the budget
holds. While a trial runs its worker holds a lock file, which the kernel releases when the process
dies, and in a shared database it records heartbeats. An abandoned trial that was looked at before
is paused where it was last seen; any other's record is set aside and its configuration is tried
again under the same index. A paused trial belongs to nobody: the next lease goes on with it.

A configuration's index is its place in the search: 0, 1, … without gaps. It seeds the sampler, so
the n-th configuration does not depend on who asks for it, nor on what was interrupted before. A
trial's number counts records, abandoned ones included.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.families.family import Configuration
from rightfit.processes.file_locks import holding_lock_file, this_machine, try_lock_file
from rightfit.tuning.pausing.search_forecast import Step
from rightfit.tuning.studies.budget import Budget
from rightfit.tuning.studies.heartbeat import find_heartbeat
from rightfit.tuning.studies.study_store import StudyStore
from rightfit.tuning.studies.trial_attributes import (
    CLAIM,
    DIED,
    PAUSED,
    RELEASED,
    STOP_REASON,
    configuration_index,
    finished_trials,
    is_finished,
    is_paused,
)

logger = logging.getLogger(__name__)

Ask = Callable[[int, Configuration | None], optuna.Trial]
"""Start the trial of an index, all its parameters sampled or, on a second try, given."""


NEW: Literal["new"] = "new"  # begin with another configuration


class Plan(Protocol):
    """What comes next in a search that pauses, see ``PausingPlan``; under the workers' lock."""

    def choose(
        self, trials: Sequence[FrozenTrial], *, may_begin: bool
    ) -> Step | Literal["new"] | None:
        """Return what to do next: a paused trial's step, ``NEW`` if that may be, or nothing."""

    def stop_paused_trials(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
        """Tell the study how each paused trial ended."""


@dataclass(frozen=True)
class Lease:
    """A trial that belongs to one worker for a while, or none where there is nothing to do.

    Args:
        trial: Trial to work on; ``None`` if there is nothing to do now.
        is_over: Whether the budget is spent and nothing runs any more.
        n_begun: Trials that have ended by themselves or were looked at.
    """

    trial: optuna.Trial | None
    is_over: bool
    n_begun: int


@dataclass(frozen=True)
class TrialPool:
    """The trials of one search, shared by its workers.

    Args:
        study: The search.
        store: Where it is kept.
        budget: What it may spend.
        n_configurations: Configurations there are at all; ``None`` for any number.
        n_retries: Times a configuration is tried again after its worker died.
    """

    study: optuna.Study
    store: StudyStore
    budget: Budget
    n_configurations: int | None
    n_retries: int

    @contextlib.contextmanager
    def lease(self, ask: Ask, plan: Plan | None) -> Iterator[Lease]:
        """Lease a trial; it is this worker's while the block runs.

        Args:
            ask: Called under the lock that all workers share.
            plan: Likewise; ``None`` where no trial is ever paused.

        Yields:
            The lease.
        """
        name = self.study.study_name
        heartbeat = None if self.store.storage is None else find_heartbeat(self.store, name)
        with contextlib.ExitStack() as held:
            with self.store.transaction(name):
                silent = set() if heartbeat is None else heartbeat.find_silent()
                trials = self._set_aside_abandoned(silent, may_pause=plan is not None)
                with self.store.open().read_once():
                    lease = self._next_lease(trials, ask, plan, held)
            if heartbeat is not None and lease.trial is not None:
                held.enter_context(heartbeat.recording(lease.trial.number))
            try:
                yield lease
            except BaseException:
                if lease.trial is not None:
                    self._release(lease.trial)
                raise

    def finished(self) -> list[FrozenTrial]:
        """Return the trials that ended by themselves."""
        return finished_trials(self.study)

    def _next_lease(
        self,
        trials: Sequence[FrozenTrial],
        ask: Ask,
        plan: Plan | None,
        held: contextlib.ExitStack,
    ) -> Lease:
        while True:
            begun = [t for t in trials if t.state == TrialState.RUNNING or is_finished(t)]
            index = first_free_index(begun)
            may_begin = self.budget.allows_another(begun, now=datetime.now()) and (
                self.n_configurations is None or index < self.n_configurations
            )
            chosen: Step | Literal["new"] | None = NEW if may_begin else None
            if plan is not None:
                chosen = plan.choose(trials, may_begin=may_begin)
            if not isinstance(chosen, str):
                return self._go_on(trials, chosen, plan, held, n_begun=len(begun))
            abandoned = [t for t in trials if _is_abandoned_record(t, index)]
            if not self._gives_up(index, abandoned):
                params = abandoned[-1].params if abandoned else None
                trial = ask(index, params)
                self._hold(trial, index, held)
                return Lease(trial, is_over=False, n_begun=len(begun))
            trials = self.study.get_trials(deepcopy=False)

    def _go_on(
        self,
        trials: Sequence[FrozenTrial],
        step: Step | None,
        plan: Plan | None,
        held: contextlib.ExitStack,
        *,
        n_begun: int,
    ) -> Lease:
        """Lease a paused trial, wait for what runs, or end the search."""
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        busy = [trial for trial in running if not is_paused(trial)]
        if step is not None:
            trial_id = next(t for t in running if t.number == step.number)._trial_id
            trial = optuna.Trial(self.study, trial_id)
            trial.set_user_attr(PAUSED, False)
            self._hold(trial, configuration_index(trial) or 0, held)
            return Lease(trial, is_over=False, n_begun=n_begun)
        if not busy and running and plan is not None:
            plan.stop_paused_trials(self.study, trials)
        return Lease(None, is_over=not busy, n_begun=n_begun)

    def _hold(self, trial: optuna.Trial, index: int, held: contextlib.ExitStack) -> None:
        """Make a trial this worker's."""
        held.enter_context(holding_lock_file(self._lock_file(trial.number)))
        if self.store.storage is not None:
            find_heartbeat(self.store, self.study.study_name).record_first(trial.number)
        claim = {"draw": index, "machine": this_machine(), "pid": os.getpid()}
        trial.set_user_attr(CLAIM, claim)

    def _gives_up(self, index: int, abandoned: Sequence[FrozenTrial]) -> bool:
        """Put a configuration down as failed if it has cost too many workers."""
        died = [trial for trial in abandoned if RELEASED not in trial.user_attrs]
        if len(died) <= self.n_retries:
            return False
        reason = f"failed: the worker died in {len(died)} of {len(abandoned)} attempts"
        logger.warning("%s: configuration %d %s", self.study.study_name, index, reason)
        last = died[-1]
        self.study.add_trial(
            create_trial(
                state=TrialState.FAIL,
                params=last.params,
                distributions=last.distributions,
                user_attrs=last.user_attrs | {STOP_REASON: reason},
            )
        )
        return True

    def _set_aside_abandoned(
        self, silent: Collection[int], *, may_pause: bool
    ) -> list[FrozenTrial]:
        """Pause the trials of dead workers, or mark them as failed without a reason.

        Args:
            silent: Trials whose hosts have given no sign of life.
            may_pause: Whether this search goes on with paused trials; if not, none is left paused.

        Returns:
            All trials.
        """
        trials = self.study.get_trials(deepcopy=False)
        running = [t for t in trials if t.state == TrialState.RUNNING]
        busy = [trial for trial in running if not (may_pause and is_paused(trial))]
        abandoned = [t for t in busy if self._is_abandoned(t, is_silent=t.number in silent)]
        for trial in abandoned:
            was_paused = may_pause and PAUSED in trial.user_attrs
            if was_paused and trial.user_attrs.get(DIED, 0) < self.n_retries:
                self._pause_abandoned(trial)
                continue
            # in this order: a worker that is killed in between leaves the rest to the next one
            self.store.drop_bundle(self.study.study_name, trial.number)
            if was_paused:
                reason = f"failed: the worker died in {self.n_retries + 1} attempts to go on"
                optuna.Trial(self.study, trial._trial_id).set_user_attr(STOP_REASON, reason)
            self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            logger.info("%s: trial %d was abandoned", self.study.study_name, trial.number)
        gone = {trial.number for trial in abandoned}
        self._sweep({trial.number for trial in busy} - gone)
        return self.study.get_trials(deepcopy=False) if abandoned else trials

    def _pause_abandoned(self, trial: FrozenTrial) -> None:
        again = optuna.Trial(self.study, trial._trial_id)
        if RELEASED not in trial.user_attrs:
            again.set_user_attr(DIED, trial.user_attrs.get(DIED, 0) + 1)
        again.set_user_attr(PAUSED, True)
        logger.info("%s: trial %d goes on elsewhere", self.study.study_name, trial.number)

    def _sweep(self, running: Collection[int]) -> None:
        """Delete half-written bundles of trials that do not run, and lock files nobody holds."""
        self.store.sweep_partial_bundles(self.study.study_name, running)
        for path in self._lock_file(0).parent.glob("*.running"):
            if int(path.stem) in running:
                continue
            held_or_gone = contextlib.suppress(BlockingIOError, FileNotFoundError)
            with held_or_gone, try_lock_file(path, create=False):
                path.unlink(missing_ok=True)

    def _is_abandoned(self, trial: FrozenTrial, *, is_silent: bool) -> bool:
        """Tell whether a trial's worker is gone.

        On this machine its lock decides: after a machine has slept, all its workers are silent.
        """
        claim = trial.user_attrs.get(CLAIM)
        if claim is None:
            return True  # nobody leased it, or it would say so
        if self.store.storage is not None and claim["machine"] != this_machine():
            return is_silent
        try:
            with try_lock_file(self._lock_file(trial.number), create=False):
                # a worker tells first and lets go of its lock then
                running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
                return any(t.number == trial.number and not is_paused(t) for t in running)
        except FileNotFoundError:
            return is_silent or self.store.storage is None  # another folder may hold it
        except BlockingIOError:
            return False

    def _release(self, trial: optuna.Trial) -> None:
        """Give back a trial that this worker can't go on with."""
        with contextlib.suppress(Exception):  # then its lock and its signs of life end anyway
            if PAUSED in trial.user_attrs:
                with self.store.transaction(self.study.study_name):
                    trial.set_user_attr(PAUSED, True)
                return
            trial.set_user_attr(RELEASED, True)
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _lock_file(self, number: int) -> Path:
        return self.store.bundle_folder(self.study.study_name, number).with_suffix(".running")


def first_free_index(trials: Sequence[FrozenTrial]) -> int:
    """Return the index of the configuration that comes next."""
    taken = {configuration_index(trial) for trial in trials}
    return next(index for index in itertools.count() if index not in taken)


def _is_abandoned_record(trial: FrozenTrial, index: int) -> bool:
    return (
        trial.state == TrialState.FAIL
        and not is_finished(trial)
        and configuration_index(trial) == index
    )
