from __future__ import annotations

import itertools
import os
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories.measurements import known_load, make_round, make_settings

from rightfit.measuring.profile import ProfileBuilder
from rightfit.measuring.profiles.measured import Measured, set_measured
from rightfit.measuring.rounds import block_timing
from rightfit.measuring.rounds.block_timing import JobMeasurement, time_block
from rightfit.measuring.rounds.measurement import MeasurementContext, predict
from rightfit.measuring.rounds.settling import (
    find_stop_reason,
    per_process,
    usable_rounds,
)
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.rounds.worker_pool import WorkerKind


def measure(bench: MeasurementContext, **costs: float) -> MeasurementState:
    measurement = JobMeasurement(known_load(**costs), MeasurementState(), save=lambda _: None)
    for number in range(3):
        time_block([measurement], bench, block=f"a.{number}", rng=np.random.default_rng(0))
    return measurement.state


def test_known_load_is_found(bench: MeasurementContext) -> None:
    state = measure(bench, sleep_ms=5, burn_ms=5, allocate_mib=200)
    profile = ProfileBuilder()

    set_measured(profile, Measured(state, bench.settings))

    assert state.error is None
    # Not an upper bound: others may use the machine while tests run.
    assert profile.values["latency_p50_ms"] is not None
    assert profile.values["latency_p50_ms"] >= 10
    cpu_ms = [batch.cpu_ms / batch.n_calls for r in state.rounds for batch in r.batches]
    assert statistics.median(cpu_ms) == pytest.approx(5, rel=0.15)  # more on a core that is shared
    assert profile.values["model_memory_mib"] == pytest.approx(200, rel=0.02)


def test_each_round_is_a_fresh_process(bench: MeasurementContext) -> None:
    state = measure(bench, allocate_mib=50)

    # A process that still held the model of the round before would not grow.
    loaded = [r.load.memory_mib for r in state.rounds]
    assert len(loaded) >= 2
    assert loaded == pytest.approx([50] * len(loaded), rel=0.02)


def test_each_round_times_every_batch_size(bench: MeasurementContext) -> None:
    # a call that others hold up rules no batch size out
    bench = replace(bench, settings=make_settings(batch_max_call_ms=60_000))
    rounds = measure(bench, burn_ms=1).rounds

    assert len(rounds) > 1
    assert [[b.batch_size for b in r.batches] for r in rounds] == [[4, 32]] * len(rounds)
    assert all(batch.n_calls > 0 for one in rounds for batch in one.batches)


def test_batch_whose_call_would_take_too_long_is_not_tried(bench: MeasurementContext) -> None:
    settings = make_settings(batch_sizes=(4, 32), batch_max_call_ms=30, max_processes=2)

    state = measure(replace(bench, settings=settings), sleep_ms=10)

    assert [b.batch_size for b in state.rounds[0].batches] == [4]


@pytest.mark.parametrize(("n_threads", "is_marked"), [(1, False), (os.cpu_count() or 1, True)])
def test_process_whose_threads_shared_their_cores_is_marked(
    n_threads: int, *, is_marked: bool, bench: MeasurementContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_marked and n_threads == 1:
        pytest.skip("this machine has one core")
    monkeypatch.setattr(block_timing, "read_busy_s", itertools.count(step=1_000).__next__)
    subject = replace(known_load(), kind=WorkerKind((), n_threads))
    measurement = JobMeasurement(subject, MeasurementState(), save=lambda _: None)

    time_block([measurement], bench, block="a.0", rng=np.random.default_rng(0))

    [finished] = measurement.state.rounds
    assert finished.others_cores is not None
    assert finished.others_cores > 1  # 1,000 s, but for its own
    assert finished.is_disturbed == is_marked


def test_load_that_the_system_hides_is_not_known(
    bench: MeasurementContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_timing, "read_busy_s", lambda: None)
    measurement = JobMeasurement(known_load(), MeasurementState(), save=lambda _: None)

    time_block([measurement], bench, block="a.0", rng=np.random.default_rng(0))

    assert measurement.state.rounds[0].others_cores is None


def test_model_that_fails_ends_its_measurement(bench: MeasurementContext) -> None:
    subject = replace(known_load(), factory="fakes.known_load:not_there")

    measurement = JobMeasurement(subject, MeasurementState(), save=lambda _: None)
    time_block([measurement], bench, block="a.0", rng=np.random.default_rng(0))

    assert measurement.state.error is not None
    assert "not_there" in measurement.state.error
    with pytest.raises(RuntimeError, match=r"known load failed.*not_there"):
        predict(subject, bench)


def test_answers_come_from_the_measured_model(bench: MeasurementContext) -> None:
    probabilities = predict(known_load(n_classes=4), bench)

    assert probabilities.shape == (50, 4)
    assert (probabilities == 0.25).all()


def fake_round(p50_ns: float, *, total_ms: float = 10.0, **latency: Any) -> FinishedRound:
    percentiles = {"0.5": p50_ns, "0.95": None}
    return make_round(percentiles_ns=percentiles, total_ms=total_ms, latency=latency)


def fake_state(rounds: list[FinishedRound]) -> MeasurementState:
    return MeasurementState(rounds=tuple(rounds))


@pytest.mark.parametrize(
    ("p50_ns", "total_ms", "expected"),
    [
        ([100.0] * 5, 10, None),  # five processes give no interval
        ([100.0, 101, 99, 100, 100, 100], 10, "precise"),
        ([100.0, 150, 60, 100, 100, 100], 10, None),
        ([100.0, 150, 60, 100, 100, 100, 100, 100], 10, "processes"),
        ([5e6, 5e6], 600, "time"),
    ],
)
def test_measurement_settles_by_precision_or_cap(
    p50_ns: list[float], total_ms: float, expected: str | None
) -> None:
    settings = make_settings(min_processes=2, max_processes=8, max_s=1, p50_width_pct=10)

    state = fake_state([fake_round(value, total_ms=total_ms) for value in p50_ns])

    assert find_stop_reason(state, settings, {0.5: per_process(state.rounds, 0.5)}) == expected


@pytest.mark.parametrize(
    ("p50_ns", "n_calls", "n_rounds", "expected"),
    [
        (40_000.0, 200, 3, None),  # 62 more calls of 0.04 ms
        (40_000.0, 221, 3, "time"),  # enough for a p99
        (5_000_000.0, 200, 3, "time"),  # 310 ms more
        (40_000.0, 60, 8, "time"),  # as many processes as allowed
    ],
)
def test_time_is_not_over_while_the_tail_lacks_a_few_fast_calls(
    p50_ns: float, n_calls: int, n_rounds: int, expected: str | None
) -> None:
    settings = make_settings(min_processes=2, max_processes=8, max_s=1, p50_width_pct=10)

    state = fake_state([fake_round(p50_ns, total_ms=600, n_calls=n_calls)] * n_rounds)

    assert find_stop_reason(state, settings, {0.5: per_process(state.rounds, 0.5)}) == expected


@pytest.mark.parametrize(("n_rounds", "expected"), [(9, None), (50, "time")])
def test_other_work_can_only_multiply_the_time(n_rounds: int, expected: str | None) -> None:
    settings = make_settings(max_s=1, min_processes=60, max_processes=60)
    taken = replace(fake_round(100.0, total_ms=100.0), cpu_ms=1.0)

    assert find_stop_reason(fake_state([taken] * n_rounds), settings, {}) == expected


def test_disturbed_rounds_are_left_out_unless_too_few_remain() -> None:
    clean, shared = fake_round(100.0), replace(fake_round(900.0), is_disturbed=True)

    enough = usable_rounds([shared, clean, shared, clean, shared, clean])
    too_few = usable_rounds([clean, shared, clean])

    assert per_process(enough, 0.5) == [100.0, 100.0, 100.0]
    assert per_process(too_few, 0.5) == [100.0, 900.0, 100.0]
