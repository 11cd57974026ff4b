"""A server under load: confined to its cores, watched through its process tree, and ended."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from rightfit._core.processes.lifeline import end_with_parent
from rightfit._core.processes.starting import share_imports
from rightfit.measuring.worker.meters.memory import parse_status
from rightfit.measuring.worker.units import BYTES_PER_MIB

START_S = 60.0
POLL_S = 0.05
STOP_S = 15
MAX_REQUESTS = 1_000_000  # the queue is part of what is measured: no request is refused


@dataclass(frozen=True)
class ServerPlace:
    """Where a server may run.

    Args:
        cores: Numbers of the cores it may use.
        memory_mib: Private memory of each of its processes, as ``RLIMIT_DATA``; ``None``: any.
    """

    cores: tuple[int, ...]
    memory_mib: float | None = None


def split_cores() -> tuple[int | None, list[int]]:
    """Return the core of the load generator and those of the server.

    Where there is one core only, the generator has none of its own.
    """
    present = sorted(os.sched_getaffinity(0))
    return (present[-1], present[:-1]) if len(present) > 1 else (None, present)


class RunningServer:
    """A running server, its port on 127.0.0.1 and its cores."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, cores: Sequence[int]) -> None:
        self.port = port
        self.cores = cores
        self._process = process

    def read_cpu_s(self) -> float:
        """Return the CPU seconds that its processes used since they began."""
        cpu_s = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu_s += times.user + times.system
        return cpu_s

    def reset_peak(self) -> None:
        """Let the highest memory be counted from now on, where the system can."""
        for process in self._tree():
            with contextlib.suppress(OSError):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5", encoding="ascii")

    def read_peak_mib(self) -> float:
        """Return the highest resident memory of its processes, summed."""
        peak_mib = 0.0
        for process in self._tree():
            with contextlib.suppress(OSError, KeyError):  # it has ended
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
                peak_mib += parse_status(status).peak_mib
        return peak_mib

    def _tree(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextlib.contextmanager
def start_server(
    command: Sequence[str],
    *,
    server_place: ServerPlace,
) -> Iterator[RunningServer]:
    """Start a server in a process group of its own, wait until it answers, and end it at last.

    Args:
        command: What starts it. ``--port`` and a free port of 127.0.0.1 are added; it is ready when
            it answers ``/health`` there with status 200.
        server_place: Where it may run.

    Raises:
        RuntimeError: If it ends or is not ready in time; with the end of what it wrote.
    """
    parent = os.getpid()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # A file and no pipe: nobody reads what the server writes while it is loaded.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - the caller's command
            [*command, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, **share_imports()},
            start_new_session=True,
            preexec_fn=lambda: _settle(server_place, parent),
        )
        try:
            deadline_s = time.monotonic() + START_S
            while not _answers(port):
                if process.poll() is not None:
                    log.seek(0)
                    output = log.read().decode(errors="replace").strip()
                    why = output[-500:] or f"exit status {process.returncode}"
                    raise RuntimeError(f"The server did not start: {why}")
                if time.monotonic() > deadline_s:
                    raise RuntimeError("The server did not start: it does not answer")
                time.sleep(POLL_S)
            yield RunningServer(process, port, server_place.cores)
        finally:
            for how in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_S)
                    break


def _settle(server_place: ServerPlace, parent: int) -> None:
    end_with_parent(parent)
    os.sched_setaffinity(0, server_place.cores)
    if server_place.memory_mib is not None:
        n_bytes = int(server_place.memory_mib * BYTES_PER_MIB)
        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
