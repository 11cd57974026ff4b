from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import pytest
from factories.measurements import known_load, make_round, make_settings

from rightfit.measuring.profile import ProfileBuilder
from rightfit.measuring.profiles.measured import Measured, set_measured
from rightfit.measuring.rounds.measurement import (
    Bench,
    Measurement,
    add_round,
    predict,
    seek_quiet,
    wait_for_quiet,
)
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.settling import (
    is_disturbed,
    per_process,
    usable_rounds,
    why_settled,
)
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.worker.meters.disturbance import CoreTimes


def measure(bench: Bench, **costs: float) -> MeasurementState:
    measurement = Measurement(known_load(**costs), bench)
    while not measurement.is_over:
        measurement.time_window()
    return measurement.state


def test_known_load_is_found(bench: Bench) -> None:
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


def test_each_round_is_a_fresh_process(bench: Bench) -> None:
    state = measure(bench, allocate_mib=50)

    # A process that still held the model of the round before would not grow.
    loaded = [r.load.memory_mib for r in state.rounds]
    assert len(loaded) >= 2
    assert loaded == pytest.approx([50] * len(loaded), rel=0.02)


def test_later_rounds_repeat_the_best_batch_size_only(bench: Bench) -> None:
    first, *later = measure(bench, burn_ms=1).rounds

    # the larger one, unless others disturb its few calls
    best = first.best_batch_size
    assert [batch.batch_size for batch in first.batches] == [4, 32]
    assert later
    assert [[b.batch_size for b in r.batches] for r in later] == [[best]] * len(later)


def test_batch_whose_call_would_take_too_long_is_not_tried(bench: Bench) -> None:
    settings = make_settings(batch_sizes=(4, 32), batch_max_call_ms=30, max_processes=2)

    state = measure(replace(bench, settings=settings), sleep_ms=10)

    assert [b.batch_size for b in state.rounds[0].batches] == [4]


def test_model_that_fails_ends_its_measurement(bench: Bench) -> None:
    subject = replace(known_load(), factory="fakes.known_load:not_there")

    measurement = Measurement(subject, bench)
    measurement.time_window()

    assert measurement.state.error is not None
    assert "not_there" in measurement.state.error
    with pytest.raises(RuntimeError, match=r"known load failed.*not_there"):
        predict(subject, bench)


def test_answers_come_from_the_measured_model(bench: Bench) -> None:
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

    assert why_settled(state, settings) == expected


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

    assert why_settled(state, settings) == expected


@pytest.mark.parametrize(("n_disturbed", "expected"), [(19, None), (20, "time")])
def test_disturbed_rounds_can_only_double_the_time(n_disturbed: int, expected: str | None) -> None:
    settings = make_settings(max_s=1, min_processes=30, max_processes=30, **STRICT)
    clean = [fake_round(100.0, total_ms=0.0)] * 3
    disturbed = [fake_round(900.0, total_ms=100.0, **DELAYED)] * n_disturbed

    assert why_settled(fake_state(clean + disturbed), settings) == expected


DELAYED = {"delay_share": 0.5}
SLOW_CALLS = {"slow_share": 0.8}
SLOW_CORE = {"probe_ns": 180.0}
STRICT = {"max_delay_share": 0.05, "max_slow_share": 0.2}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"delay_share": None}, False),
        (DELAYED, True),
        (SLOW_CALLS, True),
        (SLOW_CORE, True),
    ],
)
def test_round_is_disturbed_by_delay_or_a_slow_core(
    changes: dict[str, Any], expected: bool
) -> None:
    state = fake_state([fake_round(100.0), fake_round(100.0, **changes)])

    assert is_disturbed(state.rounds[-1], state.rounds, make_settings(**STRICT)) is expected


def test_disturbed_rounds_are_left_out_unless_too_few_remain() -> None:
    settings = make_settings(**STRICT)
    clean, noisy = fake_round(100.0), fake_round(900.0, **DELAYED)

    enough = usable_rounds([noisy, clean, noisy, clean, noisy, clean], settings)
    too_few = usable_rounds([clean, noisy, clean], settings)

    assert per_process(enough, 0.5) == [100.0, 100.0, 100.0]
    assert per_process(too_few, 0.5) == [100.0, 900.0, 100.0]


QUIET = make_settings(max_busy_cores=0.2, max_quiet_wait_s=3, quiet_look_s=1)


def replay(busy_cores: list[float]) -> list[CoreTimes]:
    """Readings before and after each look, one second long."""
    readings = []
    wall_s = busy_s = 0.0
    for cores in busy_cores:
        readings.append(CoreTimes(wall_s, busy_s, 0.0))
        wall_s, busy_s = wall_s + 1, busy_s + cores
        readings.append(CoreTimes(wall_s, busy_s, 0.0))
    return readings


@pytest.mark.parametrize(
    ("busy_cores", "is_quiet"),
    [
        ([0.1], True),
        ([2.0, 1.5, 0.0], True),
        ([2.0, 1.5, 1.0, 1.0], False),
    ],
)
def test_wait_ends_with_quiet_or_at_the_cap(busy_cores: list[float], is_quiet: bool) -> None:
    readings = iter(replay(busy_cores))

    outcome = wait_for_quiet(QUIET, read=lambda: next(readings), sleep=lambda seconds: None)

    assert outcome == is_quiet
    assert list(readings) == []  # every look was made, and none after the last


def test_wait_takes_an_unreadable_machine_as_quiet() -> None:
    outcome = wait_for_quiet(QUIET, read=lambda: None, sleep=lambda seconds: None)

    assert outcome


def judge_all(
    rounds: list[FinishedRound], *, quiet: bool, max_retries: int
) -> tuple[MeasurementState, int]:
    """Return the state of a settled measurement, and how often quiet was waited for."""
    waits = []
    settings = make_settings(min_processes=2, max_processes=2, max_retries=max_retries, **STRICT)
    state = MeasurementState()

    def wait(given: MeasuringSettings) -> bool:
        waits.append(given)
        return quiet

    for finished in rounds:
        state = seek_quiet(add_round(state, finished, settings), settings, wait=wait)
        if state.settled:
            break
    return state, len(waits)


def test_disturbed_rounds_are_made_up_for() -> None:
    rounds = [fake_round(900.0, **DELAYED), fake_round(800.0, **SLOW_CALLS)]

    state, n_waits = judge_all(rounds + [fake_round(100.0)] * 9, quiet=True, max_retries=3)

    assert len(state.rounds) == 4
    assert state.n_retries == 2
    assert n_waits == 1  # waiting for others to leave does not speed up a slow core


def test_disturbed_rounds_are_made_up_for_up_to_the_cap() -> None:
    state, n_waits = judge_all([fake_round(900.0, **DELAYED)] * 9, quiet=True, max_retries=3)

    assert len(state.rounds) == 5
    assert (state.n_retries, n_waits) == (3, 4)  # none after the last round


def test_machine_that_stays_noisy_is_asked_only_once() -> None:
    state, n_waits = judge_all([fake_round(900.0, **DELAYED)] * 9, quiet=False, max_retries=3)

    assert state.is_noisy
    assert n_waits == 1
