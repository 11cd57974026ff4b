"""A served model is as large after many requests and clients as before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from factories.studies import make_raw
from harness.served_export import Server, start

pytestmark = pytest.mark.long

N_CLIENTS, N_REQUESTS = 500, 20  # of each: 10,000
N_AT_ONCE = 20  # sockets
N_WARM_UP = 100  # clients, after which its pools are as large as they get
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
MOST_GROWTH_MIB = 3  # 300 bytes a request would be that much


@pytest.fixture
def server(exported: Path, tmp_path: Path) -> Iterator[Server]:
    started = start("-m", "rightfit", "serve", str(exported), cwd=tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def be_client(server: Server, request: bytes) -> set[bytes]:
    """Send requests over one connection; return the first lines of the answers."""
    found = set()
    with server.connect() as client, client.makefile("rb") as answers:
        for _ in range(N_REQUESTS):
            client.sendall(request)
            first, *headers = iter(answers.readline, b"\r\n")
            (length,) = (line for line in headers if line.lower().startswith(b"content-length:"))
            answers.read(int(length.partition(b":")[2]))
            found.add(first)
    return found


def serve_clients(server: Server, n_clients: int) -> set[bytes]:
    body = json.dumps(make_raw().drop("label").head(3).to_dicts()).encode()
    request = HEAD % len(body) + body
    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        return set().union(*pool.map(lambda _: be_client(server, request), range(n_clients)))


def test_ten_thousand_requests_of_five_hundred_clients_add_no_memory(server: Server) -> None:
    serve_clients(server, N_WARM_UP)
    before_mib = server.read_rss_mib()

    statuses = serve_clients(server, N_CLIENTS)

    assert statuses == {b"HTTP/1.1 200 OK\r\n"}
    assert server.read_rss_mib() - before_mib < MOST_GROWTH_MIB
