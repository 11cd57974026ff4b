"""Where a search keeps its studies, bundles and measurements."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import optuna

from rightfit.processes.json_store import JsonStore
from rightfit.processes.leftovers import temporary_folder
from rightfit.tuning.studies.study_storage import StudyStorage
from rightfit.tuning.studies.study_store import StudyStore


class Workspace:
    """The folder of a search; a temporary one lasts as long as anything refers to it.

    Args:
        folder: Where to keep it; ``None``: in a temporary folder.
        in_memory: Whether the studies are kept in this process' memory; not for a folder of the
            user's, which a later search continues.
    """

    def __init__(self, folder: Path | None, *, in_memory: bool = False) -> None:
        if folder is None:
            stack = ExitStack()
            folder = stack.enter_context(temporary_folder("found"))
            weakref.finalize(self, stack.close)
            is_private = in_memory
        else:
            folder.mkdir(parents=True, exist_ok=True)
            is_private = False
        self.folder = folder
        self.measurements = JsonStore(folder / "measurements")
        self.studies = _open_studies(folder / "studies", is_private=is_private)


def _open_studies(folder: Path, *, is_private: bool) -> StudyStore:
    if not is_private:
        return StudyStore(folder, None)

    return PrivateStudyStore(folder)


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
