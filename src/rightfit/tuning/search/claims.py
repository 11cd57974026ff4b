"""Sharing a search among workers: each trial belongs to one, and a dead worker's trial to the next.

A claim is made under a lock that all workers of the search share, on whatever host they run. What
is asked there sees every earlier claim, so no two workers start the same trial, and the budget
holds. While a trial runs its worker holds a lock file, which the kernel releases when the process
dies, and in a shared database it gives signs of life. An abandoned trial's record is set aside and
its configuration is tried again under the same draw.

A draw is a configuration's place in the search: 0, 1, … without gaps. It seeds the sampler, so the
n-th configuration does not depend on who asks for it, nor on what was interrupted before. A trial's
number counts records, abandoned ones included.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import itertools
import logging
import os
import platform
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from rightfit.tuning.search.budget import Budget, finished_trials, is_finished
from rightfit.tuning.search.heartbeat import find_heart
from rightfit.tuning.studies.study_store import STOP_REASON, StudyStore

logger = logging.getLogger(__name__)

CLAIM = "claim"  # the draw, and the machine and process that train it
RELEASED = "released"  # given back by a worker that was told to end

Ask = Callable[[int, dict[str, Any] | None], optuna.Trial]
"""Start the trial of a draw, all its parameters sampled or, on a second try, given."""


@dataclass(frozen=True)
class Turn:
    """What a worker may do next.

    Args:
        trial: Trial to train; ``None`` if none may start now.
        is_over: Whether the budget is spent and nothing runs any more.
        n_finished: Trials that have ended by themselves.
    """

    trial: optuna.Trial | None
    is_over: bool
    n_finished: int


@dataclass(frozen=True)
class TrialPool:
    """The trials of one search, shared by its workers.

    Args:
        study: The search.
        store: Where it is kept.
        budget: What it may spend.
        n_draws: Configurations there are at all; ``None`` for any number.
        n_retries: Times a configuration is tried again after its worker died.
    """

    study: optuna.Study
    store: StudyStore
    budget: Budget
    n_draws: int | None
    n_retries: int

    @contextlib.contextmanager
    def claim(self, ask: Ask) -> Iterator[Turn]:
        """Claim a trial; it is this worker's while the block runs.

        Args:
            ask: Called under the lock that all workers share.

        Yields:
            The turn.
        """
        name = self.study.study_name
        heart = None if self.store.storage is None else find_heart(self.store, name)
        if heart is not None:
            heart.set_aside_silent()
        with contextlib.ExitStack() as held:
            with self.store.transaction(name):
                turn = self._next_turn(self._set_aside_abandoned(), ask, held)
            if heart is not None and turn.trial is not None:
                held.enter_context(heart.beating(turn.trial.number))
            try:
                yield turn
            except BaseException:
                if turn.trial is not None:
                    self._release(turn.trial)
                raise

    def finished(self) -> list[FrozenTrial]:
        """Return the trials that ended by themselves."""
        return finished_trials(self.study)

    def _next_turn(
        self, trials: Sequence[FrozenTrial], ask: Ask, held: contextlib.ExitStack
    ) -> Turn:
        while True:
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            finished = [trial for trial in trials if is_finished(trial)]
            draw = _first_free_draw([*finished, *running])
            is_allowed = self.budget.allows_another(finished, running, now=datetime.now())
            if not is_allowed or (self.n_draws is not None and draw >= self.n_draws):
                return Turn(None, is_over=not running, n_finished=len(finished))
            abandoned = [t for t in trials if _is_abandoned_record(t, draw)]
            if not self._gives_up(draw, abandoned):
                params = abandoned[-1].params if abandoned else None
                trial = self._start(draw, params, ask, held)
                return Turn(trial, is_over=False, n_finished=len(finished))
            trials = self.study.get_trials(deepcopy=False)

    def _start(
        self, draw: int, params: dict[str, Any] | None, ask: Ask, held: contextlib.ExitStack
    ) -> optuna.Trial:
        with self.store.open().read_once():
            trial = ask(draw, params)
        held.enter_context(_holding(self._lock_file(trial.number)))
        if self.store.storage is not None:
            find_heart(self.store, self.study.study_name).beat_first(trial.number)
        claim = {"draw": draw, "machine": this_machine(), "pid": os.getpid()}
        trial.set_user_attr(CLAIM, claim)
        return trial

    def _gives_up(self, draw: int, abandoned: Sequence[FrozenTrial]) -> bool:
        """Put a configuration down as failed if it has cost too many workers."""
        died = [trial for trial in abandoned if RELEASED not in trial.user_attrs]
        if len(died) <= self.n_retries:
            return False
        reason = f"failed: the worker died in {len(died)} of {len(abandoned)} attempts"
        logger.warning("%s: draw %d %s", self.study.study_name, draw, reason)
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

    def _set_aside_abandoned(self) -> list[FrozenTrial]:
        """Mark the trials of dead workers as failed without a reason; return all trials."""
        trials = self.study.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state == TrialState.RUNNING]
        abandoned = [trial.number for trial in running if self._is_abandoned(trial)]
        for number in abandoned:
            # in this order: a worker that is killed in between leaves the rest to the next one
            self.store.drop_bundle(self.study.study_name, number)
            self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
            logger.info("%s: trial %d was abandoned", self.study.study_name, number)
        self._sweep_lock_files({trial.number for trial in running} - set(abandoned))
        return self.study.get_trials(deepcopy=False) if abandoned else trials

    def _sweep_lock_files(self, running: Collection[int]) -> None:
        """Delete the lock files of trials that have ended, unless their workers still hold them."""
        for path in self._lock_file(0).parent.glob("*.running"):
            if int(path.stem) in running:
                continue
            held_or_gone = contextlib.suppress(BlockingIOError, FileNotFoundError)
            with held_or_gone, _flock(path, create=False):
                path.unlink(missing_ok=True)

    def _is_abandoned(self, trial: FrozenTrial) -> bool:
        claim = trial.user_attrs.get(CLAIM)
        if claim is None:
            return True  # nobody claimed it, or it would say so
        if self.store.storage is not None and claim["machine"] != this_machine():
            return False  # its signs of life decide
        try:
            with _flock(self._lock_file(trial.number), create=False):
                # a worker tells first and lets go of its lock then
                running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
                return any(other.number == trial.number for other in running)
        except FileNotFoundError:
            return self.store.storage is None  # another folder may hold it
        except BlockingIOError:
            return False

    def _release(self, trial: optuna.Trial) -> None:
        """Give back a trial that this worker can't go on with."""
        with contextlib.suppress(Exception):  # then its lock and its signs of life end anyway
            trial.set_user_attr(RELEASED, True)
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def _lock_file(self, number: int) -> Path:
        return self.store.bundle_folder(self.study.study_name, number).with_suffix(".running")


@functools.cache
def this_machine() -> str:
    """Return a name that two processes share if they see the same kernel's locks."""
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    boot = boot_id.read_text().strip() if boot_id.exists() else "-"
    return f"{platform.node()}/{boot}"


def draw_of(trial: FrozenTrial) -> int | None:
    """Return a trial's place in the search; ``None`` if it was never wholly claimed."""
    claim = trial.user_attrs.get(CLAIM)
    return None if claim is None else int(claim["draw"])


def _first_free_draw(trials: Sequence[FrozenTrial]) -> int:
    taken = {draw_of(trial) for trial in trials}
    return next(draw for draw in itertools.count() if draw not in taken)


def _is_abandoned_record(trial: FrozenTrial, draw: int) -> bool:
    """Say whether a record of this draw was set aside."""
    return trial.state == TrialState.FAIL and not is_finished(trial) and draw_of(trial) == draw


@contextlib.contextmanager
def _flock(path: Path, *, create: bool) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _holding(path: Path) -> Iterator[None]:
    """Hold a trial's lock file and remove it afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _flock(path, create=True):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
