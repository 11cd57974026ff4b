"""A server under load: confined, started, watched through its process tree, and ended.

Where a deployment is tried, the server is confined as a container is: by a control group where one
can be made, else to its cores alone. A control group (version 1 or 2) holds its processes to a
share of CPU time and kills what exceeds its memory, as Kubernetes does. Making one takes rights
that a container or an ordinary user often lacks. Then the server is bound to whole cores, and its
peak of resident memory is compared with the limit afterwards: RLIMIT_DATA would count what threads
reserve and never touch, more than twice what such a server holds.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
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

ROOT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000  # as Kubernetes sets it
REMOVE_S = 5.0
PREFIX = "rightfit-"


@dataclass(frozen=True)
class ServerPlace:
    """Where a server may run.

    Args:
        cores: Numbers of the cores it may use.
        memory_mib: Private memory of each of its processes, as ``RLIMIT_DATA``; ``None``: any.
        groups: Control groups that it joins.
    """

    cores: tuple[int, ...]
    memory_mib: float | None = None
    groups: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ContainerLimits:
    """Limits of one container."""

    cores: float
    memory_mib: float


@dataclass(frozen=True)
class Throttling:
    """How often a control group had used up its CPU time and stood still until the next period.

    Args:
        n_periods: Periods of :data:`PERIOD_US` in which it ran.
        n_throttled: Those in which it stood still.
        seconds: How long, in all.
    """

    n_periods: int
    n_throttled: int
    seconds: float

    def __sub__(self, before: Throttling) -> Throttling:
        """Return what came after an earlier reading."""
        return Throttling(
            self.n_periods - before.n_periods,
            self.n_throttled - before.n_throttled,
            self.seconds - before.seconds,
        )

    def __str__(self) -> str:
        if not self.n_throttled:
            return "never throttled"
        share = f"{self.n_throttled} of {self.n_periods} periods of {PERIOD_US // 1000} ms"
        return f"throttled in {share}, {self.seconds:.2f} s in all"


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

    @property
    def is_alive(self) -> bool:
        """Whether its first process runs."""
        return self._process.poll() is None

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
    variables: Mapping[str, str] | None = None,
) -> Iterator[RunningServer]:
    """Start a server in a process group of its own, wait until it answers, and end it at last.

    Args:
        command: What starts it. ``--port`` and a free port of 127.0.0.1 are added; it is ready when
            it answers ``/health`` there with status 200.
        server_place: Where it may run.
        variables: Of its environment, beside this process' own.

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
            env={**os.environ, **share_imports(), **(variables or {})},
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
    for group in server_place.groups:
        (group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
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


@contextlib.contextmanager
def confine(
    limits: ContainerLimits, cores: Sequence[int], *, root: Path = ROOT
) -> Iterator[ServerPlace]:
    """Make a place with these limits, and remove it at last.

    Where it has control groups, exceeding the memory ends what runs there; else the peak must be
    compared.
    """
    groups = _make_groups(limits, root)
    bound_cores = cores if groups else cores[: math.ceil(limits.cores)]
    try:
        yield ServerPlace(tuple(bound_cores), groups=groups)
    finally:
        for group in groups:
            _remove(group)


def read_throttling(groups: Sequence[Path]) -> Throttling:
    """Read how often control groups were throttled so far: never, where there is none."""
    counters: dict[str, int] = {}
    for group in groups:
        with contextlib.suppress(OSError, ValueError):
            lines = (group / "cpu.stat").read_text(encoding="ascii").splitlines()
            counters |= {name: int(value) for name, value in map(str.split, lines)}
    seconds = counters.get("throttled_usec", 0) / 1e6 + counters.get("throttled_time", 0) / 1e9
    return Throttling(counters.get("nr_periods", 0), counters.get("nr_throttled", 0), seconds)


def _make_groups(limits: ContainerLimits, root: Path) -> tuple[Path, ...]:
    """Make the control groups that hold the limits; none where that is not allowed."""
    quota = str(round(limits.cores * PERIOD_US))
    n_bytes = str(int(limits.memory_mib * BYTES_PER_MIB))
    name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
    for cases in _list_cases(root, quota, n_bytes):
        groups: list[Path] = []
        try:
            for parent, files in cases:
                for leftover in parent.glob(f"{PREFIX}*"):  # by trials that were killed
                    with contextlib.suppress(OSError):  # a process of another trial is in it
                        leftover.rmdir()
                group = parent / name
                group.mkdir()
                groups.append(group)
                for file, value in files.items():
                    if not (group / file).exists():
                        raise FileNotFoundError(group / file)
                    (group / file).write_text(value, encoding="ascii")
        except OSError:
            for group in groups:
                _remove(group)
        else:
            return tuple(groups)
    return ()


def _list_cases(
    root: Path, quota: str, n_bytes: str
) -> Iterator[list[tuple[Path, dict[str, str]]]]:
    """Yield ways to hold the limits: groups to be made, by their parents, with their files."""
    controllers = _read_own_groups()
    if "" in controllers and (root / "cgroup.controllers").exists():
        group = root / controllers[""].lstrip("/")
        both = {"cpu.max": f"{quota} {PERIOD_US}", "memory.max": n_bytes}
        for parent in (group, group.parent):
            with contextlib.suppress(OSError):
                (parent / "cgroup.subtree_control").write_text("+cpu +memory", encoding="ascii")
            yield [(parent, both)]
    if "cpu" in controllers and "memory" in controllers:
        cpu = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": quota}
        yield [
            (root / "cpu" / controllers["cpu"].lstrip("/"), cpu),
            (
                root / "memory" / controllers["memory"].lstrip("/"),
                {"memory.limit_in_bytes": n_bytes},
            ),
        ]


def _read_own_groups() -> dict[str, str]:
    """Return the control groups of this process by controller; version 2's has none."""
    paths = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _remove(group: Path) -> None:
    """Remove a group once its processes are gone."""
    until_s = time.monotonic() + REMOVE_S
    while group.exists():
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        if time.monotonic() > until_s:
            return
        time.sleep(0.05)
