"""Run pipelines on request, for programs on this machine (Kedro's HTTP server).

It listens on the loopback address without a login. A page in the user's browser reaches that too:
by a name of its own that resolves to this machine, or by a form. So a request must name this
machine as its host, and come from no other page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from kedro.utils import find_kedro_project

from rightfit.cli.options import PORT

SECTION = "Run"
HOST = "127.0.0.1"
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
REFUSAL = b"This server answers only to this machine: open it as http://127.0.0.1.\n"

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]


@click.command()
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port to listen on.")
@click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration.")
@click.option("--conf-source", help="Folder or archive of the configuration.")
def run_server(port: int, env: str | None, conf_source: str | None) -> None:
    """Run pipelines on request, for programs on this machine (Kedro's HTTP server)."""
    project = find_kedro_project(Path.cwd())
    if project is None:
        raise click.ClickException(
            "There is no Kedro project here. Run this in a project's folder."
        )
    import uvicorn
    from kedro.server.http_server import create_http_server

    app = create_http_server(project, env=env, conf_source=conf_source)
    uvicorn.run(guard_asgi(app), host=HOST, port=port, log_level="info")


def is_local(host: str | None, origin: str | None) -> bool:
    """Tell whether a request names this machine and comes from no other page.

    >>> is_local("localhost:8080", None), is_local("evil.example:8080", None)
    (True, False)
    >>> is_local("127.0.0.1:8080", "https://evil.example")
    False
    """
    addresses = [f"//{host or ''}", *([origin] if origin else [])]
    try:
        return all(urlsplit(name).hostname in LOCAL_NAMES for name in addresses)
    except ValueError:
        return False


def guard_asgi(app: Asgi) -> Asgi:
    """Wrap an ASGI application so that it answers local requests only."""

    async def guarded(scope: Scope, receive: Any, send: Any) -> None:
        host, origin = (_find_header(scope, name) for name in (b"host", b"origin"))
        if scope["type"] == "lifespan" or is_local(host, origin):
            await app(scope, receive, send)
            return
        fields = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 403, "headers": fields})
        await send({"type": "http.response.body", "body": REFUSAL})

    return guarded


def _find_header(scope: Scope, name: bytes) -> str | None:
    values = [value for key, value in scope.get("headers", ()) if key.lower() == name]
    return b",".join(values).decode("latin-1") if values else None  # of two, neither is believed
