"""Whoever reaches a served model can neither fill its memory nor keep others out.

Each attack is bounded and stays on the loopback interface.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from factories.studies import make_raw
from harness.served_export import ARROW, JSON, Server, read_to_end, send_much, start

pytestmark = pytest.mark.whole

PROGRAM = """
import argparse, json
from pathlib import Path
from rightfit_deploy import server
parser = argparse.ArgumentParser()
for name in ("folder", "limits", "--port"):
    parser.add_argument(name)
found = parser.parse_args()
limits = server.Limits(**json.loads(found.limits))
server.serve_folder(Path(found.folder), host="127.0.0.1", port=int(found.port), limits=limits)
"""
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ROW = {"size": 1.0, "n_parts": 2, "day": "1", "origin": "EWR"}
MOST_GROWTH_MIB = 60  # a flood of 40 MiB once added 150 to 2,200
END_S = 60  # for what takes 1 s or 10 s, on a machine that is busy
MANY = 70  # more than the 64 requests that are served at a time


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log.txt"


@pytest.fixture(scope="module")
def server(exported: Path, log: Path) -> Iterator[Server]:
    yield from serve(exported, log)


@pytest.fixture(scope="module")
def hurried_server(exported: Path, log: Path) -> Iterator[Server]:
    """A server that waits a second for a request, which a busy machine may need for a large one."""
    yield from serve(exported, log, head_s=1.0, body_s=1.0)


def serve(exported: Path, log: Path, **limits: float) -> Iterator[Server]:
    with log.open("ab") as file:
        started = start("-c", PROGRAM, str(exported), json.dumps(limits), cwd=log.parent, log=file)
        yield started
        started.process.kill()
        started.process.wait()


@pytest.fixture
def rows() -> bytes:
    return json.dumps(make_raw().drop("label").head(3).to_dicts()).encode()


@contextlib.contextmanager
def opened(
    server: Server, data: bytes, n: int, *, then: Callable[[socket.socket], None] = lambda _: None
) -> Iterator[list[socket.socket]]:
    """Open connections that each send something, and close them at last."""
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(n):
            clients.append(stack.enter_context(server.connect(data)))
            with contextlib.suppress(OSError):
                then(clients[-1])
        yield clients


@pytest.mark.parametrize(
    ("start_of_head", "block", "n_connections", "answer"),
    [
        (GET + b"X: ", b"a" * 2**16, 4, b" 431 "),
        (GET, b"".join(b"X-%d: 1\r\n" % i for i in range(5_000)), 4, b" 431 "),
        (GET, b"".join(b"X-%d: 1\r\n" % i for i in range(5_000)), 100, b" 431 "),
        (b"GET /" + b"a" * 2**16, b"a" * 2**16, 4, b" 431 "),
        (b"", (GET + b"\r\n") * 1_000, 4, b" 400 "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + b"a" * 2**16, 4, b""),
    ],
    ids=["value", "headers", "connections", "path", "pipelined", "trailers"],
)
def test_a_flood_of_headers_is_cut_off_and_adds_no_memory(
    start_of_head: bytes, block: bytes, n_connections: int, answer: bytes, server: Server
) -> None:
    before_mib = server.read_rss_mib()
    n_blocks = 40 * 2**20 // len(block) // n_connections

    with opened(
        server,
        start_of_head,
        n_connections,
        then=lambda client: send_much(client, block, n_blocks=n_blocks),
    ) as clients:
        grown_mib = server.read_rss_mib() - before_mib
        answers = [read_to_end(client, within_s=END_S) for client in clients]

    assert grown_mib < MOST_GROWTH_MIB
    assert all(not found or answer in found for found in answers)  # a reset may overtake it
    assert server.get("/health").status == 200


def test_a_request_may_have_some_headers(server: Server) -> None:
    assert server.get("/health", **{f"X-{i}": "v" * 200 for i in range(90)}).status == 200
    refused = server.get("/health", **{f"X-{i}": "v" for i in range(200)})
    assert refused.status == 431
    assert b"100 headers" in refused.body


@pytest.mark.parametrize(("n_bytes", "status"), [(32_000, b" 200 "), (33_000, b" 431 ")])
def test_a_head_has_32_kib_to_the_byte(n_bytes: int, status: bytes, server: Server) -> None:
    with server.connect(GET + b"X: " + b"a" * n_bytes + b"\r\nConnection: close\r\n\r\n") as client:
        answer = read_to_end(client, within_s=END_S)

    assert status in answer.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (GET + b"X: ", b" 408 "),
        (POST, b" 408 "),
        (b"\r\n", b" 408 "),
        (b"", b""),
        (GET + b"\r\n", b" 200 "),
        (POST + b"Content-Length: 100\r\n\r\n[", b" 408 "),
        (POST + b"Content-Length: 99999999999\r\n\r\n[", b" 413 "),
        (POST + b"Content-Length: 9\r\n\r\n[", b" 408 "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n[", b" 408 "),
        (GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b" 200 "),
    ],
    ids=[
        *("header", "no end of headers", "empty line", "nothing", "idle", "body", "huge body"),
        *("short body", "chunks", "upgrade"),
    ],
)
def test_a_connection_that_sends_no_request_ends(
    data: bytes, answer: bytes, hurried_server: Server
) -> None:
    with hurried_server.connect(data) as client:
        found = read_to_end(client, within_s=END_S)

    assert answer in found


@pytest.mark.parametrize("dribble", [b"\r\n", b"X: y\r\n", b"a"])
def test_a_connection_that_sends_a_little_now_and_then_ends_as_well(
    dribble: bytes, hurried_server: Server
) -> None:
    end_s = time.monotonic() + END_S
    with hurried_server.connect(b"" if dribble == b"\r\n" else GET) as client:
        with contextlib.suppress(OSError):
            while time.monotonic() < end_s:
                client.sendall(dribble)
                time.sleep(0.1)
        has_ended = time.monotonic() < end_s

    assert has_ended


def test_unfinished_heads_keep_nobody_out_where_handles_are_few(
    exported: Path, tmp_path: Path, rows: bytes
) -> None:
    few = start("server.py", cwd=exported, n_handles=100)
    try:
        with opened(few, GET + b"X: ", 150):
            assert few.predict(rows).status == 200
            assert few.get("/health").status == 200
    finally:
        few.process.kill()
        few.process.wait()


def test_slow_bodies_keep_nobody_out(hurried_server: Server, rows: bytes) -> None:
    with opened(hurried_server, POST + b"Content-Length: 100\r\n\r\n[", MANY) as clients:
        assert hurried_server.predict(rows).status == 200
        answers = [read_to_end(client, within_s=END_S) for client in clients]

    assert all(b" 408 " in found for found in answers)


def test_memory_of_large_bodies_is_given_back(server: Server, rows: bytes) -> None:
    before_mib = server.read_rss_mib()
    body = b" " * (16 * 2**20 - 100)
    statuses: list[int] = []

    def ask() -> None:
        with contextlib.suppress(OSError):
            statuses.append(server.predict(body).status)

    clients = [threading.Thread(target=ask) for _ in range(12)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    deadline_s = time.monotonic() + END_S
    while server.read_rss_mib() - before_mib > MOST_GROWTH_MIB and time.monotonic() < deadline_s:
        time.sleep(0.2)

    assert set(statuses) <= {400, 408, 503}
    assert server.read_rss_mib() - before_mib < MOST_GROWTH_MIB
    assert server.predict(rows).status == 200


@pytest.mark.parametrize(
    "make_body",
    [
        lambda: b"[" + b"[]," * 2_000_000 + b"[]]",
        lambda: b"[" + b"{}," * 2_000_000 + b"{}]",
        lambda: b'[{"size":[' + b"1," * 2_000_000 + b"1]}]",
        lambda: b'[{"size":[' + b",".join([b"[" * 900 + b"]" * 900] * 1_000) + b"]}]",
        lambda: b"[{" + b",".join(b'"%07d":1' % i for i in range(500_000)) + b"}]",
    ],
    ids=["lists", "objects", "numbers", "chains", "keys"],
)
def test_json_of_too_many_values_is_refused_before_it_is_parsed(
    make_body: Callable[[], bytes], server: Server
) -> None:
    found = server.predict(make_body())

    assert found.status == 413
    assert "140000 values" in found.json["error"]


def write_arrow(table: pyarrow.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    chosen = pyarrow.ipc.IpcWriteOptions(**options)
    with pyarrow.ipc.new_stream(sink, table.schema, options=chosen) as stream:
        stream.write_table(table)
    return sink.getvalue()


BAD_VALUES: dict[str, Any] = {
    "timestamp": pyarrow.array([2**60], pyarrow.timestamp("us")),
    "timestamp in s": pyarrow.array([2**60], pyarrow.timestamp("s")),
    "time zone": pyarrow.array([1], pyarrow.timestamp("us", tz="Nowhere/At_all")),
    "date": pyarrow.array([2**30], pyarrow.date32()),
    "date in ms": pyarrow.array([2**60], pyarrow.date64()),
    "duration": pyarrow.array([2**62], pyarrow.duration("s")),
    "time": pyarrow.array([datetime.time(1)]),
    "no UTF-8": pyarrow.Array.from_buffers(
        pyarrow.string(),
        1,
        [None, pyarrow.py_buffer(struct.pack("<2i", 0, 2)), pyarrow.py_buffer(b"\xff\xfe")],
    ),
    "bytes": pyarrow.array([b"\xff"]),
    "list": pyarrow.array([[1]]),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_an_arrow_value_that_is_no_number_is_refused(name: str, server: Server, log: Path) -> None:
    columns = {column: [value] for column, value in ROW.items()} | {"size": BAD_VALUES[name]}

    found = server.predict(write_arrow(pyarrow.table(columns)), ARROW)

    assert found.status == 422
    assert found.json["error"]
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("is_dictionary", [False, True])
def test_a_compressed_arrow_stream_is_refused_before_it_is_unpacked(
    compression: str, is_dictionary: bool, server: Server
) -> None:
    """Some kilobytes of it would unpack to 160 MiB."""
    bomb = pyarrow.array(["x" * 2**24] * 10)
    table = pyarrow.table({"day": bomb.dictionary_encode() if is_dictionary else bomb})
    before_mib = server.read_rss_mib()

    found = server.predict(write_arrow(table, compression=compression), ARROW)

    assert found.status == 422
    assert "compressed Arrow stream" in found.json["error"]
    assert server.read_rss_mib() - before_mib < MOST_GROWTH_MIB


def test_an_arrow_stream_of_many_batches_is_refused_before_they_are_read(server: Server) -> None:
    batch = pyarrow.RecordBatch.from_pylist([ROW])
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        for _ in range(2_000):
            stream.write_batch(batch.slice(0, 0))

    found = server.predict(sink.getvalue(), ARROW)

    assert found.status == 413
    assert "1000 batches" in found.json["error"]


@pytest.mark.parametrize("name", BAD_VALUES)
def test_an_arrow_value_for_a_text_ends_in_an_answer(name: str, server: Server, log: Path) -> None:
    columns = {column: [value] for column, value in ROW.items()} | {"day": BAD_VALUES[name]}

    found = server.predict(write_arrow(pyarrow.table(columns)), ARROW)

    assert found.status in (200, 422)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("value", [1e308, -1e308, Decimal(10) ** 70])
def test_a_number_that_float32_does_not_hold_is_refused_by_either_door(
    value: float | Decimal, server: Server
) -> None:
    row = ROW | {"size": value, "n_parts": value}
    table = pyarrow.table({column: [one] for column, one in row.items()})

    by_arrow = server.predict(write_arrow(table), ARROW)
    by_json = server.predict(json.dumps([row], default=float).encode(), JSON)

    for found in (by_arrow, by_json):
        assert found.status == 422
        assert "Row 0: 'size' must be a number between -" in found.json["error"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: elsewhere.example\r\n\r\n",
        b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ],
    ids=["two hosts", "a tunnel"],
)
def test_a_head_that_means_another_server_is_refused(head: bytes, server: Server) -> None:
    with server.connect(head) as client:
        assert read_to_end(client, within_s=END_S).startswith(b"HTTP/1.1 400 ")


def test_the_log_holds_no_traceback(server: Server, log: Path) -> None:
    """The last test of this module: after all the attacks above."""
    assert server.get("/health").status == 200
    assert "Traceback" not in log.read_text()
