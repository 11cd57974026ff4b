"""Optuna's studies in a database, written in few transactions.

Optuna commits each parameter, attribute and value by itself, on a connection that it tests first,
and reads what is new in a study, and every unfinished trial, at every step of sampling. Around a
lease and at each checkpoint that costs more than what is stored. So here a block's writes can be
one transaction, a lease can read once, only trials that have changed are read again, and a running
trial's attributes wait for the next value or state of the trial and go with it, in one statement.

Two of the overridden methods are Optuna's own affair (``_get_trials``, ``_create_new_trial``): if
it stops to call them, everything is read as often as before. The tables are Optuna's too; its
major version is fixed in ``pyproject.toml``.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

# Optuna reads all paused trials again at each turn. At once that takes 30 KiB for each: too much
# for a thousand of them, since Python and the C library keep most of it afterwards.
READ_AT_ONCE = 50
_SQLITE_CACHE_KIB = 256  # of each connection, not 2,000: the system caches the file too
_STATES = sqlalchemy.text("SELECT trial_id, state FROM trials WHERE study_id = :study")
_UNFINISHED = "JOIN trials USING (trial_id) WHERE study_id = :study AND state = 'RUNNING'"
_NAMED = sqlalchemy.text(
    f"SELECT trial_id, 'user', key, value_json FROM trial_user_attributes {_UNFINISHED} "  # noqa: S608
    "UNION ALL SELECT trial_id, 'system', key, value_json "
    f"FROM trial_system_attributes {_UNFINISHED} "
    f"UNION ALL SELECT trial_id, 'param', param_name, '' FROM trial_params {_UNFINISHED}"
)
_VALUES = sqlalchemy.text(
    f"SELECT trial_id, step, intermediate_value FROM trial_intermediate_values {_UNFINISHED}"  # noqa: S608
)
_STATE = sqlalchemy.text("SELECT state FROM trials WHERE trial_id = :trial")
_WRITE = sqlalchemy.text(
    "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (:trial, :key, :value) "
    "ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json"
)

Attributes = dict[int, dict[str, Any]]  # by trial


@dataclass(frozen=True)
class _Contents:
    """What is stored of a trial; of one that has ended, the state alone.

    Args:
        state: Name of its state.
        named: JSON by key of its ``user`` and ``system`` attributes; each ``param`` by name.
        values: Reported value by step; ``None`` where it is not finite.
    """

    state: str
    named: dict[str, dict[str, str]]
    values: dict[int, float | None]

    @property
    def mark(self) -> int:
        """A number that changes when the trial does."""
        rows = frozenset((kind, *row) for kind, of in self.named.items() for row in of.items())
        return hash((self.state, rows, frozenset(self.values)))

    def renew(self, known: FrozenTrial) -> FrozenTrial | None:
        """Return a running trial as it is now; ``None`` where this does not tell all of it."""
        values = {step: value for step, value in self.values.items() if value is not None}
        params = self.named.get("param", {}).keys()
        is_whole = params == known.params.keys() and len(values) == len(self.values)
        if self.state != TrialState.RUNNING.name or not is_whole:
            return None
        trial = copy.copy(known)
        trial.user_attrs = self._parse("user")
        trial.system_attrs = self._parse("system")
        trial.intermediate_values = values
        return trial

    def _parse(self, kind: str) -> dict[str, Any]:
        return {key: json.loads(text) for key, text in self.named.get(kind, {}).items()}


class _OwnState(threading.local):
    """What a thread does with a storage.

    Args:
        attributes: Set in its transaction and not stored yet; ``None`` outside of one.
        has_read: Whether it takes for granted that it knows all trials.
        created: The trial that it has just created.
    """

    attributes: Attributes | None = None
    has_read: bool = False
    created: FrozenTrial | None = None


class StudyStorage(optuna.storages.RDBStorage):
    """Optuna's storage, except for when it commits; the arguments are Optuna's."""

    def __init__(self, url: str, **options: Any) -> None:
        self._waiting: Attributes = {}
        self._known: dict[int, tuple[int, FrozenTrial]] = {}  # unfinished trials, and their marks
        self._distributions: dict[BaseDistribution, BaseDistribution] = {}
        self._own = _OwnState()
        super().__init__(url, **options)
        if self.engine.name == "sqlite":
            self.engine.dispose()  # so that those opened meanwhile get it too
            sqlalchemy.event.listen(self.engine, "connect", _set_up_sqlite)

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
            self._own.attributes = {}
            try:
                yield
                self._write_attributes()
            finally:
                self._own.attributes = None
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
        self._write_attributes()
        contents = {
            trial_id: one
            for trial_id, one in self._read_contents(study_id).items()
            if trial_id in included_trial_ids or trial_id > trial_id_greater_than
        }
        marks = {trial_id: one.mark for trial_id, one in contents.items()}
        found = self._renew_known(contents, marks)
        ids = sorted(marks.keys() - {trial._trial_id for trial in found})
        for start in range(0, len(ids), READ_AT_ONCE):
            part = set(ids[start : start + READ_AT_ONCE])
            read = super()._get_trials(study_id, None, part, ids[-1])
            found += [  # not one begun meanwhile
                self._share(trial) for trial in read if trial._trial_id in part
            ]
        for trial in found:
            if trial.state.is_finished():
                self._known.pop(trial._trial_id, None)
            else:
                self._known[trial._trial_id] = marks[trial._trial_id], trial
        found.sort(key=lambda trial: trial._trial_id)
        return [trial for trial in found if states is None or trial.state in states]

    def _share(self, trial: FrozenTrial) -> FrozenTrial:
        """Let a trial keep no copies of what all trials have: keys and distributions."""
        trial.user_attrs = _share_keys(trial.user_attrs)
        trial.distributions = {
            sys.intern(name): self._distributions.setdefault(one, one)
            for name, one in trial.distributions.items()
        }
        return trial

    def _renew_known(
        self, contents: dict[int, _Contents], marks: dict[int, int]
    ) -> list[FrozenTrial]:
        """Return the known trials as they are now, without those that must be read whole."""
        renewed = []
        for trial_id in contents.keys() & self._known.keys():
            mark, known = self._known[trial_id]
            is_same = mark == marks[trial_id]
            renewed.append(known if is_same else contents[trial_id].renew(known))
        return [trial for trial in renewed if trial is not None]

    def _read_contents(self, study_id: int) -> dict[int, _Contents]:
        """Return what is stored of each trial of a study."""
        asked = {"study": study_id}
        named: defaultdict[int, dict[str, dict[str, str]]] = defaultdict(dict)
        values: defaultdict[int, dict[int, float | None]] = defaultdict(dict)
        with contextlib.closing(self.scoped_session()) as session:
            for trial_id, kind, name, text in session.execute(_NAMED, asked):
                named[trial_id].setdefault(kind, {})[name] = text
            for trial_id, step, value in session.execute(_VALUES, asked):
                values[trial_id][step] = value
            # Last: a trial that ends meanwhile is not taken for a running one without attributes.
            states = session.execute(_STATES, asked).all()
        return {id_: _Contents(state, named[id_], values[id_]) for id_, state in states}

    def _create_new_trial(self, *args: Any, **kwargs: Any) -> FrozenTrial:
        created: FrozenTrial = super()._create_new_trial(*args, **kwargs)
        self._own.created = created if self._has_read() else None
        return created

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial with all its attributes.

        Raises:
            UpdateFinishedTrialError: If attributes wait, and another process has ended the trial.
        """
        created = self._own.created
        if created is not None and created._trial_id == trial_id:
            self._own.created = None  # from now on it may have parameters
            return copy.deepcopy(created)
        if trial_id not in self._waiting:
            self._write_attributes()
            if self._has_read() and trial_id in self._known:
                return copy.deepcopy(self._known[trial_id][1])
            return super().get_trial(trial_id)
        with self._with_attributes(trial_id):
            return super().get_trial(trial_id)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store an attribute with the trial's next value or state, or at a transaction's end."""
        attributes = self._waiting if self._own.attributes is None else self._own.attributes
        attributes.setdefault(trial_id, {})[key] = value

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
        is_open = self._own.attributes is not None
        with contextlib.nullcontext() if is_open else self.transaction():
            attributes = self._own.attributes or {}
            self._own.attributes = attributes | {trial_id: waiting | attributes.get(trial_id, {})}
            self._write_attributes()
            yield

    def _write_attributes(self) -> None:
        """Store the attributes that were set in this thread's transaction.

        Raises:
            UpdateFinishedTrialError: If another process has ended a trial.
        """
        if not self._own.attributes:
            return
        attributes, self._own.attributes = self._own.attributes, {}
        session = self.scoped_session()
        for trial_id in attributes:
            state = session.execute(_STATE, {"trial": trial_id}).scalar_one()
            self.check_trial_is_updatable(trial_id, TrialState[state])
        rows = [
            {"trial": trial_id, "key": key, "value": json.dumps(value)}
            for trial_id, values in attributes.items()
            for key, value in values.items()
        ]
        if rows:
            session.execute(_WRITE, rows)

    def _has_read(self) -> bool:
        return self._own.has_read


def _share_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {sys.intern(key): _share_keys(inner) for key, inner in value.items()}
    return [_share_keys(inner) for inner in value] if isinstance(value, list) else value


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """Do not wait for the disk at each commit: a search commits three times at each checkpoint.

    With a write-ahead log a killed process loses nothing and a machine that loses power at most the
    last commits; the file is whole in any case (https://sqlite.org/wal.html).
    """
    connection.execute(f"PRAGMA cache_size = -{_SQLITE_CACHE_KIB}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
