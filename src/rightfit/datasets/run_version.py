"""Which run this is, and which one has measured what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from kedro.io import DatasetError
from kedro.io.core import VersionNotFoundError
from kedro_datasets.json import JSONDataset


@dataclass(frozen=True)
class RunVersion:
    """The version of this run, and that of the resource profiles; empty where not known."""

    run: str = ""
    measured_in: str = ""


class RunVersionDataset(JSONDataset):  # type: ignore[misc]  # kedro-datasets ships no types
    """Tells the versions of a run; of the profiles' file it knows the path alone, not the form."""

    def load(self) -> Any:
        """Return the version of the run, and that of the newest profiles that it may rank."""
        run = self.resolve_save_version() or ""
        try:
            found = self.list_versions(full_path=False)  # the newest first
        except VersionNotFoundError:
            found = []
        return RunVersion(run, next((one for one in found if not run or one <= run), ""))

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse: profiles are written under their own name.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._filepath} is only looked at here.")
