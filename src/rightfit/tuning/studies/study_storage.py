"""Optuna's studies in a database, written in few transactions.

Optuna commits each parameter, attribute and value by itself, on a connection that it tests first,
and reads what is new in a study at every step of sampling. Around a claim and at each checkpoint
that costs more than what is stored. So here a block's writes can be one transaction, a claim can
read once, and a running trial's attributes wait for the next value or state of the trial and go
with it.

Two of the overridden methods are Optuna's own affair (``_get_trials``, ``_create_new_trial``): if
it stops to call them, everything is read as often as before.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

# Optuna reads all paused trials again at each turn. At once that takes 30 KiB for each: too much
# for a thousand of them, since Python and the C library keep most of it afterwards.
READ_AT_ONCE = 50
_SQLITE_CACHE_KIB = 256  # of each connection, not 2,000: the system caches the file too
_NEWER = sqlalchemy.text(
    "SELECT trial_id FROM trials WHERE study_id = :study AND trial_id > :trial"
)


class StudyStorage(optuna.storages.RDBStorage):
    """Optuna's storage, except for when it commits; the arguments are Optuna's."""

    def __init__(self, url: str, **options: Any) -> None:
        self._waiting: dict[int, dict[str, Any]] = {}  # attributes by trial
        self._own = threading.local()
        super().__init__(url, **options)
        if self.engine.name == "sqlite":
            self.engine.dispose()  # so that those opened meanwhile get it too
            sqlalchemy.event.listen(self.engine, "connect", _limit_cache)

    @contextlib.contextmanager
    def transaction(self, *first: str) -> Iterator[None]:
        """Store everything that this thread stores in the block, or nothing if it fails.

        Args:
            first: Statements to begin with, such as one that waits for a lock.
        """
        self.scoped_session.remove()  # Optuna's own; the next one joins the transaction
        with self.engine.connect() as connection, connection.begin():
            if self.engine.name == "sqlite":  # or two that read first could not both go on to write
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            for statement in first:
                connection.exec_driver_sql(statement)
            self.scoped_session(bind=connection, join_transaction_mode="rollback_only")
            self._own.is_open = True
            try:
                yield
            finally:
                self._own.is_open = False
                self.scoped_session.remove()

    @contextlib.contextmanager
    def read_once(self) -> Iterator[None]:
        """Take for granted in the block that this thread has just read all trials of its study.

        Who holds the lock of a search may do so: no other worker starts a trial meanwhile, and one
        that ends may as well have ended a moment later.
        """
        self._own.has_read = True
        try:
            yield
        finally:
            self._own.has_read = False
            self._own.created = None

    def _get_trials(
        self,
        study_id: int,
        states: Any,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """Return the trials that are new or may have changed, for Optuna to add to those it has."""
        if self._has_read():
            return []
        asked = {"study": study_id, "trial": trial_id_greater_than}
        newer = self.scoped_session().execute(_NEWER, asked).scalars()
        ids = sorted({*newer, *included_trial_ids})
        if len(ids) <= READ_AT_ONCE:
            return super()._get_trials(study_id, states, included_trial_ids, trial_id_greater_than)
        read: dict[int, FrozenTrial] = {}
        for start in range(0, len(ids), READ_AT_ONCE):
            part = set(ids[start : start + READ_AT_ONCE])
            found = super()._get_trials(study_id, states, part, ids[-1])
            read |= {trial._trial_id: trial for trial in found}
        return list(read.values())

    def _create_new_trial(self, *args: Any, **kwargs: Any) -> FrozenTrial:
        created: FrozenTrial = super()._create_new_trial(*args, **kwargs)
        self._own.created = created if self._has_read() else None
        return created

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial with all its attributes.

        Raises:
            UpdateFinishedTrialError: If attributes wait, and another process has ended the trial.
        """
        created: FrozenTrial | None = getattr(self._own, "created", None)
        if created is not None and created._trial_id == trial_id:
            self._own.created = None  # from now on it may have parameters
            return copy.deepcopy(created)
        if trial_id not in self._waiting:
            return super().get_trial(trial_id)
        with self._with_attributes(trial_id):
            return super().get_trial(trial_id)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store an attribute, outside of a transaction with the trial's next value or state."""
        if self._is_open():
            super().set_trial_user_attr(trial_id, key, value)
        else:
            self._waiting.setdefault(trial_id, {})[key] = value

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Store a reported value, and the attributes that wait."""
        with self._with_attributes(trial_id):
            super().set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Store how a trial ended, and the attributes that wait."""
        with self._with_attributes(trial_id):
            return super().set_trial_state_values(trial_id, state, values)

    @contextlib.contextmanager
    def _with_attributes(self, trial_id: int) -> Iterator[None]:
        waiting = self._waiting.pop(trial_id, {})
        with contextlib.nullcontext() if self._is_open() else self.transaction():
            for key, value in waiting.items():
                super().set_trial_user_attr(trial_id, key, value)
            yield

    def _is_open(self) -> bool:
        return getattr(self._own, "is_open", False)

    def _has_read(self) -> bool:
        return getattr(self._own, "has_read", False)


def _limit_cache(connection: Any, _record: object) -> None:
    connection.execute(f"PRAGMA cache_size = -{_SQLITE_CACHE_KIB}")
