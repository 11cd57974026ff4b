"""Where a search keeps its studies, bundles and measurements."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from pathlib import Path

from rightfit.processes.json_store import JsonStore
from rightfit.processes.leftovers import temporary_folder
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
    from rightfit.tuning.studies.private_store import PrivateStudyStore

    return PrivateStudyStore(folder)
