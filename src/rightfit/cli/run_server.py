"""Run pipelines on request, for programs on this machine (Kedro's HTTP server)."""

from __future__ import annotations

from pathlib import Path

import click
from kedro.utils import find_kedro_project

from rightfit.cli.local_server import HOST, guard_asgi
from rightfit.cli.options import PORT

SECTION = "Run"


@click.command()
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port to listen on.")
@click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
@click.option("--conf-source", help="Folder or archive of the configuration.")
def run_server(port: int, env: str | None, conf_source: str | None) -> None:
    """Run pipelines on request, for programs on this machine (Kedro's HTTP server)."""
    project = find_kedro_project(Path.cwd())
    if project is None:
        raise click.ClickException("Pipelines are run in a Kedro project; here is none.")
    import uvicorn
    from kedro.server.http_server import create_http_server

    app = create_http_server(project, env=env, conf_source=conf_source)
    uvicorn.run(guard_asgi(app), host=HOST, port=port, log_level="info")
