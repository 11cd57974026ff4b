"""The load generator: a process of its own that asks a server and times the answers.

Open loop: requests have their times beforehand, whatever the server does, and each is timed from
the time it was due, not from when it could be sent (coordinated omission; G. Tene, *How NOT to
Measure Latency*). Closed loop: a number of clients, each of which asks again as soon as it is
answered.

It speaks HTTP/1.1 over connections that stay open, as a reverse proxy in front of the server does.
Run as a module it receives a :class:`LoadOrder` and sends a :class:`LoadResult` for it, until its
parent has no more.
"""

from __future__ import annotations

import asyncio
import gc
import os
import select
import selectors
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np

from rightfit._core.processes.channel import name_kinds
from rightfit._core.processes.fork_server import connect_to_parent
from rightfit._core.processes.lifeline import end_with_parent
from rightfit.measuring.worker.open_loop import SPIN_NS, poisson_arrivals_ns
from rightfit.measuring.worker.units import NS_PER_MS, NS_PER_S

HOST, PATH = "127.0.0.1", "/predict"  # of an exported model's server on this machine
MAX_CONNECTIONS = 512  # open at a time; a request due when all are busy waits, and its time runs
SEED = 0  # of the gaps


@dataclass(frozen=True)
class LoadOrder:
    """The requests of a load, and how they are sent.

    Args:
        port: Port of the server.
        bodies: JSON bodies of the requests, in turn.
        warm_up_s: Seconds at the start that are not counted.
        measured_s: Seconds that count, by the time a request was due (closed: sent).
        loop: ``open`` or ``closed``.
        level: Requests a second (open), or clients (closed).
        timeout_s: Seconds after which a request counts as failed.
        core: Number of the core that the generator runs on; ``None``: any.
    """

    port: int
    bodies: tuple[str, ...]
    warm_up_s: float
    measured_s: float
    loop: Literal["open", "closed"] = "closed"
    level: float = 1
    timeout_s: float = 10.0
    core: int | None = None


@dataclass(frozen=True)
class LoadResult:
    """Outcome of a load.

    Args:
        latencies_ns: Of the requests answered with status 200, in the order they were due.
        due_ns: When each was due, since the load began.
        n_sent: Requests that count, failed ones too.
        errors: Failed requests by kind: ``status 503``, ``timeout``, ``connection``.
        wall_s: From the first request that counts to the last answer.
        n_answered_in_time: Answers that arrived within the measured seconds, those of requests
            that were due before included.
        late_p99_ms: How late the generator was to send: its own delay, a p99 over the requests that
            count.
        late_max_ms: The longest such delay.
        cpu_s: CPU seconds of the generator.
    """

    latencies_ns: tuple[int, ...]
    due_ns: tuple[int, ...]
    n_sent: int
    errors: dict[str, int]
    wall_s: float
    n_answered_in_time: int
    late_p99_ms: float
    late_max_ms: float
    cpu_s: float


class _FineSelector(selectors.EpollSelector):
    """Waits to the microsecond, where epoll's own time-outs are rounded up to milliseconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, as :meth:`selectors.BaseSelector.select` does."""
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


class _Connection(asyncio.Protocol):
    """A connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[int] | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; the future gives its status.

        Raises:
            ConnectionResetError: If the server has closed the connection.
        """
        if self._transport is None:
            raise ConnectionResetError("closed by the server")
        self._waiting = asyncio.get_running_loop().create_future()
        self._buffer.clear()
        self._transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        try:
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            status = int(head.split(b" ", 2)[1])
        except (IndexError, ValueError):  # this is no HTTP
            self.close()
            return
        if len(self._buffer) >= end + 4 + length and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            if not waiting.done():
                waiting.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed by the server"))

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close it, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()


@dataclass
class _Load:
    order: LoadOrder
    requests: list[bytes]
    idle: list[_Connection] = field(default_factory=list)
    opened: list[_Connection] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    answered: list[tuple[int, int]] = field(default_factory=list)  # due, latency in ns
    late_ns: list[int] = field(default_factory=list)
    n_sent: int = 0
    n_in_time: int = 0
    started_ns: int = 0
    last_ns: int = 0

    @property
    def counts_from_ns(self) -> int:
        return int(self.order.warm_up_s * NS_PER_S)

    @property
    def ends_ns(self) -> int:
        return self.counts_from_ns + int(self.order.measured_s * NS_PER_S)

    def now_ns(self) -> int:
        return time.perf_counter_ns() - self.started_ns

    async def ask(self, number: int, due_ns: int, free: asyncio.Semaphore) -> None:
        """Send one request and count what becomes of it."""
        async with free:
            counts = due_ns >= self.counts_from_ns
            self.n_sent += counts
            request = self.requests[number % len(self.requests)]
            kind = await self._try(request)
            now_ns = self.now_ns()
            self.n_in_time += kind is None and self.counts_from_ns <= now_ns <= self.ends_ns
            if not counts:
                return
            self.last_ns = now_ns
            if kind is None:
                self.answered.append((due_ns, now_ns - due_ns))
            else:
                self.errors[kind] += 1

    async def _try(self, request: bytes) -> str | None:
        """Return what went wrong, ``None`` if the request was answered."""
        connection = None
        try:
            connection = await self._connect()
            status = await asyncio.wait_for(connection.ask(request), self.order.timeout_s)
        except TimeoutError:
            if connection is not None:
                connection.close()
            return "timeout"
        except OSError:
            return "connection"
        if connection.is_open:
            self.idle.append(connection)
        return None if status == 200 else f"status {status}"

    async def _connect(self) -> _Connection:
        while self.idle:
            connection = self.idle.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await asyncio.wait_for(
            loop.create_connection(_Connection, HOST, self.order.port),
            self.order.timeout_s,
        )
        self.opened.append(connection)
        return connection


async def run_load(order: LoadOrder) -> LoadResult:
    """Ask a server as ordered."""
    requests = []
    for body in order.bodies:
        content = body.encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {HOST}:{order.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        requests.append(head.encode() + content)
    load = _Load(order, requests)
    # drawn before the clock starts: numpy takes 5 ms for its first, by which the first were late
    arrivals_ns = plan_arrivals(order) if order.loop == "open" else []
    cpu_s = time.process_time()
    # With the requests of a minute Python's garbage collector stops for 0.1 s; what was due
    # meanwhile would reach the server as one burst.
    gc.collect()
    gc.disable()
    try:
        load.started_ns = time.perf_counter_ns()
        if order.loop == "open":
            await _run_open(load, arrivals_ns)
        else:
            await asyncio.gather(*(_run_client(load, number) for number in range(int(order.level))))
    finally:
        gc.enable()
    cpu_s = time.process_time() - cpu_s
    for connection in load.opened:
        connection.close()
    load.answered.sort()
    return LoadResult(
        latencies_ns=tuple(latency for _, latency in load.answered),
        due_ns=tuple(due_ns for due_ns, _ in load.answered),
        n_sent=load.n_sent,
        errors=dict(load.errors),
        wall_s=max(load.last_ns - load.counts_from_ns, 1) / NS_PER_S,
        n_answered_in_time=load.n_in_time,
        late_p99_ms=float(np.quantile(load.late_ns, 0.99)) / NS_PER_MS if load.late_ns else 0.0,
        late_max_ms=max(load.late_ns, default=0) / NS_PER_MS,
        cpu_s=cpu_s,
    )


def plan_arrivals(order: LoadOrder) -> list[int]:
    """Return when the requests of an open loop are due, in ns since it began: a Poisson process."""
    ends_ns = (order.warm_up_s + order.measured_s) * NS_PER_S
    n_expected = order.level * (order.warm_up_s + order.measured_s)
    n_drawn = int(n_expected + 10 * np.sqrt(n_expected) + 10)
    times_ns = poisson_arrivals_ns(order.level, n_drawn, np.random.default_rng(SEED))
    return [int(time_ns) for time_ns in times_ns[times_ns < ends_ns]]


async def _run_open(load: _Load, arrivals_ns: list[int]) -> None:
    free = asyncio.Semaphore(MAX_CONNECTIONS)
    running: set[asyncio.Task[None]] = set()
    for number, due_ns in enumerate(arrivals_ns):
        wait_ns = due_ns - load.now_ns() - SPIN_NS
        if wait_ns > 0:
            await asyncio.sleep(wait_ns / NS_PER_S)
        while (late_ns := load.now_ns() - due_ns) < 0:
            await asyncio.sleep(0)
        if due_ns >= load.counts_from_ns:
            load.late_ns.append(late_ns)
        task = asyncio.create_task(load.ask(number, due_ns, free))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def _run_client(load: _Load, number: int) -> None:
    free = asyncio.Semaphore(1)
    while (now_ns := load.now_ns()) < load.ends_ns:
        await load.ask(number, now_ns, free)
        number += 1


def main() -> None:
    """Run the loads that the parent orders, one after the other."""
    end_with_parent(int(sys.argv[1]))
    channel, _ = connect_to_parent(name_kinds(LoadOrder))
    while (order := channel.receive()) is not None:
        if order.core is not None:
            os.sched_setaffinity(0, {order.core})
        fine = asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_FineSelector()))
        with fine as runner:
            result = runner.run(run_load(order))
        channel.send(result)


if __name__ == "__main__":
    main()
