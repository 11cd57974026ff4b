"""Damaged results: what a disk, an editor or an attacker makes of stored files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Damage = Callable[[Path], None]


def _write(content: bytes) -> Damage:
    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def _truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = bytes(255 - byte for byte in content[middle : middle + 16])
    path.write_bytes(bytes(content))


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


DAMAGES: dict[str, Damage] = {
    "empty": _write(b""),
    "garbage": _write(bytes(range(256)) * 4),
    "truncated": _truncate,
    "flipped": _flip,
    "a folder": _make_folder,
    "gone": lambda path: path.unlink(),
    "a link to nowhere": _link_nowhere,
    "null": _write(b"null"),
    "an empty object": _write(b"{}"),
    "an empty list": _write(b"[]"),
    "a number": _write(b"5"),
    "deeply nested": _write(b"[" * 200_000),
    "not UTF-8": _write('{"é": 1}'.encode("latin-1")),
}
ONLY_TEXT = ("null", "an empty object", "an empty list", "a number", "deeply nested", "not UTF-8")


@dataclass(frozen=True)
class StoreCase:
    """A damaged file.

    Args:
        pattern: Which file, below the data root; the newest that fits.
        damage: Name in :data:`DAMAGES`.
    """

    pattern: str
    damage: str

    def __str__(self) -> str:
        return f"{self.pattern}: {self.damage}"

    def make(self, good: Path, data_root: Path) -> Path:
        """Copy good results and damage the file; return its path."""
        shutil.rmtree(data_root, ignore_errors=True)
        shutil.copytree(good, data_root)
        path = sorted(data_root.glob(self.pattern))[-1]
        DAMAGES[self.damage](path)
        return path


def list_cases(*patterns: str) -> Iterator[StoreCase]:
    """List every damage of files; those of texts only where the file is one."""
    for pattern in patterns:
        for damage in DAMAGES:
            if damage == "flipped" and pattern.endswith(".parquet"):
                continue  # polars compares no checksums
            if damage not in ONLY_TEXT or pattern.endswith(".json"):
                yield StoreCase(pattern, damage)
