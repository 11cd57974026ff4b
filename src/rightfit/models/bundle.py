"""Model bundles: a trained model as a folder of checked files.

``bundle.json`` says what the model is and holds the SHA-256 of every other file. It names the
model's family as the configuration does, never by an import path: reading a bundle imports nothing.
The same model lies there twice: the family's own weights and, once exported, ``model.onnx``. A
runtime may derive a file of its own from that, as 8-bit weights are (``runtimes.py``).

Anybody's ONNX files are opened. Native weights are opened only in a **trusted** bundle: one that
this data root wrote, or that the user says to trust. SECURITY.md says why.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightfit._core.errors import RightfitError
from rightfit._core.extras import find_versions
from rightfit.models.bundle_files import (
    MANIFEST,
    check_onnx_file,
    find_damaged,
    hash_regular_file,
    read_manifest,
    write_replacing,
)
from rightfit.models.predictions import Parity
from rightfit.models.references import load_family
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration, ServedFamily

FORMAT_VERSION = 2
ONNX_FILE = "model.onnx"
ONNX_ONLY = "rightfit.models.imported.objects:onnx"  # family of what exists as an ONNX file alone


@dataclass(frozen=True)
class Bundle:
    """A model on disk whose files were checked against their hashes.

    Args:
        path: The bundle's folder.
        model: The model's name in the configuration.
        weights_file: Name of the file with the family's own weights.
        configuration: Its hyper-parameters.
        schema: Its input columns and classes.
        data_version: Version of the data it was trained on.
        files: SHA-256 (hex) of each file beside ``bundle.json``.
        onnx: How the ONNX export compares with the native model; ``None`` before the export.
        onnx_refused: Why there is no export; ``None`` where there is one, or none was tried.
        sha256: SHA-256 (hex) of ``bundle.json``, which stands for the whole content.
        family: Reference of its family, from the configuration; ``None`` where the reader did not
            need it.
        is_trusted: Whether its native weights may be opened.
        n_training_rows: Rows that it has learnt from; ``None``: not known.
        temperature: Of its probabilities, see ``calibration.py``; ``None``: none was learnt.
    """

    path: Path
    model: str
    weights_file: str
    configuration: Configuration
    schema: InputSchema
    data_version: str
    files: dict[str, str]
    onnx: Parity | None
    onnx_refused: str | None
    sha256: str
    family: str | None
    is_trusted: bool = False
    n_training_rows: int | None = None
    temperature: float | None = None

    @property
    def weights_sha256(self) -> str:
        """SHA-256 (hex) of the native weights."""
        return self.files[self.weights_file]

    def load_family(self) -> ServedFamily:
        """Return the family that the reader of the bundle named.

        Raises:
            RightfitError: If it named none.
        """
        if self.family is None:
            raise RightfitError(
                f"The native model {self.model} in {self.path} needs its family; name it: "
                "read_bundle(folder, family='forest')."
            )
        return load_family(self.family)

    def load_native(self) -> Any:
        """Load the family's own model.

        Raises:
            RightfitError: As :meth:`locate` and :meth:`load_family`.
            ValueError: If its weights do not fit it.
        """
        path = self.locate(self.weights_file)
        return self.load_family().load_weights(path, self.configuration, self.schema)

    def locate(self, name: str) -> Path:
        """Return the path of a file whose hash was checked, to open it.

        Raises:
            RightfitError: If the bundle does not list it.
            RightfitError: If it holds native weights, and the bundle is not trusted.
        """
        if name not in self.files:
            raise RightfitError(
                f"Bundle {self.path} has no {name}; {MANIFEST} lists {sorted(self.files)}, and "
                "nothing else is loaded."
            )
        if not self.may_open(name):
            raise RightfitError(
                f"{name} of bundle {self.path} is not opened: this data root has no record of "
                "writing it, and a wrong file may crash its library or make it read foreign "
                f"memory. Use {ONNX_FILE}, which anybody may have written, or say that you trust "
                "who wrote it: trust: true in the configuration, --trust, or trust=True."
            )
        return self.path / name

    def may_open(self, name: str) -> bool:
        """Tell whether a file may be opened: ONNX of anybody, the rest only of a trusted bundle."""
        return self.is_trusted or name.endswith(".onnx")


def write_bundle(
    folder: Path,
    trained: Any,
    *,
    model: str,
    family: str,
    configuration: Configuration,
    schema: InputSchema,
    data_version: str,
    n_training_rows: int | None = None,
) -> Bundle:
    """Write a trained model's native weights as a bundle.

    The family's reference is not written.

    Returns:
        The bundle, not yet exported to ONNX.
    """
    folder.mkdir(parents=True, exist_ok=True)
    served_family = load_family(family)
    served_family.save_weights(trained, folder / served_family.weights_file)
    return write_bundle_files(
        folder,
        model=model,
        family=family,
        weights_file=served_family.weights_file,
        configuration=configuration,
        schema=schema,
        data_version=data_version,
        files=[served_family.weights_file],
        n_training_rows=n_training_rows,
    )


def write_bundle_files(
    folder: Path,
    *,
    model: str,
    family: str,
    weights_file: str,
    configuration: Configuration,
    schema: InputSchema,
    data_version: str = "",
    files: Sequence[str] | None = None,
    n_training_rows: int | None = None,
) -> Bundle:
    """Write the manifest of a folder that holds a model. The family's reference is not written.

    Args:
        folder: The folder.
        model: The model's name in the configuration.
        family: Reference of its family.
        weights_file: Name of the file with the family's own weights.
        configuration: Its hyper-parameters.
        schema: Its input columns and classes.
        data_version: Version of the data it was trained on; empty: not known.
        files: Files that become part of the bundle; ``None``: all in the folder.
        n_training_rows: Rows that the model has learnt from; ``None``: not known.

    Returns:
        The bundle, trusted: whoever calls this has asked whether the model's file is.
    """
    names = sorted(file.name for file in folder.iterdir()) if files is None else files
    manifest = {
        "format_version": FORMAT_VERSION,
        "model": model,
        "weights_file": weights_file,
        "configuration": configuration,
        "input_schema": schema.to_dict(),
        "data_version": data_version,
        "n_training_rows": n_training_rows,
        "versions": _versions(family),
        "onnx": None,
        "files": {name: hash_regular_file(folder / name) for name in names},
    }
    for name in names:
        if name.endswith(".onnx"):
            check_onnx_file(folder / name, listed=names)
    return write_manifest(folder, manifest, family, trust=True)


def read_bundle(
    folder: Path,
    *,
    family: str | None = None,
    trust: bool = False,
    checked_sha256: str | None = None,
) -> Bundle:
    """Read a bundle, checking every file's hash.

    Args:
        folder: The bundle's folder; other files in it are neither read nor checked.
        family: Reference of the model's family, from the configuration or the job that asks, for
            those who open the native model.
        trust: Whether its native weights may be opened: the caller knows who wrote them.
        checked_sha256: SHA-256 of ``bundle.json`` when its ONNX files were checked before. A
            measuring process passes it: reading them twice would spoil its memory figures.

    Raises:
        FileNotFoundError: If the folder holds no ``bundle.json``.
        RightfitError: If it was written in another format, a file is missing, was changed, or is a
            link, or an ONNX file keeps weights in a file that the bundle does not list.
    """
    manifest, sha256 = read_manifest(folder)
    if manifest["format_version"] != FORMAT_VERSION:
        raise RightfitError(
            f"{folder / MANIFEST} has format_version {manifest['format_version']}; this version "
            f"of rightfit reads {FORMAT_VERSION}. Train the model again."
        )
    try:
        schema = InputSchema.from_dict(manifest["input_schema"])
    except ValueError as err:
        raise RightfitError(f"{folder / MANIFEST}: {err} Train the model again.") from err
    if checked_sha256 not in (None, sha256):
        raise RightfitError(f"{folder / MANIFEST} was changed after it was checked. Run again.")
    if changed := find_damaged(folder, manifest["files"]):
        raise RightfitError(
            f"Bundle {folder} is damaged: {changed} are missing, links, or do not match the "
            f"hashes in {MANIFEST}. Restore them, or delete the folder and train again."
        )
    for name in manifest["files"] if checked_sha256 is None else ():
        if name.endswith(".onnx"):
            check_onnx_file(folder / name, listed=manifest["files"])
    return Bundle(
        path=folder,
        model=manifest["model"],
        weights_file=manifest["weights_file"],
        configuration=manifest["configuration"],
        schema=schema,
        data_version=manifest["data_version"],
        files=manifest["files"],
        onnx=manifest["onnx"],
        onnx_refused=manifest.get("onnx_refused"),
        sha256=sha256,
        family=family,
        is_trusted=trust,
        n_training_rows=manifest.get("n_training_rows"),
        temperature=manifest.get("temperature"),
    )


def set_temperature(bundle: Bundle, temperature: float) -> Bundle:
    """Note the temperature of a bundle's probabilities, before its export; return the bundle."""
    manifest, _ = read_manifest(bundle.path)
    manifest["temperature"] = temperature
    return write_manifest(bundle.path, manifest, bundle.family, trust=bundle.is_trusted)


@functools.cache
def _versions(family: str) -> dict[str, str]:
    """Return the versions of Python and of a family's libraries."""
    modules = ("numpy", "onnx", "onnxruntime", *load_family(family).native_imports)
    return {"python": platform.python_version()} | find_versions(modules)


def write_manifest(
    folder: Path, manifest: dict[str, Any], family: str | None, *, trust: bool
) -> Bundle:
    """Write a bundle's manifest, and read the bundle without checking its content again."""
    content = (json.dumps(manifest, indent=2) + "\n").encode()
    write_replacing(folder / MANIFEST, content)  # a bundle is there whole or not at all
    checked = hashlib.sha256(content).hexdigest()
    return read_bundle(folder, family=family, trust=trust, checked_sha256=checked)
