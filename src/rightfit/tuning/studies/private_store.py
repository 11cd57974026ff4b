"""Studies in this process' memory, for searches that nobody else works on and nobody continues."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import optuna

from rightfit.tuning.studies.study_storage import StudyStorage
from rightfit.tuning.studies.study_store import StudyStore


class PrivateStorage(optuna.storages.InMemoryStorage):
    """Optuna's storage in memory, which needs no transactions."""

    @contextlib.contextmanager
    def transaction(self, *first: str) -> Iterator[None]:  # noqa: ARG002
        """See :meth:`StudyStorage.transaction`."""
        yield

    @contextlib.contextmanager
    def read_once(self) -> Iterator[None]:
        """See :meth:`StudyStorage.read_once`."""
        yield


@dataclass(frozen=True)
class PrivateStudyStore(StudyStore):
    """Studies in memory; the bundles of their trials are in the folder.

    Args:
        folder: Folder for the bundles.
        kept: The studies.
    """

    storage: str | None = field(default=None, init=False, repr=False)
    kept: PrivateStorage = field(default_factory=PrivateStorage)

    @property
    def is_empty(self) -> bool:
        """Whether there was no search yet."""
        return not self.kept.get_all_studies()

    def open(self, *, with_heartbeat: bool = False) -> StudyStorage:  # noqa: ARG002
        """Return the studies."""
        return cast("StudyStorage", self.kept)  # as far as a search uses one

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:  # noqa: ARG002
        """Lock nothing: nobody else works here."""
        yield

    @contextlib.contextmanager
    def transaction(self, name: str) -> Iterator[None]:  # noqa: ARG002
        """See :meth:`locked`."""
        yield
