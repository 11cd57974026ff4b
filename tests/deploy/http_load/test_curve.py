from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rightfit._core.processes.lifeline import list_children
from rightfit.measuring.median_estimates import Interval
from rightfit.ranking.records.load_records import LatencyLimit, LoadCurve, LoadStep
from rightfit_deploy.http_load import curve
from rightfit_deploy.http_load.curve import CurvePlan, judge_curve, measure_curve, start_generator
from rightfit_deploy.http_load.curve import measure_step as measure_step_with
from rightfit_deploy.http_load.generator import LoadOrder, LoadResult, plan_arrivals
from rightfit_deploy.http_load.served import RunningServer, ServerPlace, start_server
from rightfit_deploy.verbs.load_test import summarise_curve

pytestmark = pytest.mark.whole

ANYWHERE = ServerPlace(tuple(os.sched_getaffinity(0)))
SERVER = Path(__file__).parents[2] / "support" / "harness" / "sleeping_server.py"

Start = Callable[..., tuple[RunningServer, LoadOrder]]


def measure_step(served: RunningServer, order: LoadOrder) -> LoadStep:
    with start_generator() as ask_server:
        return measure_step_with(served, order, ask_server)


def make_order(**changes: Any) -> LoadOrder:
    order = LoadOrder(
        port=1,
        bodies=("[1]", "[2, 3]"),
        warm_up_s=0.2,
        measured_s=1.0,
        loop="open",
        level=100.0,
        timeout_s=60.0,  # on a machine that is busy
    )
    return replace(order, **changes)


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def start_one(
            *, sleep_ms: float, n_at_a_time: int = 100, fail_every: int = 0, **changes: Any
        ) -> tuple[RunningServer, LoadOrder]:
            words = (sleep_ms, n_at_a_time, fail_every)
            program = [sys.executable, str(SERVER), *map(str, words)]
            served = stack.enter_context(start_server(program, server_place=ANYWHERE))
            return served, make_order(port=served.port, **changes)

        yield start_one


def test_latency_is_that_of_the_server(start: Start) -> None:
    step = measure_step(*start(sleep_ms=500, level=20.0))

    p50 = step.latency_ms[0.5]
    assert p50 is not None
    assert 500 <= p50.value < 5_000  # others may use the machine while tests run
    assert step.errors == {}
    assert step.latency_ms[0.99] is None  # of some 20 requests
    assert step.server_cores < 1
    assert step.peak_memory_mib > 5


def test_an_open_loop_counts_the_wait_in_the_queue(start: Start) -> None:
    served, order = start(sleep_ms=50, n_at_a_time=1)  # 20 a second

    asked_too_often = measure_step(served, replace(order, level=40.0))
    one_client = measure_step(served, replace(order, loop="closed", level=1))

    queued, alone = asked_too_often.latency_ms[0.5], one_client.latency_ms[0.5]
    assert queued is not None
    assert alone is not None
    assert queued.value > 2 * alone.value  # of 40 requests the median waits for 10 and more
    assert not asked_too_often.keeps_up
    assert one_client.throughput_per_s <= 20


def test_failures_are_counted_by_kind(start: Start) -> None:
    refused = measure_step(*start(sleep_ms=1, fail_every=4, level=100.0))
    slow = measure_step(*start(sleep_ms=500, level=10.0, timeout_s=0.1))

    assert set(refused.errors) == {"status 503"}
    assert refused.errors["status 503"] == pytest.approx(refused.n_requests / 4, abs=12)
    assert slow.errors == {"timeout": slow.n_requests}
    assert not refused.keeps_up


def test_a_server_that_dies_is_an_error_of_the_connection(start: Start) -> None:
    served, order = start(sleep_ms=1)
    served._process.kill()
    served._process.wait()

    step = measure_step(served, order)

    assert step.errors == {"connection": step.n_requests}


def test_ctrl_c_reaches_no_generator() -> None:
    before = set(list_children())
    with start_generator():
        (generator,) = set(list_children()) - before
        session = os.getsid(generator)

    assert session != os.getsid(0)


def test_a_server_that_does_not_start_says_why() -> None:
    failing = [sys.executable, "-c", "raise SystemExit('no model here')"]

    with (
        pytest.raises(RuntimeError, match="no model here"),
        start_server(failing, server_place=ANYWHERE),
    ):
        pass


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    """A server that answers two requests at a time in exactly 20 ms each."""

    def answer(order: LoadOrder) -> LoadResult:
        rate_per_s = 50 * order.level if order.loop == "closed" else order.level
        n_sent, n_in_time = (
            round(rate * order.measured_s) for rate in (rate_per_s, min(rate_per_s, 100.0))
        )
        due_ns = tuple(int(number / rate_per_s * 1e9) for number in range(n_sent))
        return LoadResult(
            latencies_ns=(20_000_000,) * n_sent, due_ns=due_ns, n_sent=n_sent, errors={},
            wall_s=order.measured_s, n_answered_in_time=n_in_time,
            late_p99_ms=0.0, late_max_ms=0.0, cpu_s=0.0,
        )  # fmt: skip

    @contextlib.contextmanager
    def play_generator() -> Iterator[Callable[[LoadOrder], LoadResult]]:
        yield answer

    monkeypatch.setattr(curve, "start_generator", play_generator)
    silent: Any = SimpleNamespace(pid=os.getpid())
    return RunningServer(silent, 1, ())


def test_curve_finds_the_capacity(played: RunningServer) -> None:
    plan = CurvePlan(
        client_factor=2, rate_shares=(0.5, 1.5), n_beyond=0, n_refinements=1, max_stretch=1
    )

    found = measure_curve(played, make_order(), limit=LatencyLimit(0.5, 1_000), plan=plan)

    assert found.capacity_per_s == 100
    assert [step.level for step in found.closed] == [1, 2, 4]
    assert [round(step.level) for step in found.opened] == [50, 87, 150]
    assert [step.keeps_up for step in found.opened] == [True, True, False]
    assert found.highest_rate_per_s == found.opened[1].level
    assert any("Capacity" in line for line in summarise_curve(found))


@pytest.mark.parametrize(
    ("share", "limit_ms", "told"),
    [
        (0.5, 1.0, "No rate is known to meet a p50 of 1 ms: 50 requests/s already break it"),
        (0.99, 1.0, "each load had too few requests for the percentile"),
    ],
)
def test_a_limit_that_no_rate_is_known_to_meet_is_explained(
    played: RunningServer, share: float, limit_ms: float, told: str
) -> None:
    plan = CurvePlan(
        client_factor=2, rate_shares=(0.5,), n_beyond=0, n_refinements=0, max_stretch=1
    )

    found = measure_curve(played, make_order(), limit=LatencyLimit(share, limit_ms), plan=plan)

    assert found.highest_rate_per_s is None
    assert any(told in line for line in summarise_curve(found))


@pytest.mark.parametrize(
    ("rate_per_s", "share", "levels", "told"),
    [
        (20.0, 0.5, [20, 50, 150], "At 20 requests/s: p50 20"),
        (20.0, 0.99, [20, 50, 150], "At 20 requests/s: it keeps up; too few requests for a p99"),
        (120.0, 0.5, [50, 120], "At 120 requests/s: it falls behind"),
        (400.0, 0.5, [50, 150], "At 400 requests/s: not tried"),
    ],
)
def test_the_rate_that_is_asked_for_is_tried_among_the_others(
    played: RunningServer, rate_per_s: float, share: float, levels: list[int], told: str
) -> None:
    plan = CurvePlan(
        client_factor=2, rate_shares=(0.5, 1.5), n_beyond=0, n_refinements=0, max_stretch=4
    )
    limit = LatencyLimit(share, 1_000)

    found = measure_curve(played, make_order(), limit=limit, plan=plan, rate_per_s=rate_per_s)

    assert [step.level for step in found.opened] == levels
    assert any(line.startswith(told) for line in summarise_curve(found, rate_per_s))


def test_a_server_without_an_answer_in_time_has_no_curve(
    played: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = replace(step_at(1, None), throughput_per_s=0.0)
    monkeypatch.setattr(
        curve, "measure_step", lambda _, order, __: replace(step, level=order.level)
    )

    with pytest.raises(RuntimeError, match="within the 1 s of a load"):
        measure_curve(played, make_order(), limit=LatencyLimit(0.5, 1_000))


def test_curve_is_judged_again_for_another_limit(played: RunningServer) -> None:
    plan = CurvePlan(
        client_factor=256, rate_shares=(0.5,), n_beyond=0, n_refinements=0, max_stretch=4
    )

    found = measure_curve(played, make_order(), limit=LatencyLimit(0.5, 1_000), plan=plan)
    stricter = judge_curve(found, LatencyLimit(0.5, 1))

    assert found.highest_rate_per_s == found.opened[0].level == 50
    assert (stricter.highest_rate_per_s, stricter.limit_ms) == (None, 1)
    assert stricter.opened == found.opened


def test_arrivals_have_the_rate_that_was_ordered() -> None:
    order = make_order(level=500.0, warm_up_s=2.0, measured_s=18.0)

    due_ns = plan_arrivals(order)

    assert len(due_ns) == pytest.approx(10_000, rel=0.03)
    assert due_ns == sorted(due_ns)
    assert due_ns[-1] < 20e9


def step_at(level: float, p99_ms: float | None, *, keeps_up: bool = True) -> LoadStep:
    p99 = None if p99_ms is None else Interval(p99_ms, None, None, is_distribution_free=False)
    return LoadStep(
        loop="open",
        level=level,
        latency_ms={0.5: p99, 0.95: p99, 0.99: p99},
        throughput_per_s=level,
        n_requests=1_000,
        errors={},
        keeps_up=keeps_up,
        server_cores=1.0,
        peak_memory_mib=1.0,
        late_p99_ms=0.0,
    )


def test_highest_rate_is_the_last_before_the_first_that_breaks_the_limit() -> None:
    steps = [step_at(1, None), step_at(10, 5), step_at(20, 60), step_at(30, 40)]

    limit = LatencyLimit(0.99, 50)
    assert curve._find_highest(steps, limit) == 10
    assert curve._find_highest([step_at(10, 60)], limit) is None
    assert curve._find_highest([step_at(10, 5, keeps_up=False)], limit) is None


def test_knee_is_the_last_rate_before_the_percentile_has_doubled() -> None:
    steps = (step_at(10, 5), step_at(20, 9), step_at(30, 11))
    measured = LoadCurve((), steps, 100.0, None, 50, None)

    judged = judge_curve(measured, LatencyLimit(0.99, 50))
    assert judged.knee_per_s == 20
