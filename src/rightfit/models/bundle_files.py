"""Files of a bundle: plain names, regular files, bounded sizes, hashes; links are never followed.

A bundle may come from anybody. Whatever its files say, reading one touches nothing outside its
folder, and writing one replaces a link instead of what the link points to.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

from rightfit._core.errors import RightfitError
from rightfit._core.processes.file_locks import hold
from rightfit.models.export_check import PLAIN_NAME, list_external_files

MANIFEST = "bundle.json"
LIST = "candidates.json"  # beside the folders of a set of bundles: their names, in order
MAX_MANIFEST_BYTES = 16 * 2**20  # names of some hundred thousand columns

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe must not block
_TYPES: dict[str, tuple[type, ...]] = {
    "format_version": (int,),
    "model": (str,),
    "weights_file": (str,),
    "configuration": (dict,),
    "input_schema": (dict,),
    "data_version": (str,),
    "files": (dict,),
    "onnx": (dict, type(None)),
}


def is_plain_name(name: object) -> bool:
    """Tell whether a file of this name lies in the folder itself, on every system.

    >>> [is_plain_name(name) for name in ("model.onnx", "../model.onnx", "a/b", "", ".hidden")]
    [True, False, False, False, False]
    """
    return isinstance(name, str) and PLAIN_NAME.fullmatch(name) is not None


def check_onnx_file(path: Path, *, listed: Collection[str]) -> None:
    """Refuse a model whose weights lie in files that the bundle does not list.

    Raises:
        RightfitError: If it is no ONNX model, or names another file.
    """
    with open_regular(path) as file:
        try:
            foreign = sorted(set(list_external_files(file, path)) - set(listed))
        except ValueError as err:  # its module lies in exports, which know no RightfitError
            raise RightfitError(str(err)) from err
    if foreign:
        raise RightfitError(
            f"{path} keeps weights in {[name[:80] for name in foreign[:10]]}, which bundle.json "
            "does not list: they are not checked, so they are not read. Export the model whole."
        )


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading, unless it is a link, a folder, a pipe or a device.

    Raises:
        FileNotFoundError: If there is none.
        RightfitError: If it is anything but a regular file.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "no regular file"
        raise RightfitError(f"{path} is {kind}; only regular files are read. Copy the file itself.")
    descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RightfitError(
            f"{path} was exchanged while it was opened; only regular files are read."
        )
    return os.fdopen(descriptor, "rb")


def hash_regular_file(path: Path) -> str:
    """Return the SHA-256 (hex) of a regular file; raises what :func:`open_regular` raises."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_replacing(path: Path, content: bytes) -> None:
    """Write a file whole; a link in its place is replaced, its target is not touched."""
    with _replacing(path) as file:
        file.write(content)


def copy_replacing(source: Path, target: Path) -> None:
    """Copy a regular file; a link in the target's place is replaced, not followed."""
    with open_regular(source) as reading, _replacing(target) as writing:
        shutil.copyfileobj(reading, writing, 2**20)


@contextmanager
def _replacing(path: Path) -> Iterator[BufferedWriter]:
    """Open a file beside a path that takes its place once it is whole."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with partial.open("xb") as file:
        hold(file)
        yield file
        file.flush()
        partial.replace(path)


def read_manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """Read a bundle's ``bundle.json``; check the types of its fields and the names of its files.

    Returns:
        The manifest, and the SHA-256 (hex) of its content.

    Raises:
        FileNotFoundError: If there is none.
        RightfitError: If it is no regular file or too large, or naming every fault.
    """
    with open_regular(folder / MANIFEST) as file:
        content = file.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise RightfitError(
            f"{folder / MANIFEST} is larger than {MAX_MANIFEST_BYTES} bytes; that is no bundle."
        )
    try:
        manifest = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as err:
        raise RightfitError(f"{folder / MANIFEST} is not valid JSON: {err}") from err
    if not isinstance(manifest, dict):
        raise RightfitError(
            f"{folder / MANIFEST} must hold a JSON object: {type(manifest).__name__}"
        )
    faults = [
        f"{field} must be {' or '.join(kind.__name__ for kind in kinds)}"
        for field, kinds in _TYPES.items()
        if not isinstance(manifest.get(field, ...), kinds) or manifest.get(field) is True
    ]
    files = manifest.get("files")
    faults += _find_file_faults(files) if isinstance(files, dict) else []
    parity = manifest.get("onnx")
    if isinstance(parity, dict) and not all(type(x) in (int, float) for x in parity.values()):
        faults.append("onnx may hold numbers only")
    if not isinstance(manifest.get("onnx_refused"), str | None):
        faults.append("onnx_refused must be str or null")
    temperature = manifest.get("temperature")
    if temperature is not None and not (
        type(temperature) in (int, float) and 0 < temperature < sys.float_info.max
    ):
        faults.append("temperature must be a number above 0 or null")
    if faults:
        raise RightfitError(
            f"{folder / MANIFEST} describes no bundle: {'; '.join(faults)}. Delete the folder and "
            "train again, or get the model again from where it came from."
        )
    return manifest, hashlib.sha256(content).hexdigest()


def find_damaged(folder: Path, files: dict[str, str]) -> list[str]:
    """Return the names of listed files that are missing, links, or do not match their hashes."""
    damaged = []
    for name, expected in files.items():
        try:
            is_whole = hash_regular_file(folder / name) == expected
        except (OSError, ValueError):
            is_whole = False
        if not is_whole:
            damaged.append(name)
    return damaged


def _find_file_faults(files: dict[Any, Any]) -> list[str]:
    faults = [] if files else ["files lists no file"]
    names = [name for name in files if not is_plain_name(name) or name.startswith(MANIFEST)]
    if names:
        shown = [name[:80] for name in names[:10]]
        faults.append(f"files may hold plain file names only, but got {shown}")
    hashes = [
        name
        for name, value in files.items()
        if not (isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value))
    ]
    if hashes and not names:
        faults.append(f"files must give a SHA-256 of 64 hex digits for {hashes[:10]}")
    return faults


def _refuse_constant(name: str) -> None:
    raise RightfitError(f"{name} is not allowed in JSON")
