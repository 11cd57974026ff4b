"""Print where a cell's searches are kept, for Optuna's tools."""

from __future__ import annotations

import re

import click

from rightfit.cli.options import faults_as_message
from rightfit_kedro.stored_results import ProjectLocation, where
from rightfit_search.searching.studies.study_store import STUDIES_FILE, StudyStore

SECTION = "Look"


@click.command()
@click.option("--show-password", is_flag=True, help="Print the URL as it is, with its password.")
@click.argument("cell", required=False)
@where
def studies(location: ProjectLocation, cell: str | None, *, show_password: bool) -> None:
    """Print where a cell's searches are kept, for Optuna's tools.

    CELL is a dataset and a model: landsat.forest. optuna-dashboard shows what is kept there.
    """
    with faults_as_message():
        url = find_studies(location.open_results().load_current("studies"), cell)
    click.echo(url if show_password else hide_password(url))


def find_studies(store: StudyStore, cell: str | None) -> str:
    """Return the path of a cell's journal, or the URL of the database.

    Raises:
        ValueError: If the cell was not searched, or none is named where each has a file.
    """
    if store.storage is not None:
        return store.storage
    folder = store.folder
    files = folder.glob(f"*/*/{STUDIES_FILE}")
    searched = sorted({".".join(file.parent.relative_to(folder).parts) for file in files})
    if not searched:
        raise ValueError(
            f"No search has been kept in {folder} yet. Run: kedro run --pipelines training"
        )
    if cell not in searched:
        wrong = (
            "Each cell has a file of its own" if cell is None else f"No search of {cell} is kept"
        )
        raise ValueError(f"{wrong}; name one of: {', '.join(searched)}")
    return store.cell(cell).place


def hide_password(url: str) -> str:
    """Return the URL of a database without its password.

    >>> hide_password("postgresql://me:secret@host/db")
    'postgresql://me:***@host/db'
    """
    return re.sub(r"^([^:/]+://[^@:/]*:).+@", r"\1***@", url)
