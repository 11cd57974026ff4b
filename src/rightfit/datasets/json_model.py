"""JSON files that hold one Pydantic model: nodes receive the model, other tools plain JSON."""

from __future__ import annotations

import importlib
from typing import Any

from kedro_datasets.json import JSONDataset
from pydantic import BaseModel


class JsonModelDataset(JSONDataset):  # type: ignore[misc]
    """Saves a model as JSON and loads it back, checked.

    Args:
        model: Import path of the model's class.
        **json_args: As for kedro-datasets' ``JSONDataset``: ``filepath``, ``version`` and others.
    """

    def __init__(self, *, model: str, **json_args: Any) -> None:
        super().__init__(**json_args)
        self._model = model

    def load(self) -> BaseModel:
        """Return the model.

        Raises:
            DatasetError: If the file cannot be read, or its content is of another form.
        """
        module, _, name = self._model.rpartition(".")
        found: type[BaseModel] = getattr(importlib.import_module(module), name)
        return found.model_validate(JSONDataset.load.__wrapped__(self))

    def save(self, data: BaseModel) -> None:
        """Save the model."""
        JSONDataset.save.__wrapped__(self, data.model_dump(mode="json"))

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "model": self._model}
