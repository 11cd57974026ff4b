"""The report: a version for each run, and the latest as a file that a browser opens by its path."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from kedro_datasets.text import TextDataset

logger = logging.getLogger(__name__)


class ReportDataset(TextDataset):  # type: ignore[misc]
    """Saves a text as a version, and as the latest one two folders above it.

    Versions of ``08_reporting/reports/report.html`` are
    ``08_reporting/reports/report.html/VERSION/report.html``; the latest is also
    ``08_reporting/report.html``.
    """

    @property
    def latest(self) -> PurePosixPath:
        """Path of the latest report."""
        path: PurePosixPath = self._filepath
        return path.parents[1] / path.name

    def save(self, data: str) -> None:
        """Save a version, then the latest.

        A folder in the latter's place is left alone: an older version of Rightfit kept its
        reports there.
        """
        TextDataset.save.__wrapped__(self, data)
        latest = str(self.latest)
        if self._fs.isdir(latest):
            logger.warning("%s holds reports of an older version: delete it.", latest)
            return
        with self._fs.open(latest, **self._fs_open_args_save) as file:
            file.write(data)
