"""Where the files of a dataset lie in a folder that is handed over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class HandoverFiles:
    """Files of a dataset.

    Args:
        rows: A .npy of the encoded test rows.
        raw_rows: A .npy of the raw ones.
        requests: Folder of ``encoder.json`` and of the graphs of encoder and model.
        bundles: Folder of the bundles.
    """

    rows: Path
    raw_rows: Path
    requests: Path
    bundles: Path


def require_plain(name: str) -> None:
    """Refuse the name of a dataset or bundle that leads out of its folder.

    Raises:
        ValueError: If it does.
    """
    if Path(name).name != name or name.startswith("."):
        raise ValueError(f"The name of a dataset or bundle must be a plain one, but got {name!r}.")


def find_files(folder: Path, dataset: str) -> HandoverFiles:
    """Return the places of a dataset's files.

    Raises:
        ValueError: If the name is no plain one.
    """
    require_plain(dataset)
    own = folder / "datasets" / dataset
    return HandoverFiles(own / "rows.npy", own / "raw_rows.npy", own / "requests", own / "bundles")
