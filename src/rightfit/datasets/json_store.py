"""The catalog's handle of a folder of JSON documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from rightfit.processes.json_store import JsonStore


class JsonStoreDataset(AbstractDataset[NoReturn, JsonStore]):
    """Loads the handle of a :class:`JsonStore`, also when its folder does not exist yet.

    Nodes write to the store through the handle, so that what they have made survives an
    interruption. It is therefore never a node's output, and not versioned: the key says what a
    document belongs to.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._folder = Path(filepath)
        self.metadata = metadata

    def load(self) -> JsonStore:
        """Return the store's handle, after sweeping what killed writers have left."""
        store = JsonStore(self._folder)
        store.sweep()
        return store

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse: a store is written through its handle.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._folder} is written through its handle; load it and call put.")

    def _exists(self) -> bool:
        return True  # an empty store is a store

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
