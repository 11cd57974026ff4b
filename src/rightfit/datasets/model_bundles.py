"""A Kedro dataset for the candidates of a cell: a versioned folder of model bundles."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io.core import AbstractVersionedDataset, Version, get_filepath_str, get_protocol_and_path

from rightfit.families.bundle import Bundle, read_bundle
from rightfit.families.bundle_files import MANIFEST, is_plain_name, parse_manifest, read_manifest


class ModelBundlesDataset(AbstractVersionedDataset[dict[str, Bundle], dict[str, Bundle]]):
    """Save bundles as one sub-folder per candidate; load them with their hashes checked.

    Bundles of a remote file system are read from a local copy that lasts until the next load or
    Kedro's release of the dataset.

    Example catalog entry::

        "{dataset}.{model}.candidates":
          type: rightfit.datasets.model_bundles.ModelBundlesDataset
          filepath: data/06_models/{dataset}/{model}/candidates
          versioned: true

    Args:
        filepath: Folder, local or of any file system fsspec knows.
        version: Kedro's version.
        fs_args: Arguments of the file system.
        credentials: Credentials of the file system.
        metadata: Anything; Kedro ignores it.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        fs_args: dict[str, Any] | None = None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        import fsspec

        protocol, path = get_protocol_and_path(filepath, version)
        self._protocol = protocol
        self._fs = fsspec.filesystem(protocol, **(fs_args or {}), **(credentials or {}))
        self._local_copy: tempfile.TemporaryDirectory[str] | None = None
        self.metadata = metadata
        super().__init__(
            filepath=PurePosixPath(path),
            version=version,
            exists_function=self._fs.exists,
            glob_function=self._fs.glob,
        )

    def save(self, data: dict[str, Bundle]) -> None:
        """Copy the bundles' folders.

        Args:
            data: Bundles by candidate name.
        """
        target = get_filepath_str(self._get_save_path(), self._protocol)
        self._fs.makedirs(target, exist_ok=True)
        for name, bundle in data.items():
            self._fs.makedirs(f"{target}/{name}", exist_ok=True)
            for file in (*sorted(bundle.files), MANIFEST):  # the manifest makes it a bundle
                self._fs.put_file(str(bundle.path / file), f"{target}/{name}/{file}")
        self._invalidate_cache()

    def load(self) -> dict[str, Bundle]:
        """Read the bundles; those of a remote file system are copied to a local folder first.

        Returns:
            Bundles by candidate name.
        """
        source = self._fetch(get_filepath_str(self._get_load_path(), self._protocol))
        return {folder.name: read_bundle(folder) for folder in sorted(source.iterdir())}

    def _fetch(self, source: str) -> Path:
        if self._protocol == "file":
            return Path(source)
        self._drop_local_copy()
        self._local_copy = tempfile.TemporaryDirectory(prefix="rightfit-bundles-")
        copy = Path(self._local_copy.name)
        try:
            for remote in sorted(self._fs.ls(source, detail=False)):
                self._fetch_bundle(remote, copy)
        except BaseException:
            self._drop_local_copy()
            raise
        return copy

    def _fetch_bundle(self, remote: str, copy: Path) -> None:
        """Copy the files that a bundle lists; a name in a bucket may hold anything."""
        name = PurePosixPath(remote).name
        if not is_plain_name(name):
            raise ValueError(f"{remote!r} is no name of a candidate; remove it from the storage.")
        folder = copy / name
        folder.mkdir()
        self._fs.get_file(f"{remote}/{MANIFEST}", str(folder / MANIFEST))
        for file in parse_manifest(read_manifest(folder), folder)["files"]:
            self._fs.get_file(f"{remote}/{file}", str(folder / file))

    def _exists(self) -> bool:
        return bool(self._fs.exists(get_filepath_str(self._get_load_path(), self._protocol)))

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "protocol": self._protocol, "version": self._version}

    def _release(self) -> None:
        super()._release()
        self._invalidate_cache()
        self._drop_local_copy()

    def _drop_local_copy(self) -> None:
        if self._local_copy is not None:
            self._local_copy.cleanup()
            self._local_copy = None

    def _invalidate_cache(self) -> None:
        self._fs.invalidate_cache()
