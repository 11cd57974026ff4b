"""Serve optuna-dashboard and Kedro's runs to this machine alone.

Both listen on the loopback address without a login. A page in the user's browser reaches that too:
by a name of its own that resolves to this machine, or by a form. So a request must name this
machine as its host, and come from no other page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIServer, make_server

import click

HOST = "127.0.0.1"
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
REFUSAL = b"This server answers only to this machine: open it as http://127.0.0.1.\n"

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Any]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def is_local(host: str | None, origin: str | None) -> bool:
    """Tell whether a request names this machine and comes from no other page.

    >>> is_local("localhost:8080", None), is_local("evil.example:8080", None)
    (True, False)
    >>> is_local("127.0.0.1:8080", "https://evil.example")
    False
    """
    named = [f"//{host or ''}", *([origin] if origin else [])]
    try:
        return all(urlsplit(name).hostname in LOCAL_NAMES for name in named)
    except ValueError:
        return False


def guard_wsgi(app: Wsgi) -> Wsgi:
    """Wrap a WSGI application so that it answers local requests only."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_local(environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN")):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [REFUSAL]

    return guarded


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


class ThreadedServer(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread of its own."""

    daemon_threads = True


def serve_dashboard(url: str, *, port: int) -> None:
    """Serve optuna-dashboard on a studies' database until interrupted.

    Args:
        url: The database. It may hold a password, so it never becomes part of a command line.
        port: Port to listen on.
    """
    from optuna_dashboard import wsgi

    with make_server(HOST, port, guard_wsgi(wsgi(url)), server_class=ThreadedServer) as server:
        click.echo(f"Listening on http://{HOST}:{port}/ - Ctrl-C ends it.", err=True)
        server.serve_forever()


def serve_runs(project: Path, *, env: str | None, conf_source: str | None, port: int) -> None:
    """Serve Kedro's HTTP server until interrupted."""
    import uvicorn
    from kedro.server.http_server import create_http_server

    app = create_http_server(project, env=env, conf_source=conf_source)
    uvicorn.run(guard_asgi(app), host=HOST, port=port, log_level="info")


def _find_header(scope: Scope, name: bytes) -> str | None:
    found = [value for key, value in scope.get("headers", ()) if key.lower() == name]
    return b",".join(found).decode("latin-1") if found else None  # of two, neither is believed
