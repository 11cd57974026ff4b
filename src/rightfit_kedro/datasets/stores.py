"""The catalog's handles of places that nodes write to as they go: JSON documents, searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from rightfit._core.processes.json_store import JsonStore
from rightfit_search.searching.studies.study_store import StudyStore


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


class StudyStoreDataset(AbstractDataset[NoReturn, StudyStore]):
    """Hand a node the store of its searches; the searches themselves write to it as they go.

    It is not versioned: a search is continued by later runs.

    Example catalog entry::

        studies:
          type: rightfit_kedro.datasets.stores.StudyStoreDataset
          filepath: data/06_models/studies

    Args:
        filepath: Local folder of the trials' bundles and, without ``credentials``, the studies.
            Hosts whose workers train mount the same folder.
        credentials: ``storage``, the database URL of the studies.
        metadata: Anything; Kedro ignores it.
    """

    def __init__(
        self,
        *,
        filepath: str,
        credentials: dict[str, str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = Path(filepath)
        self._storage = (credentials or {}).get("storage")
        self.metadata = metadata

    def load(self) -> StudyStore:
        """Return the store; it need not exist yet."""
        return StudyStore(self._filepath, self._storage)

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: searches write to their store themselves."""
        raise NotImplementedError("A study store is written by the search that uses it.")

    def _exists(self) -> bool:
        return True  # created when first used

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "storage": "database" if self._storage else "file"}
