"""Serve this model over HTTP: ``python server.py``, or ``rightfit serve FOLDER``.

Needs what ``usage.py`` needs, and starlette, uvicorn and prometheus-client
(``pip install "rightfit[serve]"``).

``POST /predict`` takes a JSON list with one object per row, its keys the raw columns, or an Arrow
stream of a table with these columns; it answers in the same format. ``GET /health`` says whether
the model is open, ``GET /profile`` what was measured of it, ``GET /metrics`` what was served, in
Prometheus' format. There is nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if __package__:
    from rightfit.request_path import usage
else:  # run in an exported folder, which stands for itself
    import usage  # type: ignore[import-not-found,no-redef]

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOST = "127.0.0.1"
LOCAL_NAMES = ("127.0.0.1", "localhost")
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
PLAIN_ARROW = (
    "string", "large_string", "string_view", "binary", "large_binary", "binary_view", "null",
)  # fmt: skip
MAX_ARROW_BYTES = 2**28  # of a column whose values share their bytes, once they are written out
MAX_SHOWN = 40  # characters of a value
RETRY_AFTER_S = 1
BUSY = 503
MAX_REQUESTS_VARIABLE = "RIGHTFIT_MAX_REQUESTS"  # where the command line says nothing
# Seconds; a model that answers in microseconds and one that takes seconds both show.
BUCKETS_S = tuple(step * 10.0**power for power in range(-4, 1) for step in (1, 2.5, 5))

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """What a server accepts; beyond it a request is refused at once.

    Args:
        max_body_mib: Size of a request's body.
        max_rows: Rows of a request.
        max_requests: Requests served or waiting at a time; further ones are told to come back.
        stop_s: Seconds that running requests have when the server is told to stop.
        body_s: Seconds that a body may take to arrive: it holds one of the places meanwhile.
    """

    max_body_mib: float = 16.0
    max_rows: int = 10_000
    max_requests: int = 64
    stop_s: int = 10
    body_s: float = 10.0


class RefusedError(Exception):
    """A request that is not served, with the status that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def read_kinds(folder: Path) -> dict[str, str]:
    """Return the raw columns that an exported model reads, and the type of each one's tensor."""
    inputs = usage.read_json(folder / "model.json")["inputs"]
    return {column: one["dtype"] for one in inputs for column in one["columns"]}


def open_answering(folder: Path) -> Callable[[Sequence[Row]], list[dict[str, Any]]]:
    """Open the model of an exported folder.

    Returns:
        A function from raw rows to answers, an object per row, as ``usage.py`` writes them.
    """
    model = usage.read_json(folder / "model.json")
    predict = usage.open_model(folder)

    def answer(rows: Sequence[Row]) -> list[dict[str, Any]]:
        answers = predict(usage.to_columns(rows))
        return usage.name_answers(answers, model["classes"], model["threshold"])

    return answer


class Service:
    """An open model and what was served of it."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        import anyio
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._limits = limits
        self._answer = open_answering(folder)
        self._kinds = read_kinds(folder)
        self._profile = (folder / "profile.json").read_bytes()
        # The model has its threads and was measured with one call at a time.
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._n_running = 0
        self._registry = registry = CollectorRegistry()
        self._served = Counter("requests", "Requests by status", ["status"], registry=registry)
        self._rows = Counter("rows", "Rows answered", registry=registry)
        self._running = Gauge("requests_running", "Requests being served", registry=registry)
        self._running.set_function(lambda: self._n_running)
        self._lasted = Histogram(
            "request_seconds", "Time of a request", buckets=BUCKETS_S, registry=registry
        )

    async def predict(self, request: Request) -> Response:
        """Answer rows, or say why not."""
        from starlette.responses import JSONResponse

        started_s = time.perf_counter()
        response: Response = JSONResponse({"error": "The model failed; see the log"}, 500)
        self._n_running += 1
        try:
            response = await self._respond(request)
        except RefusedError as err:
            response = JSONResponse({"error": str(err)}, err.status)
            if err.status == BUSY:
                response.headers["Retry-After"] = str(RETRY_AFTER_S)
        finally:
            self._n_running -= 1
            self._served.labels(response.status_code).inc()
            self._lasted.observe(time.perf_counter() - started_s)
        return response

    async def show_health(self, _: Request) -> Response:
        """Say that the model is open."""
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok"})

    async def show_profile(self, _: Request) -> Response:
        """Return what was measured of the model."""
        from starlette.responses import Response

        return Response(self._profile, media_type=JSON)

    async def show_metrics(self, _: Request) -> Response:
        """Return what was served."""
        from prometheus_client import generate_latest
        from starlette.responses import Response

        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4")

    async def _respond(self, request: Request) -> Response:
        import anyio
        from starlette.responses import Response

        if self._n_running > self._limits.max_requests:
            raise RefusedError(BUSY, f"{self._limits.max_requests} requests are being served")
        body = await _read_body(request, self._limits)
        kind, rows = _read_rows(request, body, self._limits, self._kinds)
        try:
            answers = await anyio.to_thread.run_sync(
                self._answer, rows, limiter=self._one_at_a_time
            )
            answer = _write_answers(kind, answers)
        except (ValueError, TypeError, OverflowError, AttributeError) as err:
            raise RefusedError(422, str(err)) from err
        self._rows.inc(len(rows))
        return Response(answer, media_type=kind)


def create_app(folder: Path, limits: Limits, *, hosts: Sequence[str] = ("*",)) -> Starlette:
    """Create the ASGI application of an exported folder."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    service = Service(folder, limits)
    return Starlette(
        routes=[
            Route("/predict", service.predict, methods=["POST"]),
            Route("/health", service.show_health),
            Route("/profile", service.show_profile),
            Route("/metrics", service.show_metrics),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )


def serve(folder: Path, *, host: str, port: int, limits: Limits) -> None:
    """Serve an exported folder until told to stop; running requests are finished first.

    Args:
        folder: What ``rightfit export`` wrote.
        host: Address to listen on; other than the loopback one, everybody who reaches it may ask.
        port: Port to listen on; 0 for any that is free.
        limits: What is accepted.

    Raises:
        OSError: If it cannot listen there.
    """
    import uvicorn

    is_local = host in LOCAL_NAMES  # then no page of another name may reach it through a browser
    app = create_app(folder, limits, hosts=LOCAL_NAMES if is_local else ("*",))
    gc.collect()
    gc.freeze()  # what was opened stays; looking through it again would hold up requests
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=limits.stop_s,
    )
    with _listen(host, port) as listener:
        port = listener.getsockname()[1]
        sys.stderr.write(f"Listening on http://{host}:{port}/predict - Ctrl-C ends it.\n")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as err:
        place = f"{host}, port {port}: {err.strerror or err}"
        raise OSError(f"It cannot listen on {place}. Choose another port.") from err


async def _read_body(request: Request, limits: Limits) -> bytes:
    import anyio
    from starlette.requests import ClientDisconnect

    try:
        with anyio.fail_after(limits.body_s):
            return await _collect_body(request, limits)
    except TimeoutError as err:
        raise RefusedError(408, f"The body took more than {limits.body_s:g} s") from err
    except ClientDisconnect as err:
        raise RefusedError(400, "The connection ended within the body") from err


async def _collect_body(request: Request, limits: Limits) -> bytes:
    max_bytes = int(limits.max_body_mib * 2**20)
    too_large = RefusedError(413, f"The body may hold {limits.max_body_mib:g} MiB")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def _read_rows(
    request: Request, body: bytes, limits: Limits, kinds: Mapping[str, str]
) -> tuple[str, Sequence[Row]]:
    """Return the format of a request and its rows."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in (JSON, ARROW):
        raise RefusedError(415, f"Content-Type must be {JSON} or {ARROW}, but is {kind[:100]!r}")
    rows = _read_arrow(body, limits, kinds) if kind == ARROW else _read_json(body)
    if not rows:
        raise RefusedError(422, "There is no row to answer")
    if len(rows) > limits.max_rows:
        raise RefusedError(
            413, f"A request may hold {limits.max_rows} rows, this one has {len(rows)}"
        )
    _check_values(rows, kinds)
    return kind, rows


def _check_values(rows: Sequence[Row], kinds: Mapping[str, str]) -> None:
    """Refuse values that numpy or onnxruntime would take for something else, or choke on."""
    for number, row in enumerate(rows):
        for name, value in row.items():
            if value is None or type(value) is int:
                continue
            kind = kinds.get(name)
            if kind == "uint8":  # an image; usage.py reads it
                fits = isinstance(value, str | bytes | list)
            elif kind == "string" or kind is None:
                fits = not isinstance(value, dict | list | bytes)
            else:
                fits = not isinstance(value, dict | list | bytes | str)
            if not fits or (isinstance(value, float) and math.isinf(value)):
                wanted = "a number" if kind not in ("string", "uint8", None) else "a text"
                said = repr(value)[:MAX_SHOWN]
                raise RefusedError(422, f"Row {number}: {name!r} must be {wanted} or null: {said}")


def _read_json(body: bytes) -> Sequence[Row]:
    try:
        rows = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as err:
        raise RefusedError(400, f"The body is no JSON: {err}") from err
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RefusedError(422, "The body must be a list with one object per row")
    return rows


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number; a missing value is written null")


def _read_arrow(body: bytes, limits: Limits, kinds: Mapping[str, str]) -> Sequence[Row]:
    """Read the columns that the model knows; a few bytes may claim any number of others."""
    try:
        import pyarrow
    except ImportError as err:
        raise RefusedError(415, "Arrow needs pyarrow, which is not installed here") from err
    try:
        with pyarrow.ipc.open_stream(io.BytesIO(body)) as stream:
            rows: list[Row] = []
            names = stream.schema.names
            places = [place for place, name in enumerate(names) if name in kinds]
            if len({names[place] for place in places}) < len(places):
                raise RefusedError(422, "A column is there twice")
            for batch in stream:
                if len(rows) + batch.num_rows > limits.max_rows:
                    raise RefusedError(413, f"A request may hold {limits.max_rows} rows")
                known = batch.select(places)
                known.validate(full=True)
                for name, column in zip(known.schema.names, known.columns, strict=True):
                    _check_arrow_column(name, column)
                rows += known.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as err:
        raise RefusedError(400, f"The body is no Arrow stream: {err}") from err
    return rows


def _check_arrow_column(name: str, column: Any) -> None:
    """Refuse a column of which a short body makes any amount of values."""
    from pyarrow import types

    kind, n_bytes = column.type, 0
    if types.is_dictionary(kind):
        kind, n_bytes = kind.value_type, len(column) * column.dictionary.nbytes
    elif str(kind) in ("string_view", "binary_view") and len(column):
        views = np.frombuffer(column.buffers()[1], np.int32).reshape(-1, 4)
        n_bytes = int(views[:, 0].astype(np.int64).sum())
    is_image = types.is_list(kind) or types.is_large_list(kind)
    is_plain = (
        types.is_primitive(kind.value_type if is_image else kind)
        or str(kind) in PLAIN_ARROW
        or types.is_decimal(kind)
    )
    if not is_plain or n_bytes > MAX_ARROW_BYTES:
        raise RefusedError(422, f"{name!r} is of a type that is not read: {column.type}")


def _write_answers(kind: str, answers: Sequence[Mapping[str, Any]]) -> bytes:
    if kind == JSON:
        return json.dumps(answers, allow_nan=False).encode()
    import pyarrow

    table = pyarrow.Table.from_pylist(list(answers))
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def main() -> None:
    """Serve the folder this file lies in."""
    parser = argparse.ArgumentParser(description="Serve this model over HTTP.")
    parser.add_argument("--host", default=HOST, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="port (default: %(default)s)")
    parser.add_argument(
        "--max-requests",
        type=int,
        default=os.environ.get(MAX_REQUESTS_VARIABLE, Limits.max_requests),
        help="requests served or waiting; further ones are refused (default: %(default)s)",
    )
    options = parser.parse_args()
    limits = Limits(max_requests=options.max_requests)
    try:
        serve(Path(__file__).parent, host=options.host, port=options.port, limits=limits)
    except OSError as err:
        sys.exit(str(err))


if __name__ == "__main__":
    main()
