"""A Kedro dataset for the candidates of a cell: a versioned folder of model bundles.

A version is complete or does not exist. The list of its candidates is written last; what a killed
run left without it, or with a candidate missing, counts as no version.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from kedro.io import DatasetError
from kedro.io.core import (
    AbstractVersionedDataset,
    Version,
    VersionNotFoundError,
    get_filepath_str,
    get_protocol_and_path,
)

from rightfit._core.errors import RightfitError
from rightfit._core.processes.leftovers import in_use, sweep_folders, temporary_folder
from rightfit.models.bundle import Bundle, read_bundle
from rightfit.models.bundle_files import LIST, MANIFEST, is_plain_name, read_manifest


class StoredBundles(Mapping[str, Bundle]):
    """Stored candidates by name; one is read, and its files are checked, when it is asked for."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder = folder
        self._names = names
        self._read: dict[str, Bundle] = {}

    def __contains__(self, name: object) -> bool:  # Mapping's own reads it
        return name in self._names

    def __getitem__(self, name: str) -> Bundle:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            try:
                self._read[name] = read_bundle(self._folder / name)
            except (OSError, ValueError) as err:
                raise DatasetError(str(err)) from err
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class ModelBundlesDataset(AbstractVersionedDataset[Mapping[str, Bundle], Mapping[str, Bundle]]):
    """Save bundles as one sub-folder per candidate; load them with their hashes checked.

    Bundles of a remote file system are read from a local copy that lasts until the next load or
    Kedro's release of the dataset.

    Example catalog entry::

        "{dataset}.{model}.candidates":
          type: rightfit_kedro.datasets.model_bundles.ModelBundlesDataset
          filepath: data/06_models/{dataset}/{model}/candidates
          versioned: true

    The folder is local, or of any file system that fsspec knows.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        may_be_missing: bool = False,
        fs_args: dict[str, Any] | None = None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        protocol, path = get_protocol_and_path(filepath, version)
        self._protocol = protocol
        self._may_be_missing = may_be_missing
        self._fs = fsspec.filesystem(protocol, **(fs_args or {}), **(credentials or {}))
        self._local_copy = contextlib.ExitStack()
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._is_complete,
            glob_function=self._fs.glob,
        )

    def save(self, data: Mapping[str, Bundle]) -> None:
        """Copy the bundles' folders."""
        target = get_filepath_str(self._get_save_path(), self._protocol)
        self._fs.makedirs(target, exist_ok=True)
        with contextlib.ExitStack() as marked:
            if self._protocol == "file" and self._version is not None:
                version = Path(target).parent
                sweep_folders(version.parent.iterdir())  # what killed runs left
                marked.enter_context(in_use(version))
            for name, bundle in data.items():
                self._fs.makedirs(f"{target}/{name}", exist_ok=True)
                for file in (*sorted(bundle.files), MANIFEST):  # the manifest makes it a bundle
                    self._fs.put_file(str(bundle.path / file), f"{target}/{name}/{file}")
            self._fs.pipe_file(f"{target}/{LIST}", json.dumps(sorted(data)).encode())
        self._fs.invalidate_cache()

    def load(self) -> StoredBundles:
        """List the bundles; those of a remote file system are copied to a local folder first.

        Returns:
            Bundles by candidate name, read when they are asked for; none where the entry
            ``may_be_missing`` and no run has written it.

        Raises:
            ValueError: If the version is not complete.
        """
        try:
            stored = get_filepath_str(self._get_load_path(), self._protocol)
        except VersionNotFoundError:
            if not self._may_be_missing:
                raise
            return StoredBundles(Path(), [])
        names = self._list_complete(stored)
        if names is None:
            raise RightfitError(
                f"{stored} is no complete set of candidates: the run that wrote it was cut off, or "
                "files were removed since. Run: kedro run --pipelines training"
            )
        if self._protocol == "file":
            return StoredBundles(Path(stored), names)
        self._local_copy.close()
        with contextlib.ExitStack() as fetched:
            copy = fetched.enter_context(temporary_folder("bundles"))
            for name in names:
                folder = copy / name
                folder.mkdir()
                self._fs.get_file(f"{stored}/{name}/{MANIFEST}", str(folder / MANIFEST))
                for file in read_manifest(folder)[0]["files"]:
                    self._fs.get_file(f"{stored}/{name}/{file}", str(folder / file))
            self._local_copy = fetched.pop_all()
        return StoredBundles(copy, names)

    def _list_complete(self, stored: str) -> list[str] | None:
        """Return the names of a version's candidates; ``None`` if it is not complete.

        A list in a bucket may hold anything: only plain names are names of candidates.
        """
        try:
            names = json.loads(self._fs.cat_file(f"{stored}/{LIST}"))
        except (OSError, ValueError):
            return None
        is_complete = isinstance(names, list) and all(
            is_plain_name(name) and self._fs.exists(f"{stored}/{name}/{MANIFEST}") for name in names
        )
        return names if is_complete else None

    def _is_complete(self, stored: str) -> bool:
        return self._list_complete(stored) is not None

    def _exists(self) -> bool:
        return self._is_complete(get_filepath_str(self._get_load_path(), self._protocol))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol, "version": self._version}

    def _release(self) -> None:
        super()._release()
        self._fs.invalidate_cache()
        self._local_copy.close()
