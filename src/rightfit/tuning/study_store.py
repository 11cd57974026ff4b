"""Where searches live: Optuna studies, and the bundles of their complete trials."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import inspect
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rightfit.models.families import get_family

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

STOP_REASON = "stop_reason"


@dataclass(frozen=True)
class StudyStore:
    """Searches on disk.

    Args:
        folder: Folder for the trials' bundles, and for the studies unless ``storage`` is given.
        storage: Database URL of the studies; ``None`` for an SQLite file in ``folder``.
    """

    folder: Path
    storage: str | None

    def cell(self, name: str) -> StudyStore:
        """Return the part of the store that belongs to a cell ``{dataset}.{model}``."""
        return StudyStore(self.folder.joinpath(*name.split(".")), self.storage)

    def open(self) -> optuna.storages.RDBStorage:
        """Open the studies' database, creating it when needed."""
        import optuna

        self.folder.mkdir(parents=True, exist_ok=True)
        return optuna.storages.RDBStorage(self.storage or f"sqlite:///{self.folder / 'studies.db'}")

    def bundle_folder(self, study_name: str, number: int) -> Path:
        """Return the folder of a trial's bundle."""
        return self.folder / study_name / f"{number:05d}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of this cell's search.

        Raises:
            RuntimeError: If another process is searching this cell.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise RuntimeError(
                    f"Another run is searching in {self.folder}. Wait for it to end, or stop it."
                ) from err
            yield


def fingerprint(family: str, parts: dict[str, Any]) -> str:
    """Return what a study is keyed by: its parts and the family's source code.

    Args:
        family: Name of the family.
        parts: JSON-like values that change what a trial's numbers mean.

    Returns:
        The first 12 hex digits of a SHA-256.
    """
    source = inspect.getsource(get_family(family))  # type: ignore[arg-type]
    content = json.dumps({"source": source, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def fail_interrupted(study: optuna.Study) -> int:
    """Mark trials that an ended process left running as failed; return how many.

    Left alone they would repel the sampler from where they were. Call it under the store's lock.
    """
    from optuna.trial import TrialState

    zombies = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for zombie in zombies:
        study.tell(zombie.number, state=TrialState.FAIL)
    if zombies:
        logger.info("%s: %d interrupted trials set aside", study.study_name, len(zombies))
    return len(zombies)
