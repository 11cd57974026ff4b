"""The winners of the last run, which a ranking keeps where nothing is surely better."""

from __future__ import annotations

import json
import logging
from typing import Any, NoReturn

from kedro.io import DatasetError
from kedro_datasets.json import JSONDataset

from rightfit.ranking.explanation.decisions import read_winners
from rightfit.ranking.rank_candidates import Winners

logger = logging.getLogger(__name__)


class EarlierWinnersDataset(JSONDataset):  # type: ignore[misc]  # kedro-datasets ships no types
    """Loads the winners of the newest recommendations that are older than the run.

    To Kedro they are another dataset than the recommendations that the run makes.

    Args:
        **json_args: Those of the recommendations: ``filepath``, ``version`` and others.
    """

    def __init__(self, **json_args: Any) -> None:
        super().__init__(**json_args)
        self._winners: Winners | None = None

    def load(self) -> Winners:
        """Return the winners by application and dataset; none where there was no run before.

        What cannot be read counts as none, with one line in the log.
        """
        if self._winners is None:
            self._winners = self._read()
        return self._winners

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse: a run writes its recommendations under their own name.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._filepath} is only read here, as an earlier run wrote it.")

    def _read(self) -> Winners:
        now = self.resolve_save_version()
        versions = self.list_versions(full_path=False)
        earlier = [version for version in versions if now is None or version < now]
        if not earlier:
            return {}
        try:
            with self._fs.open(str(self._get_versioned_path(earlier[0]))) as file:
                return read_winners(json.load(file))
        except (OSError, ValueError) as err:
            logger.warning(
                "No winner is kept: %s of %s cannot be read: %s", self._filepath, earlier[0], err
            )
            return {}
