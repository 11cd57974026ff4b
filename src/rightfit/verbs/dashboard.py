"""Look into a cell's searches with optuna-dashboard, in a browser on this machine."""

from __future__ import annotations

from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import click

from rightfit.formatting import clean_text
from rightfit.verbs.local_server import HOST, guard_wsgi
from rightfit.verbs.options import PORT
from rightfit.verbs.stored import Place, where
from rightfit.verbs.studies import find_studies, hide_password

SECTION = "Look"


class ThreadedServer(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread of its own."""

    daemon_threads = True


@click.command()
@click.option("--port", type=PORT, default=8080, show_default=True, help="Port to listen on.")
@click.argument("cell", required=False)
@where
def dashboard(place: Place, cell: str | None, *, port: int) -> None:
    """Look into a cell's searches with optuna-dashboard, in a browser on this machine.

    CELL is a dataset and a model: landsat.forest.
    """
    url = None  # it may hold a password, so it never becomes part of a command line
    try:
        url = find_studies(place.open_results().load_current("studies"), cell)
        from optuna_dashboard import wsgi

        with make_server(HOST, port, guard_wsgi(wsgi(url)), server_class=ThreadedServer) as server:
            click.echo(f"Listening on http://{HOST}:{port}/ - Ctrl-C ends it.", err=True)
            server.serve_forever()
    except KeyboardInterrupt:
        return
    except (ImportError, OSError, ValueError) as err:
        raise click.ClickException(clean_text(hide_password(url, str(err)))) from err
