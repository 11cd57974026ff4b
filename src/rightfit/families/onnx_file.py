"""Check an ONNX file before a runtime opens it: it may read the files of its own bundle only."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from rightfit.families.bundle_files import open_regular

_LOCATION = b"location"  # the key under which a tensor names a file


def check_onnx_file(path: Path, *, listed: Collection[str]) -> None:
    """Refuse a model whose weights lie in files that the bundle does not list.

    Raises:
        ValueError: If it is no ONNX model, or names another file.
    """
    foreign = sorted(set(list_external_files(path)) - set(listed))
    if foreign:
        raise ValueError(
            f"{path} keeps weights in {[name[:80] for name in foreign[:10]]}, which bundle.json "
            "does not list: they are not checked, so they are not read. Export the model whole."
        )


def list_external_files(path: Path) -> list[str]:
    """Return the names of the files that hold weights of a model, none for most.

    Raises:
        ValueError: If it is no ONNX model.
    """
    if not _may_name_files(path):
        return []
    import onnx
    from google.protobuf.message import DecodeError

    try:
        with open_regular(path) as file:
            model = onnx.ModelProto.FromString(file.read())
    except DecodeError as err:
        raise ValueError(f"{path} is no ONNX model: {err}") from err
    return sorted(set(_name_external_files(model)))


def _may_name_files(path: Path) -> bool:
    with open_regular(path) as file:
        if not path.stat().st_size:
            raise ValueError(f"{path} is no ONNX model: it is empty.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(_LOCATION) >= 0


def _name_external_files(message: Any) -> Iterator[str]:
    """Find the tensors kept outside, wherever in the model: graphs, branches, functions."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield from (entry.value for entry in message.external_data if entry.key == "location")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "DESCRIPTOR") else value:
                yield from _name_external_files(part)
