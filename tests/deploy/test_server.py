from __future__ import annotations

import io
import json
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from factories.studies import make_raw
from harness.python_programs import run_python
from harness.served_export import ARROW, JSON, Server, start
from prometheus_client.parser import text_string_to_metric_families

from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.usage import PROFILE, read_export
from rightfit.exporting.model_call import Model
from rightfit.models.runtimes import open_predictor
from rightfit_deploy.server import listen
from rightfit_search.tables.encoding import apply_encoder

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def server(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = ("--max-rows", "50", "--max-body-mib", "0.1")
    started = start(
        *("-m", "rightfit", "serve", str(exported), *limits), cwd=tmp_path_factory.mktemp("any")
    )
    yield started
    started.process.kill()
    started.process.wait()


@pytest.mark.parametrize("command", [("-m", "rightfit", "serve", "."), ("server.py",)])
def test_taken_port_is_one_message_and_nothing_claims_to_listen(
    command: tuple[str, ...], exported: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = run_python(*command, "--port", str(port), folder=exported)

    assert found.returncode == 1
    (line,) = found.stderr.splitlines()
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in line


def test_the_end_of_an_answer_does_not_wait_for_a_client_to_confirm_its_beginning() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("command", [("-m", "rightfit", "serve", "."), ("server.py",)])
@pytest.mark.parametrize("host", ["", " ", "0", "0x0"])
def test_a_host_that_stands_for_every_address_is_refused(
    host: str, command: tuple[str, ...], exported: Path
) -> None:
    found = run_python(*command, "--port", "0", "--host", host, folder=exported)

    assert found.returncode == 1
    assert "stands for every address" in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return make_raw().drop("label").head(20).to_dicts()


def expected(model: Model) -> np.ndarray:
    raw = make_raw().drop("label").head(20)
    encoded = apply_encoder(Encoder.model_validate(model.encoder), raw)
    matrix = np.ascontiguousarray(encoded.to_numpy(), dtype=np.float32)
    return open_predictor(model.bundle, runtime="onnx", n_threads=1, device="cpu")(matrix)


def to_arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pyarrow.Table.from_pylist(rows)
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def test_answers_are_those_of_the_bundle(
    server: Server, rows: list[dict[str, Any]], model: Model
) -> None:
    found = server.predict(json.dumps(rows).encode())

    assert found.status == 200
    answers = np.array([list(row["probabilities"].values()) for row in found.json])
    np.testing.assert_allclose(answers, expected(model), rtol=1e-5)
    assert found.json[0]["class"] in ("low", "middle", "high")


def test_arrow_in_is_arrow_out(server: Server, rows: list[dict[str, Any]]) -> None:
    found = server.predict(to_arrow(rows), ARROW)

    assert found.headers["content-type"] == ARROW["Content-Type"]
    with pyarrow.ipc.open_stream(io.BytesIO(found.body)) as stream:
        answers = stream.read_all().to_pylist()
    assert answers == server.predict(json.dumps(rows).encode()).json


def test_health_profile_and_metrics(
    server: Server, rows: list[dict[str, Any]], project_path: Path
) -> None:
    server.predict(json.dumps(rows).encode())

    assert server.get("/health").json == {"status": "ok"}
    assert server.get("/profile").json["profile"]["metrics"]["quality"]["value"] == 0.8
    metrics = server.get("/metrics").body.decode()
    labels = 'http_request_method="POST",http_response_status_code="200",http_route="/predict"'
    assert f"http_server_request_duration_seconds_count{{{labels}}}" in metrics
    assert "http_server_active_requests 0" in metrics
    assert "rightfit_rows_total" in metrics
    dashboard = (project_path / "docs" / "howto" / "grafana.json").read_text()
    drawn = set(re.findall(r"\b((?:http_server|rightfit)_\w+)\{", dashboard))
    assert len(drawn) == 4
    assert [
        name for name in drawn if f"\n{name}{{" not in metrics and f"\n{name} " not in metrics
    ] == []


def test_the_server_says_what_it_is(server: Server, rows: list[dict[str, Any]]) -> None:
    page = server.get("/").body.decode()
    row = server.get("/openapi.json").json["paths"]["/predict"]["post"]["requestBody"]

    schema = row["content"]["application/json"]["schema"]["items"]
    assert set(schema["required"]) <= set(rows[0])
    assert schema["properties"]["size"]["type"] == ["number", "boolean", "null"]
    assert "POST /predict" in page
    assert all(name in page for name in schema["required"])


def test_a_second_ctrl_c_ends_an_unfinished_request_without_a_traceback(
    exported: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        server = start("-m", "rightfit", "serve", str(exported), cwd=tmp_path, log=file)
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    asked = head + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
    with server.connect(asked) as client:
        assert client.recv(1_000).startswith(b"HTTP/1.1 100 ")  # the request is under way
        server.process.send_signal(signal.SIGINT)
        closed = (ConnectionRefusedError, ConnectionResetError)  # the latter while it closes
        with pytest.raises(closed, match=r"refused|reset"):  # once that is heeded
            while True:
                server.connect().close()
        server.process.send_signal(signal.SIGINT)
        server.process.wait(120)

    assert server.process.returncode == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("path", ["/docs", "/predict", "/../etc/passwd"])
def test_there_is_no_other_surface(path: str, server: Server) -> None:
    assert server.get(path).status in (404, 405)


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{", JSON, 400, "no JSON"),
        pytest.param(b"[" * 50_000, JSON, 400, "no JSON", id="deep"),
        (b'[{"size": NaN}]', JSON, 400, "NaN is no number"),
        (b"{}", JSON, 422, "a list with one object per row"),
        (b"[1]", JSON, 422, "a list with one object per row"),
        (b"[]", JSON, 422, "no row"),
        (b'[{"size": 1}]', JSON, 422, "lacks the columns"),
        (b"[]", {"Content-Type": "text/plain"}, 415, "must be application/json"),
        (b"garbage", ARROW, 400, "no Arrow stream"),
        (b"[" + b"{}," * 60 + b"{}]", JSON, 413, "50 rows"),
        pytest.param(b" " * 200_000, JSON, 413, "0.1 MiB", id="blank"),
        (b'[{"\\ud800": 1}]', JSON, 422, "lacks the columns"),
        pytest.param(b'[{"size": 1' + b"0" * 5_000 + b"}]", JSON, 400, "no JSON", id="long"),
        (b"\xff\xfe", JSON, 400, "no JSON"),
        (b"null", JSON, 422, "a list with one object per row"),
        (b'[{"size": 1, "size": 2}]', JSON, 422, "twice"),
        (b'[{"size": 1}, {"size": 1, "other": 2}]', JSON, 422, "other columns than the first"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(
    body: bytes, headers: dict[str, str], status: int, said: str, server: Server
) -> None:
    found = server.predict(body, headers)

    assert found.status == status
    assert said in found.json["error"]


@pytest.mark.parametrize(
    ("table", "status", "said"),
    [
        (pyarrow.table({"size": pyarrow.nulls(2**31 - 1)}), 413, "50 rows"),
        (pyarrow.table([[1], [2]], names=["size", "size"]), 422, "twice"),
        (pyarrow.table({"size": [{"a": 1}]}), 422, "a type that is not read"),
        (pyarrow.table({"other": [1]}), 422, "lacks the columns"),
    ],
)
def test_a_bad_arrow_table_is_refused_with_its_reason(
    table: pyarrow.Table, status: int, said: str, server: Server
) -> None:
    found = server.predict(write_arrow(table), ARROW)

    assert found.status == status
    assert said in found.json["error"]


def test_a_client_that_leaves_within_its_body_fails_nobody_else(
    server: Server, rows: list[dict[str, Any]]
) -> None:
    before = count_refused(server)
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head + b"Content-Length: 100\r\n\r\n[")
    deadline = time.monotonic() + 20
    while count_refused(server) == before and time.monotonic() < deadline:
        time.sleep(0.05)

    assert count_refused(server) == before + 1
    assert server.predict(json.dumps(rows).encode()).status == 200
    assert 'status_code="500"' not in server.get("/metrics").body.decode()


def count_refused(server: Server) -> float:
    """Return how many requests were counted with status 400."""
    metrics = text_string_to_metric_families(server.get("/metrics").body.decode())
    return sum(
        sample.value
        for metric in metrics
        for sample in metric.samples
        if sample.name.endswith("_count")
        and sample.labels.get("http_response_status_code") == "400"
    )


@pytest.mark.parametrize("value", ["7", [1], {}, float("inf"), 1e308])
def test_a_value_that_is_no_number_is_refused(
    value: object, server: Server, rows: list[dict[str, Any]]
) -> None:
    body = json.dumps([rows[0] | {"size": value}]).replace("Infinity", "1e999")

    found = server.predict(body.encode())

    assert found.status == 422
    assert "Row 0: 'size' must be a number" in found.json["error"]


@pytest.mark.parametrize(
    "values",
    [
        pyarrow.array([float("inf")]),
        pyarrow.array([date(2026, 1, 1)]),
        pyarrow.array([1], pyarrow.timestamp("ns")),
    ],
)
def test_a_value_of_arrow_that_is_no_number_is_refused(
    values: pyarrow.Array, server: Server, rows: list[dict[str, Any]]
) -> None:
    others = {name: [value] for name, value in rows[0].items()}

    found = server.predict(write_arrow(pyarrow.table(others | {"size": values})), ARROW)

    assert found.status == 422
    assert "Row 0: 'size' must be a number" in found.json["error"]


def write_arrow(table: pyarrow.Table) -> bytes:
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def test_a_page_of_another_name_is_refused(server: Server) -> None:
    assert server.get("/health", Host="evil.example").status == 400


def test_exported_folder_serves_itself(exported: Path, rows: list[dict[str, Any]]) -> None:
    server = start("server.py", cwd=exported)
    try:
        assert server.predict(json.dumps(rows).encode()).status == 200
    finally:
        server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=120)

    assert "onnxruntime==" in (exported / "requirements.txt").read_text()
    assert 'CMD ["python", "server.py"' in (exported / "Dockerfile").read_text()


def test_a_changed_folder_is_not_served(exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(exported, folder, ignore=shutil.ignore_patterns("__pycache__"))
    read_export(folder, needed=[PROFILE])
    (folder / "model.json").write_text("{}")

    with pytest.raises(ValueError, match=r"not as it was exported: model\.json"):
        read_export(folder, needed=[PROFILE])
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  ../../secret\n")
    with pytest.raises(ValueError, match="a line that is none of an export"):
        read_export(folder, needed=[PROFILE])
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match="no exported model"):
        read_export(folder, needed=[PROFILE])
