"""Look into a cell's searches with optuna-dashboard, in a browser on this machine."""

from __future__ import annotations

import click

from rightfit.formatting import clean_text
from rightfit.verbs.local_server import serve_dashboard
from rightfit.verbs.options import PORT
from rightfit.verbs.stored import Place, where
from rightfit.verbs.studies import find_studies, hide_password

SECTION = "Look"


@click.command()
@click.option("--port", type=PORT, default=8080, show_default=True, help="Port to listen on.")
@click.argument("cell", required=False)
@where
def dashboard(place: Place, cell: str | None, *, port: int) -> None:
    """Look into a cell's searches with optuna-dashboard, in a browser on this machine.

    CELL is a dataset and a model: landsat.forest.
    """
    url = None
    try:
        url = find_studies(place.open_results().load_current("studies"), cell)
        serve_dashboard(url, port=port)
    except KeyboardInterrupt:
        return
    except (ImportError, OSError, ValueError) as err:
        raise click.ClickException(clean_text(hide_password(url, str(err)))) from err
