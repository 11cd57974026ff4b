"""Limits of a server, and connections that keep to them: time, bytes and a share of all.

uvicorn parses HTTP and runs the application. It limits neither the head of a request nor the time
that one takes to arrive, and reads on while requests wait in line. Its protocol class is open to
that: here is the one of httptools with these limits (``docs/decisions/0021-server-limits.md``).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import http
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BUSY = 503
MAX_HANDLES = 4_096  # files and connections that are asked of the system, where it allows so many
PIECE_BYTES = 4_096  # most heads are smaller
WATCH_S = 0.5  # between two looks at a connection's time: a limit is exceeded by so much
MANY_BYTES = 32 * 2**20  # of bodies at a time, more than single clients send
GIVE_BACK_S = 1.0  # after the last of them
SPARE_HANDLES = 16  # for files that are opened later
GRACE_S = 1.0  # for the application to refuse a slow body before its connection is ended


@dataclass(frozen=True)
class Limits:
    """Limits of a server; beyond them a request is refused at once or its connection ended.

    Args:
        max_body_mib: Size of a request's body.
        max_rows: Rows of a request.
        max_requests: Requests served or waiting at a time; further ones are told to come back.
        max_head_bytes: Size of a request's line and headers.
        max_headers: Headers of a request.
        max_connections: Connections at a time, fewer where the system grants fewer files. When one
            more arrives, the client that has most loses the one that has waited longest for a whole
            request.
        max_held_bytes: Bodies of all requests that have not been answered, but for those that
            arrive in one piece. Beyond it, one that is arriving ends, by the same rule.
        head_s: Seconds until a request's line and headers have arrived, since the connection began
            or the last answer.
        body_s: Seconds that its body may take to arrive.
        send_s: Seconds that a client may take to read an answer.
        stop_s: Seconds that running requests have when the server is told to stop.
    """

    max_body_mib: float = 16.0
    max_rows: int = 10_000
    max_requests: int = 64
    max_head_bytes: int = 32 * 2**10
    max_headers: int = 100
    max_connections: int = 1_000
    max_held_bytes: int = 256 * 2**20
    head_s: float = 10.0
    body_s: float = 10.0
    send_s: float = 30.0
    stop_s: int = 10

    @property
    def head_text(self) -> str:
        """Limits of a head, in words."""
        return f"A request may have {self.max_headers} headers, {self.max_head_bytes} bytes in all"


class Connections:
    """The open connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.waiting: dict[LimitedProtocol, None] = {}  # for a whole request; the longest first
        self._n_held_bytes = 0
        self._n_held_most = 0  # since memory was given back
        self._n_by_client: Counter[str] = Counter()
        self.n_open = 0

    def add(self, connection: LimitedProtocol) -> None:
        """Take a connection in, and end another one if there are too many."""
        self.n_open += 1
        self._n_by_client[connection.host] += 1
        self.waiting[connection] = None
        if self.n_open > self.limits.max_connections:
            self._end_one(self.waiting)

    def remove(self, connection: LimitedProtocol) -> None:
        """Forget a connection that has ended."""
        self.n_open -= 1
        self._n_by_client[connection.host] -= 1
        if not self._n_by_client[connection.host]:
            del self._n_by_client[connection.host]
        self.waiting.pop(connection, None)

    def hold(self, n_bytes: int) -> None:
        """Count bytes of a body, and end requests that are arriving if there are too many."""
        self._n_held_bytes += n_bytes
        self._n_held_most = max(self._n_held_most, self._n_held_bytes)
        while self._n_held_bytes > self.limits.max_held_bytes:
            arriving = {connection: None for connection in self.waiting if connection.n_held_bytes}
            if not arriving:
                break
            self._end_one(arriving)

    def release(self, n_bytes: int) -> None:
        """Count bytes of bodies that are held no longer; give memory back after many of them."""
        self._n_held_bytes -= n_bytes
        if not self._n_held_bytes and self._n_held_most > MANY_BYTES:
            self._n_held_most = 0
            asyncio.get_running_loop().call_later(GIVE_BACK_S, give_back_memory)

    def _end_one(self, candidates: dict[LimitedProtocol, None]) -> None:
        greediest = max(self._n_by_client, key=self._n_by_client.__getitem__)
        oldest = next(iter(candidates))
        chosen = next(
            (connection for connection in candidates if connection.host == greediest), oldest
        )
        chosen.end(BUSY, "Too many requests are arriving at a time")


class LimitedProtocol(HttpToolsProtocol):
    """A connection that keeps to :class:`Limits`.

    It has one time limit at a time: for the head of the next request, for its body, or for its
    answer to be read. While a request is being answered it has none.
    """

    def __init__(self, shared: Connections, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.host = ""
        self.n_held_bytes = 0  # of a request that did not arrive in one piece, until its answer
        self._shared = shared
        self._limits = shared.limits
        self._due_s = math.inf  # by the loop's clock
        self._watch: asyncio.TimerHandle | None = None
        self._n_bytes = 0  # of the request that is arriving, or of a next one that came too early
        self._has_head = False
        self._is_whole = False
        self._refusal: tuple[int, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in."""
        super().connection_made(transport)
        self.host = self.client[0] if self.client else ""
        self._limit_time(self._limits.head_s)
        self._watch = self.loop.call_later(WATCH_S, self._watch_time)
        self._shared.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._watch is not None:
            self._watch.cancel()
        self._release()
        self._shared.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, a head in pieces: nothing is parsed beyond its limits."""
        while len(data) > PIECE_BYTES and not (self._has_head or self.transport.is_closing()):
            self._receive(data[:PIECE_BYTES])
            data = data[PIECE_BYTES:]
        self._receive(data)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, unless another one is being answered."""
        if self._is_whole:
            self._refuse(400, "One request at a time: the next one after the answer")
        n_bytes = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.headers) > self._limits.max_headers or n_bytes > self._limits.max_head_bytes:
            self._refuse(431, self._limits.head_text)
        if sum(name == b"host" for name, _ in self.headers) > 1:
            self._refuse(400, "Two headers name a host")
        super().on_headers_complete()  # which may refuse the head as well
        self._has_head = True

    def on_message_complete(self) -> None:
        """Wait for the answer, which may be there already."""
        super().on_message_complete()
        self._is_whole = True
        self._n_bytes = 0
        self._due_s = math.inf
        self._shared.waiting.pop(self, None)
        if self.cycle.response_complete:
            self._await_request()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the end of this one where it was refused early."""
        super().on_response_complete()
        self._release()
        if self._is_whole:
            self._await_request()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or beyond the limits."""
        self._refusal = self._refusal or (400, msg)
        self.end(*self._refusal)

    def end(self, status: int, reason: str) -> None:
        """End the connection, with an answer to the request that is arriving."""
        if self.transport.is_closing():
            return
        is_answered = self._has_head and self.cycle.response_started
        if (self._n_bytes or self._refusal) and not is_answered:
            phrase, content = http.HTTPStatus(status).phrase, reason.encode()
            head = (
                f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + content)
        self.transport.close()
        self._release()
        self._shared.waiting.pop(self, None)

    def _receive(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        had_head, was_whole = self._has_head, self._is_whole
        super().data_received(data)
        if self.transport.is_closing() or (self._is_whole and not was_whole):
            return
        self._n_bytes += len(data)
        if was_whole or not self._has_head:
            n_headers = len(self.headers or ())
            if self._n_bytes > self._limits.max_head_bytes or n_headers > self._limits.max_headers:
                self.end(431, self._limits.head_text)
            return
        if not had_head:
            self._limit_time(self._limits.body_s + GRACE_S)
        if not self.cycle.response_complete:  # what follows a refusal is thrown away
            self.n_held_bytes += len(data)
            self._shared.hold(len(data))

    def _await_request(self) -> None:
        self._is_whole = self._has_head = False
        self._shared.waiting[self] = None
        is_read = not self.transport.get_write_buffer_size()
        self._limit_time(self._limits.head_s if is_read else self._limits.send_s)

    def _refuse(self, status: int, reason: str) -> NoReturn:
        self._refusal = (status, reason)
        raise ValueError(reason)  # the parser stops, and uvicorn sends the refusal

    def _release(self) -> None:
        if self.n_held_bytes:
            self._shared.release(self.n_held_bytes)
            self.n_held_bytes = 0

    def _limit_time(self, limit_s: float) -> None:
        self._due_s = self.loop.time() + limit_s

    def _watch_time(self) -> None:
        if self.loop.time() >= self._due_s:
            self.end(408, "The request took too long to arrive")
            if self.transport.get_write_buffer_size():  # its client does not read either
                self.transport.abort()
        self._watch = self.loop.call_later(WATCH_S, self._watch_time)


def give_back_memory() -> None:
    """Give freed memory back to the system: the C library keeps what is not at the heap's end."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def plan_connections(max_connections: int) -> tuple[int, int]:
    """Divide the file handles that this process may have.

    Returns:
        Connections that may be open, and how many may wait to be taken in.
    """
    n_handles = MAX_HANDLES
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        n_handles = soft if soft != resource.RLIM_INFINITY else MAX_HANDLES
        if n_handles < MAX_HANDLES and hard != soft:
            most = MAX_HANDLES if hard == resource.RLIM_INFINITY else min(hard, MAX_HANDLES)
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
                n_handles = most
    n_free = max(8, n_handles - _count_handles() - SPARE_HANDLES)
    n_open = min(max_connections, n_free * 3 // 4)
    return n_open, min(1_024, max(2, n_free - n_open))


def _count_handles() -> int:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:  # no Linux
        return 64
