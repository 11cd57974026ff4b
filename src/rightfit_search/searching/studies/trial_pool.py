"""The trials of one search: in memory, where its scheduler reads them, and in its study.

A scheduler is the only writer of its study, so it reads the study once. From then on samplers and
stopping rules work on a study in memory. A new trial is stored whole before a worker has it; what
its steps add is stored by :meth:`TrialPool.write`, for which no worker need wait. A scheduler that
dies leaves every trial as its last written step left it, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import optuna
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from rightfit._core.errors import RightfitError
from rightfit.models.served_family import Configuration
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION


class TrialPool:
    """The trials of a search, for the one process that schedules it.

    Args:
        stored: The study, with its stopping rule as ``pruner``.
        storage: Where it is stored.
    """

    def __init__(self, stored: optuna.Study, storage: BaseStorage) -> None:
        self._stored, self._memory = storage, InMemoryStorage()
        self._stored_id = storage.get_study_id_from_name(stored.study_name)
        self.study = optuna.create_study(
            study_name=stored.study_name,
            storage=self._memory,
            direction="maximize",
            pruner=stored.pruner,
        )
        self._memory_id = self._memory.get_study_id_from_name(stored.study_name)
        for trial in stored.get_trials(deepcopy=False):
            self.study.add_trial(trial)
        self._stored_ids: dict[int, int] = {}  # by the trials' numbers
        # What to write later: a method of the storage, a trial's number, the further arguments.
        self._unwritten: list[tuple[Callable[..., object], int, tuple[Any, ...]]] = []

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.study_name

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials; ``trials[number]`` is the one of that number."""
        return self.study.get_trials(deepcopy=False)

    def begin(
        self,
        sampler: optuna.samplers.BaseSampler,
        suggest: Callable[[optuna.Trial], Configuration],
        notes: dict[str, Any],
    ) -> FrozenTrial:
        """Begin a trial and store it whole: its parameters and what is noted of it.

        Args:
            sampler: Chooses the parameters.
            suggest: Asks a trial for them and returns the whole configuration.
            notes: Further user attributes.

        Raises:
            RightfitError: If another process writes to the study.
        """
        self.study.sampler = sampler
        optuna_trial = self.study.ask()
        optuna_trial.set_user_attr(CONFIGURATION, suggest(optuna_trial))
        for key, value in notes.items():
            optuna_trial.set_user_attr(key, value)
        trial = self.trials[optuna_trial.number]
        stored_id = self._stored.create_new_trial(self._stored_id, template_trial=trial)
        self._stored_ids[trial.number] = stored_id
        if self._stored.get_trial_number_from_id(stored_id) != trial.number:
            self._stored.set_trial_state_values(stored_id, TrialState.FAIL)
            raise RightfitError(
                f"Another process writes to the study {self.name}, though a search is one run's "
                "at a time. End one of the two; its trials are kept."
            )
        return trial

    def note(self, number: int, notes: dict[str, Any]) -> None:
        """Set user attributes of a trial that has not ended, in their order."""
        for key, value in notes.items():
            self._memory.set_trial_user_attr(self._memory_id_of(number), key, value)
            self._write_later(self._stored.set_trial_user_attr, number, key, value)

    def report(self, number: int, resource: int, value: float) -> None:
        """Report a trial's quality after so much training."""
        self._memory.set_trial_intermediate_value(self._memory_id_of(number), resource, value)
        self._write_later(self._stored.set_trial_intermediate_value, number, resource, value)

    def is_stopped_by_rule(self, number: int) -> bool:
        """Ask the stopping rule whether a trial ends at its latest checkpoint.

        Raises:
            RightfitError: If the rule fails.
        """
        trial, rule = self.trials[number], self.study.pruner
        try:
            is_stopped = rule.prune(self.study, trial)
        except Exception as err:  # a rule may raise anything
            raise RightfitError(
                f"The stopping rule {type(rule).__name__} failed at trial {number} "
                f"({type(err).__name__}: {err}). Correct its prune(study, trial)."
            ) from err
        for key, value in self.trials[number].system_attrs.items():
            if key not in trial.system_attrs:  # what some rules note, to compare trials later
                self._write_later(self._stored.set_trial_system_attr, number, key, value)
        return is_stopped

    def end(self, number: int, state: TrialState, value: float | None = None) -> None:
        """Note how a trial ended; ``value`` is the quality of a complete one."""
        self.study.tell(number, value, state=state)
        values = cast("Sequence[float] | None", self.trials[number].values)
        self._write_later(self._stored.set_trial_state_values, number, state, values)

    def write(self) -> None:
        """Store what was noted since, in order."""
        while self._unwritten:
            write, number, values = self._unwritten[0]
            if number not in self._stored_ids:
                self._stored_ids[number] = self._stored.get_trial_id_from_study_id_trial_number(
                    self._stored_id, number
                )
            write(self._stored_ids[number], *values)
            del self._unwritten[0]

    def _write_later(self, write: Callable[..., object], number: int, *values: Any) -> None:
        self._unwritten.append((write, number, values))

    def _memory_id_of(self, number: int) -> int:
        return self._memory.get_trial_id_from_study_id_trial_number(self._memory_id, number)
