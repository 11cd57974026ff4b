from __future__ import annotations

import asyncio
import contextlib
import socketserver
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from rightfit_deploy.http_load import generator
from rightfit_deploy.http_load.generator import HOST, LoadOrder, run_load

ORDER = LoadOrder(port=1, bodies=("[1]",), warm_up_s=0.01, measured_s=0.01, loop="open", level=100)


def test_lateness_of_the_warm_up_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    hour_ns = 3600 * 10**9
    monkeypatch.setattr(generator, "plan_arrivals", lambda _: [-hour_ns, 15_000_000])

    result = asyncio.run(run_load(ORDER))

    assert result.n_sent == 1
    assert result.late_max_ms < hour_ns / 1e6


def test_arrivals_are_planned_before_the_clock_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    events = []

    def read_clock() -> int:
        events.append("clock")
        return time.perf_counter_ns()

    def plan_arrivals(_: LoadOrder) -> list[int]:
        events.append("plan")
        return []

    clock = SimpleNamespace(perf_counter_ns=read_clock, process_time=time.process_time)
    monkeypatch.setattr(generator, "time", clock)
    monkeypatch.setattr(generator, "plan_arrivals", plan_arrivals)
    asyncio.run(run_load(ORDER))

    assert events[:2] == ["plan", "clock"]


@pytest.mark.parametrize(
    ("reply", "timeout_s", "kind"),
    [
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 60.0, "status 500"),
        (b"HTTP/1.1 302 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 60.0, "status 302"),
        (b"", 60.0, "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", 60.0, "connection"),
        (b"HTTP/1.1 fine OK\r\nContent-Length: 0\r\n\r\n", 60.0, "connection"),
        (b"garbage\r\n\r\n", 60.0, "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", 0.1, "timeout"),
    ],
)
def test_what_is_no_answer_counts_as_a_failure_of_its_kind(
    reply: bytes, timeout_s: float, kind: str
) -> None:
    class Answer(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                while self.request.recv(65_536) and reply:
                    self.request.sendall(reply)

    with socketserver.ThreadingTCPServer((HOST, 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        order = replace(ORDER, port=server.server_address[1], measured_s=0.2, timeout_s=timeout_s)
        result = asyncio.run(run_load(order))
        server.shutdown()

    assert result.n_sent > 0
    assert result.errors == {kind: result.n_sent}
    assert result.latencies_ns == ()
