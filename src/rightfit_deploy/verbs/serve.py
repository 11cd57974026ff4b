"""Serve an exported model over HTTP, to this machine only unless --host says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rightfit.cli.options import GIVEN_FOLDER, PORT, FiniteRange, WholeRange, faults_as_message
from rightfit_deploy import server

SECTION = "Use"


@click.command()
@click.option("--host", default=server.HOST, show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port.")
@click.option(
    "--max-body-mib",
    type=FiniteRange(0, min_open=True),
    default=server.Limits.max_body_mib,
    show_default=True,
)
@click.option("--max-rows", type=WholeRange(1), default=server.Limits.max_rows, show_default=True)
@click.option(
    "--max-requests",
    type=WholeRange(1),
    default=server.Limits.max_requests,
    show_default=True,
    envvar=server.MAX_REQUESTS_VARIABLE,
    help="Requests served or waiting; further ones get status 503.",
)
@click.argument("folder", type=GIVEN_FOLDER)
def serve(folder: Path, host: str, port: int, **limits: Any) -> None:
    """Serve an exported model over HTTP, to this machine only unless --host says otherwise."""
    with faults_as_message():
        server.serve_folder(folder, host=host, port=port, limits=server.Limits(**limits))
