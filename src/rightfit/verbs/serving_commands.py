"""The verbs that serve an exported model and put load on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from rightfit.verbs.project_options import PORT, FiniteRange, faults_as_message


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port.")
@click.option("--max-body-mib", type=FiniteRange(0, min_open=True), default=16.0, show_default=True)
@click.option("--max-rows", type=click.IntRange(1), default=10_000, show_default=True)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    envvar="RIGHTFIT_MAX_REQUESTS",
    help="Requests served or waiting; further ones get status 503.",
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def serve(folder: Path, host: str, port: int, **limits: Any) -> None:
    """Serve the exported model in FOLDER over HTTP, to this machine alone unless told."""
    from rightfit.serving import server
    from rightfit.serving.exported import check_export

    with faults_as_message():
        check_export(folder)
        server.serve(folder, host=host, port=port, limits=server.Limits(**limits))


@click.command()
@click.option(
    "--rows",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Raw rows to ask about: a JSON list of objects, or a .parquet or .csv table.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Rows a request."
)
@click.option(
    "--limit-ms",
    type=FiniteRange(0, min_open=True),
    default=50.0,
    show_default=True,
    help="Limit of the p99.",
)
@click.option(
    "--seconds",
    type=FiniteRange(0.5, 600),
    default=3.0,
    show_default=True,
    help="Seconds of each load.",
)
@click.option(
    "--cores", type=click.IntRange(1), help="Cores of the server; all but one if not given."
)
@click.option("--memory-mib", type=FiniteRange(1), help="Private memory of the server.")
@click.option("--json", "as_json", is_flag=True, help="The curve with all its fields, as JSON.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def load(folder: Path, *, as_json: bool, **options: Any) -> None:
    """Serve the exported model in FOLDER and raise the load until it no longer keeps up."""
    from rightfit.http_load.export import load_export
    from rightfit.http_load.text import describe_curve
    from rightfit.processes.codec import to_plain

    with faults_as_message(RuntimeError):
        curve = load_export(folder, **options)
    click.echo(
        json.dumps(to_plain(curve), indent=2) if as_json else "\n".join(describe_curve(curve))
    )
