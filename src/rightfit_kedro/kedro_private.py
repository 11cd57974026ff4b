"""The private names of Kedro that Rightfit uses, each with what Kedro could offer instead.

``tests/structure/test_kedro_private.py`` finds private names elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard

from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.io import AbstractDataset, AbstractVersionedDataset, CatalogProtocol
from kedro.io.core import Version, VersionNotFoundError
from kedro.runner import AbstractRunner

Catalog = CatalogProtocol[Any, Any]
Dataset = AbstractDataset[Any, Any]
Versioned = AbstractVersionedDataset[Any, Any]


def find_path(dataset: Dataset | None) -> Path | None:
    """Return the local file or folder of an entry, its versions left out; ``None`` if none.

    Ask upstream: a public ``filepath`` and ``protocol`` of datasets that have one.
    """
    if getattr(dataset, "_protocol", "file") != "file":
        return None
    for name in ("_filepath", "_path", "_folder"):
        path = getattr(dataset, name, None)
        if path is not None:
            return Path(str(path))
    return None


def find_versioned_path(dataset: Dataset | None, version: str | None = None) -> Path | None:
    """Return the local file or folder that an entry reads.

    Ask upstream: a public method that returns the path of a version.

    Args:
        dataset: The entry.
        version: Which of its versions; ``None`` for the one that a run would load.

    Returns:
        ``None`` where it is not local, or has no such version.
    """
    path = find_path(dataset)
    if path is None or not is_versioned(dataset):
        return path
    # where it is missing, the node that reads it says so
    read = version or find_load_version(dataset)
    return path / read / path.name if read else None


def find_load_version(dataset: Dataset | None) -> str | None:
    """Return the version that a run would load; ``None`` if there is none.

    Ask upstream: a public ``is_versioned``, and a ``resolve_load_version`` that returns ``None``
    where nothing is stored.
    """
    try:
        return dataset.resolve_load_version() if is_versioned(dataset) else None
    except VersionNotFoundError:
        return None


def is_versioned(dataset: Dataset | None) -> TypeGuard[Versioned]:
    """Tell whether an entry is versioned.

    Ask upstream: a public ``is_versioned``; ``resolve_save_version`` tells, but may set a version.
    """
    return isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None


def pin_versions(dataset: Versioned, *, load: str | None = None, save: str | None = None) -> None:
    """Let a dataset load one version, as ``--load-versions`` does, or save another.

    A version to load that is pinned already stays.

    Ask upstream: a hook after the catalog is made and before it is used that may add to
    ``load_versions`` and name the run; today the hooks see the pipeline only when the catalog is
    made.
    """
    current = dataset._version
    if current is not None:
        dataset._version = Version(current.load or load, save or current.save)


def delete_version(dataset: Versioned, version: str) -> bool:
    """Delete a version of a result; tell whether there was any.

    Ask upstream: a public way to delete a version.
    """
    # all file-based datasets keep their file system so
    files, folder = dataset._fs, str(dataset._filepath / version)  # type: ignore[attr-defined]
    if not files.exists(folder):
        return False
    files.rm(folder, recursive=True)
    dataset.release()
    return True


def tells_existence(dataset: Dataset) -> bool:
    """Tell whether an entry of this kind knows if its source exists.

    Ask upstream: ``exists`` that returns ``None`` where a dataset cannot tell; today it warns and
    returns false.
    """
    return type(dataset)._exists is not AbstractDataset._exists


def list_requested_pipelines() -> list[str] | None:
    """Return the pipelines that this run asks for; ``None`` where no run asks for any.

    Ask upstream: the names of the requested pipelines in the hook ``after_context_created``.
    """
    return pipelines._requested_pipelines


def validate_only(context: KedroContext, names: Iterable[str]) -> None:
    """Let Kedro check the parameters of these pipelines alone.

    Ask upstream: a public setting of the pipelines whose parameters are validated.
    """
    context._pipelines_to_validate = list(names)


def is_async(runner: AbstractRunner) -> bool:
    """Tell whether a runner loads and saves in threads (``--runner-params=is_async=True``).

    Ask upstream: a public ``is_async``.
    """
    return runner._is_async
