"""JSON files that hold one record: nodes receive the record, other tools plain JSON."""

from __future__ import annotations

import importlib
from typing import Any

from kedro.io.core import VersionNotFoundError
from kedro_datasets.json import JSONDataset
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

    def _adapter(self) -> TypeAdapter[object]:
        module, _, name = self._model.rpartition(".")
        return TypeAdapter(getattr(importlib.import_module(module), name))

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "model": self._model}
