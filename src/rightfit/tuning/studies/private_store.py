"""Studies in this process' memory, for searches that nobody else works on and nobody continues."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from optuna.storages import InMemoryStorage

from rightfit.tuning.studies.study_store import StudyStore


@dataclass(frozen=True)
class PrivateStudyStore(StudyStore):
    """Studies in memory; the bundles of their trials are in the folder.

    Args:
        folder: Folder for the bundles.
        kept: The studies.
    """

    storage: str | None = field(default=None, init=False, repr=False)
    kept: InMemoryStorage = field(default_factory=InMemoryStorage)

    @property
    def is_empty(self) -> bool:
        """Whether there was no search yet."""
        return not self.kept.get_all_studies()

    def open(self) -> InMemoryStorage:
        """Return the studies."""
        return self.kept

    @contextlib.contextmanager
    def locked(self, name: str, *, waiting: str | None = "") -> Iterator[None]:  # noqa: ARG002
        """Lock nothing: nobody else works here."""
        yield
