"""Serve this model over HTTP: ``python server.py``, or ``rightfit serve FOLDER``.

Needs what ``usage.py`` needs, and starlette, uvicorn and prometheus-client
(``pip install "rightfit[serve]"``).

``POST /predict`` takes a JSON list with one object per row, its keys the raw columns, or an Arrow
stream of a table with these columns; it answers in the same format. ``GET /health`` says whether
the model is open, ``GET /profile`` what was measured of it, ``GET /metrics`` what was served, in
Prometheus' format. Below ``/v2`` it speaks the Open Inference Protocol. There is nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import io
import json
import logging
import math
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import uvicorn
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

if __package__:
    from rightfit.data.request_path import feeding, usage
    from rightfit_deploy import connections, open_inference
else:  # run in an exported folder, which stands for itself
    import connections  # type: ignore[import-not-found,no-redef]
    import feeding  # type: ignore[import-not-found,no-redef]
    import open_inference  # type: ignore[import-not-found,no-redef]
    import usage  # type: ignore[import-not-found,no-redef]

HOST = "127.0.0.1"
LOCAL_NAMES = ("127.0.0.1", "localhost")
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- every address of the machine
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
OPEN = "a request of the Open Inference Protocol"  # a kind of body beside these
PLAIN_ARROW = (
    "string", "large_string", "string_view", "binary", "large_binary", "binary_view", "null",
)  # fmt: skip
MAX_BATCHES = 1_000  # of an Arrow stream: each costs some 40 µs, however short it is
MAX_ARROW_BYTES = 2**28  # of a column whose values share their bytes, once they are written out
MIN_VALUES = 100_000  # of a JSON body that every model takes
N_UNREAD = 10  # further columns of a JSON row, whose number the parser's time and memory follow
N_IMAGE_BYTES = 1_000_000  # further values of a request whose images are lists of their bytes
SHORT_BYTES, QUICK_S = 8_192, 0.001  # what is answered within the event loop
RETRY_AFTER_S = 1
BUSY = connections.BUSY
Limits = connections.Limits
MAX_REQUESTS_VARIABLE = "RIGHTFIT_MAX_REQUESTS"  # where the command line says nothing
# Seconds; a model that answers in microseconds and one that takes seconds both show.
BUCKETS_S = tuple(step * 10.0**power for power in range(-4, 1) for step in (1, 2.5, 5))

NO_ROW = "There is no row to answer"
NULL = "a missing value is written null"

Columns = Mapping[str, Sequence[Any]]


class RefusedError(Exception):
    """A request that is not served, with the status that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    def to_response(self) -> Response:
        """Say why, and when to come back where that helps."""
        headers = {"Retry-After": str(RETRY_AFTER_S)} if self.status == BUSY else None
        return JSONResponse({"error": str(self)}, self.status, headers)


class Service:
    """An open model and what was served of it."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._limits = limits
        self._model = usage.read_export(folder, needed=[usage.PROFILE])
        self._predict = usage.open_model(folder, self._model)
        self._kinds = {
            name: tensor.dtype for tensor in self._model.inputs for name in tensor.columns
        }
        self._profile = (folder / usage.PROFILE).read_bytes()
        # The model has its threads and was measured with one call at a time.
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._n_running = 0
        self._short_s = math.inf  # what the last short request took
        self._registry = registry = CollectorRegistry()
        # OpenTelemetry's names, as Prometheus writes them, where it has one
        self._rows = Counter("rightfit_rows", "Rows answered", registry=registry)
        running = "http_server_active_requests"
        self._running = Gauge(running, "Requests being served", registry=registry)
        self._running.set_function(lambda: self._n_running)
        self._lasted = Histogram(
            "http_server_request_duration_seconds",
            "Time of a request",
            ["http_request_method", "http_route", "http_response_status_code"],
            buckets=BUCKETS_S,
            registry=registry,
        )

    async def predict(self, request: Request) -> Response:
        """Answer rows, or say why not."""
        return await self._serve(request, "/predict", {JSON: JSON, ARROW: ARROW})

    async def infer(self, request: Request) -> Response:
        """Answer the tensors of the Open Inference Protocol, or say why not."""
        return await self._serve(request, "/v2/models/{name}/infer", {JSON: OPEN, "": OPEN})

    async def _serve(self, request: Request, route: str, kinds: Mapping[str, str]) -> Response:
        """Answer a body of some kind, which is known by its content type."""
        started_s = time.perf_counter()
        response: Response = JSONResponse({"error": "The model failed; see the log"}, 500)
        try:
            self._require_place()
            body = await _read_body(request, self._limits)
            self._require_place()  # a body that is still arriving takes none
            kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind not in kinds:
                allowed = " or ".join(filter(None, kinds))
                problem = f"Content-Type must be {allowed}, but is {kind[:100]!r}"
                raise RefusedError(415, problem)
            self._n_running += 1
            try:
                response = await self._answer_in_turn(kinds[kind], body)
            finally:
                self._n_running -= 1
        except RefusedError as err:
            response = err.to_response()
        finally:
            served = self._lasted.labels("POST", route, response.status_code)
            served.observe(time.perf_counter() - started_s)
        return response

    async def show_page(self, _: Request) -> Response:
        """Say what this is, to whoever opens it in a browser."""
        columns = ", ".join(self._kinds)
        return PlainTextResponse(
            "This server answers rows with a model.\n\n"
            f"POST /predict with a list of one JSON object per row. Columns: {columns}.\n"
            f"POST /v2/models/{open_inference.NAME}/infer takes tensors as the Open Inference "
            "Protocol has them.\n"
            "GET /openapi.json describes /predict for programs, /profile what was measured of the "
            "model, /metrics what was served, /health that it is open.\n"
        )

    async def show_api(self, _: Request) -> Response:
        """Return how to ask, as an OpenAPI description."""
        return JSONResponse(describe_api(self._model))

    async def show_server(self, request: Request) -> Response:
        """Say that the server is there, and what it is called."""
        asked = request.url.path.rpartition("/")[2]  # live, ready, or nothing
        return JSONResponse({asked: True} if asked in ("live", "ready") else open_inference.SERVER)

    async def show_model(self, request: Request) -> Response:
        """Describe the model's tensors, or say that it is open."""
        if request.url.path.endswith("/ready"):
            return JSONResponse({"name": open_inference.NAME, "ready": True})
        return JSONResponse(open_inference.describe_model(self._model))

    async def show_health(self, _: Request) -> Response:
        """Say that the model is open."""
        return JSONResponse({"status": "ok"})

    async def show_profile(self, _: Request) -> Response:
        """Return what was measured of the model."""
        return Response(self._profile, media_type=JSON)

    async def show_metrics(self, _: Request) -> Response:
        """Return what was served."""
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4")

    def _require_place(self) -> None:
        if self._n_running >= self._limits.max_requests:
            raise RefusedError(BUSY, f"{self._limits.max_requests} requests are being served")

    async def _answer_in_turn(self, kind: str, body: bytes) -> Response:
        """Answer one body at a time, a short one without the way to another thread and back.

        That is done where the last short one took so little that nobody waits for the event loop.
        """
        is_short = len(body) <= SHORT_BYTES
        if is_short and self._short_s < QUICK_S and not self._one_at_a_time.borrowed_tokens:
            response, self._short_s = self._answer(kind, body)
        else:
            response, lasted_s = await anyio.to_thread.run_sync(
                self._answer, kind, body, limiter=self._one_at_a_time
            )
            self._short_s = lasted_s if is_short else self._short_s
        return response

    def _answer(self, kind: str, body: bytes) -> tuple[Response, float]:
        """Answer a body, and tell the seconds that it took."""
        started_s = time.perf_counter()
        return self._read_and_answer(kind, body), time.perf_counter() - started_s

    def _read_and_answer(self, kind: str, body: bytes) -> Response:
        """Answer a body, away from the event loop: reading a large one takes tenths of a second.

        A refusal is returned: raised across threads it would keep the body until the next garbage
        collection.
        """
        try:
            model = self._model
            request: Mapping[str, Any] | None = None
            if kind == OPEN:
                request, columns = _read_open(body, self._limits, self._kinds)
            else:
                columns = _read_columns(kind, body, self._limits, self._kinds)
            answers = self._predict(columns)
            if request is not None:
                response = open_inference.write_response(request, answers, model)
                content = json.dumps(response, allow_nan=False).encode()
            elif kind == JSON:
                records = usage.name_answers(answers, model.classes, model.threshold, model.costs)
                content = json.dumps(records, allow_nan=False).encode()
            else:
                content = _write_arrow(answers, model)
        except RefusedError as err:
            return err.to_response()
        except (ValueError, TypeError, OverflowError, AttributeError) as err:
            return RefusedError(422, str(err)).to_response()
        self._rows.inc(len(answers))
        return Response(content, media_type=JSON if kind == OPEN else kind)


def describe_api(model: usage.ExportedModel) -> dict[str, Any]:
    """Describe how to ask for answers, in the terms of OpenAPI 3.1.

    Args:
        model: Its inputs name the columns of a request, its classes those of an answer.
    """
    text = {"type": ["string", "number", "boolean", "null"]}
    image = {"type": ["string", "array"], "description": "Base64, or a list of its bytes"}
    number = {"type": ["number", "boolean", "null"]}
    kinds = {feeding.TEXT: text, feeding.IMAGE: image}
    columns = {
        name: kinds.get(tensor.dtype, number) for tensor in model.inputs for name in tensor.columns
    }
    shares = {name: {"type": "number"} for name in model.classes}
    answer: dict[str, Any] = {"value": {"type": "number"}}
    if model.classes:
        answer = {
            "class": {"type": "string", "enum": list(model.classes)},
            "probabilities": {"type": "object", "properties": shares},
        }

    def list_of(properties: dict[str, Any]) -> dict[str, Any]:
        row = {"type": "object", "required": list(properties), "properties": properties}
        return {"content": {JSON: {"schema": {"type": "array", "items": row}}}}

    error = {"type": "object", "properties": {"error": {"type": "string"}}}
    predict = {
        "summary": "Answer rows",
        "requestBody": {"required": True, **list_of(columns)},
        "responses": {
            "200": {"description": "An answer for each row", **list_of(answer)},
            "default": {"description": "The reason", "content": {JSON: {"schema": error}}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "A model", "version": "1"},
        "paths": {"/predict": {"post": predict}},
    }


def serve_folder(folder: Path, *, host: str, port: int, limits: Limits) -> None:
    """Serve an exported folder until told to stop; running requests are finished first.

    Args:
        folder: What ``rightfit export`` wrote.
        host: Address to listen on; other than the loopback one, everybody who reaches it may ask.
        port: Port to listen on; 0 for any that is free.
        limits: What is accepted.

    Raises:
        OSError: If it cannot listen there.
        ValueError: If the folder is not as it was exported, or the host is empty or another word
            for all addresses.
    """
    with contextlib.suppress(OSError):  # no such name, or an IPv6 address
        # the system takes an empty host, 0 and others for every address
        if host != EVERYWHERE and socket.gethostbyname(host.strip()) == EVERYWHERE:
            raise ValueError(
                f"--host {host!r} stands for every address. Name one, such as {HOST}; or "
                f"{EVERYWHERE}, if you mean all of them."
            )
    # Where it is reached locally alone, no page of another name may reach it through a browser.
    hosts = LOCAL_NAMES if host in LOCAL_NAMES else ("*",)
    service = Service(folder, limits)
    model = f"/v2/models/{open_inference.NAME}"
    app = Starlette(
        routes=[
            Route("/predict", service.predict, methods=["POST"]),
            Route("/", service.show_page),
            Route("/openapi.json", service.show_api),
            *(
                Route(f"/v2{end}", service.show_server)
                for end in ("", "/health/live", "/health/ready")
            ),
            *(Route(f"{model}{end}", service.show_model) for end in ("", "/ready")),
            Route(f"{model}/infer", service.infer, methods=["POST"]),
            Route("/health", service.show_health),
            Route("/profile", service.show_profile),
            Route("/metrics", service.show_metrics),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
    )
    gc.collect()
    gc.freeze()  # what was opened stays; looking through it again would hold up requests
    n_open, n_pending = connections.plan_connections(limits.max_connections)
    shared = connections.Connections(replace(limits, max_connections=n_open))
    config = uvicorn.Config(
        app,
        http=functools.partial(connections.LimitedProtocol, shared),  # type: ignore[arg-type]
        lifespan="off",
        ws="none",  # it would take connections out of these limits
        backlog=n_pending,
        proxy_headers=False,
        log_level="error",  # what is no HTTP is no news
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=limits.stop_s,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    with listen(host, port) as listener:
        port = listener.getsockname()[1]
        sys.stderr.write(f"Listening on http://{host}:{port}/predict - Ctrl-C ends it.\n")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        OSError: If it is taken, or not this machine's.
    """
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as err:
        address = f"{host}, port {port}: {err.strerror or err}"
        raise OSError(f"It cannot listen on {address}. Choose another port.") from err
    # Its connections inherit this; asyncio sets it only where a socket names its protocol. Without
    # it the end of an answer waits until the client confirms its beginning, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line is no traceback of a request that a second Ctrl-C has cut off."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


async def _read_body(request: Request, limits: Limits) -> bytes:
    max_bytes = int(limits.max_body_mib * 2**20)
    too_large = f"The body may hold {limits.max_body_mib:g} MiB"
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise RefusedError(413, too_large)
    parts, n_bytes = [], 0
    try:
        with anyio.fail_after(limits.body_s):
            async for part in request.stream():
                parts.append(part)
                n_bytes += len(part)
                if n_bytes > max_bytes:
                    raise RefusedError(413, too_large)
    except TimeoutError as err:
        raise RefusedError(408, f"The body took more than {limits.body_s:g} s") from err
    except ClientDisconnect as err:
        raise RefusedError(400, "The connection ended within the body") from err
    return b"".join(parts)


def _read_columns(kind: str, body: bytes, limits: Limits, kinds: Mapping[str, str]) -> Columns:
    """Return the columns of a request that the model reads."""
    read = _read_arrow if kind == ARROW else _read_json
    try:
        columns = read(body, limits, kinds)
        _require_columns(columns, kinds)
    except RefusedError:
        raise
    except Exception as err:  # what strangers write is read by libraries that raise many kinds
        raise RefusedError(422, f"The rows cannot be read: {type(err).__name__}: {err}") from err
    return columns


def _require_columns(columns: Columns, kinds: Mapping[str, str]) -> None:
    if lacking := kinds.keys() - columns.keys():
        raise RefusedError(422, f"The request lacks the columns {sorted(lacking)}; {NULL}")


def _read_open(
    body: bytes, limits: Limits, kinds: Mapping[str, str]
) -> tuple[Mapping[str, Any], Columns]:
    """Return a request of the Open Inference Protocol, and the columns that the model reads."""

    def read_object(pairs: list[tuple[str, Any]]) -> Any:
        if len(found := dict(pairs)) < len(pairs):
            raise RefusedError(422, "A key is there twice")
        return found

    request = _load_json(body, limits, kinds, read_object)
    columns = open_inference.read_columns(request, kinds)
    _require_columns(columns, kinds)
    n_rows = len(next(iter(columns.values())))
    if n_rows > limits.max_rows:
        raise RefusedError(413, f"A request may hold {limits.max_rows} rows")
    if not n_rows:
        raise RefusedError(422, NO_ROW)
    return request, columns


def _read_json(body: bytes, limits: Limits, kinds: Mapping[str, str]) -> Columns:
    n_rows = 0

    def read_row(pairs: list[tuple[str, Any]]) -> Any:  # also lets other threads have their turn
        nonlocal n_rows
        n_rows += 1
        if n_rows > limits.max_rows:
            raise RefusedError(413, f"A request may hold {limits.max_rows} rows")
        row = dict(pairs)
        if len(row) < len(pairs):
            raise RefusedError(422, usage.TWICE)
        return row

    rows = _load_json(body, limits, kinds, read_row)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RefusedError(422, "The body must be a list with one object per row")
    if not rows:
        raise RefusedError(422, NO_ROW)
    try:
        usage.require_same_columns(rows)
    except ValueError as err:
        raise RefusedError(422, str(err)) from err
    return {name: [row[name] for row in rows] for name in kinds if name in rows[0]}


def _load_json(
    body: bytes,
    limits: Limits,
    kinds: Mapping[str, str],
    read_object: Callable[[list[tuple[str, Any]]], Any],
) -> Any:
    """Return what a JSON body of no more values than the model can need holds."""
    max_values = max(MIN_VALUES, limits.max_rows * (len(kinds) + N_UNREAD))
    max_values += N_IMAGE_BYTES if feeding.IMAGE in kinds.values() else 0
    if body.count(b",") + body.count(b"[") + body.count(b"{") > max_values:
        raise RefusedError(
            413,
            f"A request to this model may hold {max_values} values, its commas and brackets: send "
            "fewer rows, of the columns that it reads",
        )
    try:
        return json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=read_object)
    except (ValueError, RecursionError) as err:
        raise RefusedError(400, f"The body is no JSON: {err}") from err


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number; a missing value is written null")


def _read_arrow(body: bytes, limits: Limits, kinds: Mapping[str, str]) -> Columns:
    """Read the columns that the model knows; a few bytes may claim any number of others."""
    try:
        import pyarrow
    except ImportError as err:
        raise RefusedError(415, "Arrow needs pyarrow, which is not installed here") from err
    batches, n_rows = [], 0
    try:
        for number, message in enumerate(pyarrow.ipc.MessageReader.open_stream(io.BytesIO(body))):
            if number > MAX_BATCHES:
                raise RefusedError(413, f"An Arrow stream may hold {MAX_BATCHES} batches")
            if _is_compressed(message):
                raise RefusedError(422, "A compressed Arrow stream may unpack to any size")
        with pyarrow.ipc.open_stream(io.BytesIO(body)) as stream:
            for batch in stream:
                n_rows += batch.num_rows
                if n_rows > limits.max_rows:
                    raise RefusedError(413, f"A request may hold {limits.max_rows} rows")
                batches.append(batch)
    except (pyarrow.ArrowException, OSError, ValueError, struct.error) as err:
        raise RefusedError(400, f"The body is no Arrow stream: {err}") from err
    parts: dict[str, list[Any]] = {}
    for batch in batches:
        names = batch.schema.names
        positions = [position for position, name in enumerate(names) if name in kinds]
        if len({names[position] for position in positions}) < len(positions):
            raise RefusedError(422, usage.TWICE)
        used_columns = batch.select(positions)
        used_columns.validate(full=True)
        for name, column in zip(used_columns.schema.names, used_columns.columns, strict=True):
            _check_arrow_column(name, column)
            parts.setdefault(name, []).append(column)
    if not n_rows:
        raise RefusedError(422, NO_ROW)
    return {
        name: columns[0]
        if len(columns) == 1
        else list(chain.from_iterable(column.to_pylist() for column in columns))
        for name, columns in parts.items()
    }


def _write_arrow(answers: usage.Floats, model: usage.ExportedModel) -> bytes:
    """Write answers as a stream of Arrow; its numbers are those of JSON."""
    import pyarrow

    classes = model.classes
    chosen = usage.choose_classes(answers, classes, model.threshold, model.costs)
    columns = [  # of the fewest digits that stand for the same float32
        pyarrow.array(column).cast(pyarrow.string()).cast(pyarrow.float64())
        for column in np.ascontiguousarray(answers.T)
    ]
    table = {"value": columns[0]}
    if classes:
        named = pyarrow.array(classes, pyarrow.string()).take(pyarrow.array(chosen))
        table = {"class": named, "probabilities": pyarrow.StructArray.from_arrays(columns, classes)}
    batch = pyarrow.record_batch(table)
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _is_compressed(message: Any) -> bool:
    """Tell whether the body of an Arrow message is compressed; pyarrow unpacks it unasked.

    Reads the message's flatbuffer as ``Message.fbs`` and ``Schema.fbs`` of Arrow lay it out.
    """
    content = message.metadata.to_pybytes()

    def find(table: int, field: int) -> int | None:
        vtable = table - struct.unpack_from("<i", content, table)[0]
        entry = 4 + 2 * field
        if entry >= struct.unpack_from("<H", content, vtable)[0]:
            return None
        offset: int = struct.unpack_from("<H", content, vtable + entry)[0]
        return table + offset if offset else None

    def follow(position: int | None) -> int:
        if position is None:
            raise ValueError("an Arrow message lacks its header")
        offset: int = struct.unpack_from("<I", content, position)[0]
        return position + offset

    if message.type == "schema":
        return False
    header = follow(find(follow(0), 2))
    batch = follow(find(header, 1)) if message.type == "dictionary" else header
    return find(batch, 3) is not None or b"ARROW:experimental_compression" in content


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
        serve_folder(Path(__file__).parent, host=options.host, port=options.port, limits=limits)
    except (OSError, ValueError) as err:
        sys.exit(str(err))


if __name__ == "__main__":
    main()
