from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from rightfit.ops.http_load import generator
from rightfit.ops.http_load.generator import LoadOrder, run_load

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
