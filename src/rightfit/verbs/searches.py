"""Databases of the searches, for Optuna's tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rightfit.tuning.studies.study_store import StudyStore

FILE = "studies.db"


def find_studies(store: StudyStore, cell: str | None) -> str:
    """Return the database URL of a cell's studies.

    Args:
        store: All searches.
        cell: ``{dataset}.{model}``; not needed where one database holds all studies.

    Raises:
        ValueError: If the cell was not searched, or none is named where each has a file.
    """
    if store.storage is not None:
        return store.storage
    searched = list_searched_cells(store.folder)
    if not searched:
        raise ValueError(
            f"No search has been kept in {store.folder} yet. Run: kedro run --pipelines training"
        )
    if cell not in searched:
        wrong = (
            "Each cell has a file of its own" if cell is None else f"No search of {cell} is kept"
        )
        raise ValueError(f"{wrong}; name one of: {', '.join(searched)}")
    return f"sqlite:///{store.folder.joinpath(*cell.split('.'), FILE)}"


def list_searched_cells(folder: Path) -> list[str]:
    """Return the cells whose studies lie in files of their own."""
    return sorted(
        ".".join(file.parent.relative_to(folder).parts) for file in folder.glob(f"*/*/{FILE}")
    )
