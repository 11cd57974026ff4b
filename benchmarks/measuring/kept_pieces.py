"""What pieces of a benchmark found, kept in files, so that it can run a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

Found = TypeVar("Found")


class KeptPieces:
    """Pieces in a folder.

    Args:
        folder: Where they lie; ``None``: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def find(self, piece: str, kind: Any, make: Callable[[], Found]) -> Found:
        """Return what was kept of a piece, or make and keep it."""
        if self._folder is None:
            return make()
        file, adapter = self._folder / f"{piece}.json", TypeAdapter[Found](kind)
        if not file.is_file():
            file.write_bytes(adapter.dump_json(make()))
        return adapter.validate_json(file.read_bytes())
