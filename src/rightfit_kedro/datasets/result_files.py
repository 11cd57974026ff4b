"""Results as files: a record as JSON, which nodes receive as the record, and the report."""

from __future__ import annotations

import importlib
import json
from pathlib import PurePosixPath
from typing import Any

from kedro.io.core import VersionNotFoundError
from kedro_datasets._typing import JSONPreview
from kedro_datasets.json import JSONDataset
from kedro_datasets.text import TextDataset
from pydantic import TypeAdapter


class JsonModelDataset(JSONDataset):  # type: ignore[misc]
    """Saves a Pydantic model or a dataclass as JSON and loads it back, checked.

    Args:
        model: Import path of the record's class.
        missing: Content, as JSON types, of what no run has written; ``None``: that is an error.
        **json_args: As for kedro-datasets' ``JSONDataset``: ``filepath``, ``version`` and others.
    """

    def __init__(self, *, model: str, missing: Any = None, **json_args: Any) -> None:
        super().__init__(**json_args)
        self._model = model
        self._missing = missing

    def load(self) -> object:
        """Return the record.

        Raises:
            DatasetError: If the file cannot be read, or its content is of another form.
        """
        try:
            content = JSONDataset.load.__wrapped__(self)
        except VersionNotFoundError:
            if self._missing is None:
                raise
            content = self._missing
        return self._adapter().validate_python(content)

    def save(self, data: object) -> None:
        """Save the record."""
        JSONDataset.save.__wrapped__(
            self, self._adapter().dump_python(data, mode="json", warnings="error")
        )

    def preview(self) -> JSONPreview:
        """Return the record as JSON, as kedro-viz shows it."""
        record = self._copy().load()
        return JSONPreview(json.dumps(self._adapter().dump_python(record, mode="json")))

    def _adapter(self) -> TypeAdapter[object]:
        module, _, name = self._model.rpartition(".")
        return TypeAdapter(getattr(importlib.import_module(module), name))

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "model": self._model}


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
        """Save a version, then the latest."""
        TextDataset.save.__wrapped__(self, data)
        with self._fs.open(str(self.latest), **self._fs_open_args_save) as file:
            file.write(data)
