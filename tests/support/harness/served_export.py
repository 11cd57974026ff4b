"""A server of an export on this machine, and a client of it."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from harness.ports import find_free_port

JSON = {"Content-Type": "application/json"}
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def get(self, path: str, **headers: str) -> Answered:
        return self.ask(path, None, headers)

    def predict(self, body: bytes, headers: dict[str, str] = JSON) -> Answered:
        return self.ask("/predict", body, headers)

    def ask(self, path: str, body: bytes | None, headers: dict[str, str]) -> Answered:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=300) as found:  # noqa: S310
                return Answered(
                    found.status,
                    {key.lower(): value for key, value in found.headers.items()},
                    found.read(),
                )
        except urllib.error.HTTPError as err:
            return Answered(
                err.code, {key.lower(): value for key, value in err.headers.items()}, err.read()
            )

    def connect(self, data: bytes = b"") -> socket.socket:
        """Open a connection and send something over it."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        client.sendall(data)
        return client

    def read_rss_mib(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


def send_much(client: socket.socket, block: bytes, *, n_blocks: int) -> None:
    """Send blocks until the server ends the connection."""
    with contextlib.suppress(OSError):
        for _ in range(n_blocks):
            client.sendall(block)


def read_to_end(client: socket.socket, *, within_s: float) -> bytes:
    """Return what the server sends until it ends the connection.

    Raises:
        TimeoutError: If it does not in time.
    """
    client.settimeout(within_s)
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while part := client.recv(2**16):
            found += part
    return bytes(found)


def start(
    *command: str, cwd: Path, log: IO[bytes] | None = None, n_handles: int | None = None
) -> Server:
    """Start a server with a free port as its last option, and wait until it answers.

    Args:
        command: What Python is to run.
        cwd: Where.
        log: For what it writes.
        n_handles: Files and connections that it may have; ``None``: as many as this process.
    """

    def limit_handles() -> None:
        if n_handles is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (n_handles, n_handles))

    port = find_free_port()
    process = subprocess.Popen(
        [sys.executable, *command, "--port", str(port)],
        cwd=cwd,
        stderr=log or subprocess.DEVNULL,
        preexec_fn=limit_handles,
    )
    server = Server(port, process)
    deadline = time.monotonic() + 300  # a busy machine imports slowly
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            server.get("/health")
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return server
    process.kill()
    raise TimeoutError("the server did not start")
