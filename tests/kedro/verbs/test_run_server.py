"""What is served here answers to this machine alone, and no password is on a command line."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rightfit_kedro.verbs.run_server import guard_asgi, is_local, run_server
from rightfit_kedro.verbs.studies import hide_password

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("127.0.0.1:8080", None, True),
        ("localhost", None, True),
        ("[::1]:8080", None, True),
        ("LOCALHOST:80", "http://127.0.0.1:8080", True),
        (None, None, False),
        ("", None, False),
        ("evil.example:8080", None, False),
        ("localhost.evil.example", None, False),
        ("localhost@evil.example", None, False),
        ("127.0.0.1,evil.example", None, False),
        ("127.0.0.1:8080", "https://evil.example", False),
        ("127.0.0.1:8080", "null", False),
        ("[", None, False),
    ],
)
def test_only_requests_to_and_from_this_machine_are_local(
    host: str | None, origin: str | None, expected: bool
) -> None:
    assert is_local(host, origin) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"Host", b"localhost:1")], 200),
        ([(b"host", b"evil")], 403),
        ([(b"host", b"localhost"), (b"host", b"evil")], 403),
        ([], 403),
    ],
)
def test_guarded_asgi_application_refuses_other_hosts(
    headers: list[tuple[bytes, bytes]], expected: int
) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"status": 200})

    async def send(message: Any) -> None:
        sent.append(message)

    with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop in the tests' own
        answering = guard_asgi(app)({"type": "http", "headers": headers}, None, send)
        thread.submit(asyncio.run, answering).result()

    assert sent[0]["status"] == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://me:s3cret@host/db", "postgresql+psycopg://me:***@host/db"),
        ("postgresql://me:a@b:c@host/db", "postgresql://me:***@host/db"),
        ("/data/a@b:c/studies.journal", "/data/a@b:c/studies.journal"),
        ("postgresql://host/db", "postgresql://host/db"),
    ],
)
def test_password_never_shows(url: str, expected: str) -> None:
    assert hide_password(url) == expected


def test_server_of_pipelines_outside_a_project_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(run_server, [])
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert "no Kedro project here" in result.output
