"""An exported folder, checked before it is served."""

from __future__ import annotations

from pathlib import Path

from rightfit.families.bundle_files import hash_file, is_plain_name
from rightfit.serving.export import HASHES

NEEDED = ("model.json", "model.onnx", "profile.json")


def check_export(folder: Path) -> None:
    """Refuse a folder that is no export, or not as it was exported.

    Raises:
        ValueError: If ``SHA256SUMS`` is missing, leads out of the folder, or does not fit a file.
        OSError: If a file cannot be read.
    """
    if not (folder / HASHES).is_file():
        raise ValueError(
            f"{folder} is no exported model: it has no {HASHES}. Write one with: rightfit export"
        )
    listed = {}
    for line in (folder / HASHES).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if not name or not all(is_plain_name(part) for part in name.split("/")):
            raise ValueError(f"{folder / HASHES} has a line that is none of an export: {line!r}.")
        listed[name] = digest
    missing = [name for name in NEEDED if name not in listed]
    wrong = [name for name, digest in listed.items() if not _fits(folder / name, digest)]
    if missing or wrong:
        raise ValueError(
            f"{folder} is not as it was exported: {', '.join([*missing, *wrong])}. "
            "Export it again with: rightfit export --force"
        )


def _fits(path: Path, digest: str) -> bool:
    try:
        return hash_file(path) == digest
    except FileNotFoundError:
        return False
