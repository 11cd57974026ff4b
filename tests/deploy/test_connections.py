"""Where connections or memory are short, the client that holds most gives way."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from rightfit_deploy import connections
from rightfit_deploy.connections import Connections, LimitedProtocol, Limits

LARGE = 32 * 2**20
END_S = 60
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PUT = b"PUT /1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
NEVER = PUT.replace(b"/1 ", b"/99 ")
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"

Connect = Callable[..., socket.socket]


async def answer_much(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read a request, and answer one of GET with more than a socket's buffers hold.

    One of PUT is answered after as many seconds as its path says.
    """
    while (await receive()).get("more_body"):
        pass
    if scope["method"] == "PUT":
        await asyncio.sleep(float(scope["path"][1:]))
    n_bytes = LARGE if scope["method"] == "GET" else 0
    headers = [(b"content-length", str(n_bytes).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * n_bytes})


@contextlib.contextmanager
def serve(shared: Connections) -> Iterator[Connect]:
    """Serve from a thread; gives a function that connects from an address of this machine."""
    config = uvicorn.Config(
        answer_much,  # type: ignore[arg-type]
        http=functools.partial(LimitedProtocol, shared),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()

        def connect(data: bytes = b"", *, host: str = "127.0.0.1") -> socket.socket:
            client = stack.enter_context(socket.socket())
            client.settimeout(END_S)
            client.bind((host, 0))
            client.connect(listener.getsockname())
            client.sendall(data)
            return client

        yield connect
        server.should_exit = True
        thread.join()


def await_truth(is_true: Callable[[], object]) -> bool:
    end_s = time.monotonic() + END_S
    while not is_true() and time.monotonic() < end_s:
        time.sleep(0.02)
    return bool(is_true())


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    finally:
        client.settimeout(END_S)


def test_the_client_with_most_connections_loses_its_oldest() -> None:
    shared = Connections(Limits(max_connections=4))
    with serve(shared) as connect:
        modest = connect(host="127.0.0.2")
        await_truth(lambda: len(shared.waiting) == 1)
        greedy = []
        for n_open in (2, 3, 4, 4):
            greedy.append(connect())
            await_truth(lambda n=n_open: len(shared.waiting) == n)
        is_ended = await_truth(lambda: not is_open(greedy[0]))

        assert is_ended
        assert is_open(modest)
        assert all(is_open(client) for client in greedy[1:])


def test_the_client_with_most_connections_loses_a_body_where_memory_is_short() -> None:
    shared = Connections(Limits(max_held_bytes=2**20))
    part = b"x" * 400_000
    with serve(shared) as connect:
        modest = connect(POST + part, host="127.0.0.2")
        idle = connect()
        first = connect(POST + part)
        await_truth(lambda: sum(one.n_held_bytes > 300_000 for one in shared.waiting) == 2)
        connect(POST + part)

        assert b" 503 " in first.recv(1_000)
        assert is_open(modest)
        assert is_open(idle)


def test_a_client_that_does_not_read_its_answer_is_cut_off() -> None:
    shared = Connections(Limits(send_s=0.2))
    with serve(shared) as connect:
        client = connect(GET)
        assert client.recv(1)
        assert await_truth(lambda: not shared.n_open)
        client.settimeout(END_S)
        n_read = 0
        with contextlib.suppress(ConnectionError):
            while part := client.recv(2**20):
                n_read += len(part)

        assert n_read < LARGE


@pytest.mark.parametrize("early", [b"a" * 2**16, b"X: y\r\n" * 2**13])
def test_an_endless_head_before_the_answer_is_cut_off(early: bytes) -> None:
    shared = Connections(Limits())
    with serve(shared) as connect:
        client = connect(NEVER)
        await_truth(lambda: shared.n_open and not shared.waiting)
        client.sendall(GET[:-2] + b"X: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                client.sendall(early)
        is_ended = await_truth(lambda: not shared.n_open)

        assert is_ended


def test_an_early_request_is_answered_after_the_one_before() -> None:
    with serve(Connections(Limits())) as connect:
        client = connect(PUT)
        time.sleep(0.2)
        client.sendall(b"\r\n" + PUT[:5])
        first = client.recv(1_000)
        client.sendall(PUT[5:])
        second = client.recv(1_000)

        assert b" 200 " in first
        assert b" 200 " in second


def test_an_answer_may_be_read_in_time() -> None:
    with serve(Connections(Limits())) as connect:
        client = connect(GET)
        n_read = 0
        while n_read < LARGE:
            n_read += len(client.recv(2**20))

        assert is_open(client)


@pytest.mark.parametrize("n_handles", [100, 1_024])
def test_connections_fit_into_the_file_handles(
    n_handles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (n_handles, n_handles))
    monkeypatch.setattr(connections, "_count_handles", lambda: 20)

    n_open, n_pending = connections.plan_connections(1_000)

    assert n_open + n_pending <= n_handles - 20
    assert n_open >= n_handles / 3
