"""Results of earlier runs that a run reads: their winners, and the version that measured."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from kedro.io import DatasetError
from kedro.io.core import VersionNotFoundError
from kedro_datasets.json import JSONDataset

logger = logging.getLogger(__name__)


class ReadOnlyDataset(JSONDataset):  # type: ignore[misc]  # kedro-datasets ships no types
    """Reads the versions of a dataset that is written under its own name."""

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._filepath} is only read here, as a run wrote it.")


class EarlierWinnersDataset(ReadOnlyDataset):
    """Loads the winners of the newest recommendations that are older than the run.

    To Kedro they are another dataset than the recommendations that the run makes.

    Args:
        **json_args: Those of the recommendations: ``filepath``, ``version`` and others.
    """

    def __init__(self, **json_args: Any) -> None:
        super().__init__(**json_args)
        self._by_version: dict[str, Any] = {}

    def load(self) -> Any:
        """Return the winners, as ``Winners``; none where there was no run before.

        What cannot be read is passed over, with one line in the log.
        """
        now = self.resolve_save_version()
        return self._read(version for version in self._versions if now is None or version < now)

    @cached_property
    def _versions(self) -> list[str]:
        versions: list[str] = self.list_versions(full_path=False)  # the newest first
        return versions

    def _read(self, versions: Iterator[str]) -> Any:
        for version in versions:
            if version not in self._by_version:
                # late: hooks import this module whenever a command starts
                from rightfit.ranking.explanation.recommendation import read_winners

                winners: Any = None
                try:
                    with self._fs.open(str(self._get_versioned_path(version))) as file:
                        winners = read_winners(json.load(file))
                except (
                    OSError,
                    ValueError,
                    RecursionError,
                ) as err:  # a run that was cut off has left half of it
                    logger.warning(
                        "Its winners are passed over: %s of %s cannot be read: %s",
                        self._filepath,
                        version,
                        err,
                    )
                self._by_version[version] = winners
            if self._by_version[version] is not None:
                return self._by_version[version]
        return {}


@dataclass(frozen=True)
class RunVersion:
    """The version of this run, and that of the resource profiles; empty where not known."""

    run: str = ""
    measured_in: str = ""


class RunVersionDataset(ReadOnlyDataset):
    """Tells the versions of a run; of the profiles' file it knows the path alone, not the form."""

    def load(self) -> Any:
        """Return the version of the run, and that of the newest profiles that it may rank."""
        run = self.resolve_save_version() or ""
        try:
            versions = self.list_versions(full_path=False)  # the newest first
        except VersionNotFoundError:
            versions = []
        return RunVersion(
            run, next((version for version in versions if not run or version <= run), "")
        )
