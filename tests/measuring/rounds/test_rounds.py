from __future__ import annotations

from dataclasses import replace

import pytest
from factories.measurements import known_load, make_settings, run_round

from rightfit.measuring.rounds.measurement import Bench, OpenRound
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.worker.meters.speed import SpeedProbe

# Nothing is slow for a probe that knows of no faster core, so that every call counts.
NEVER_SLOW = SpeedProbe(known_ns=1e9)
# A call lasts as long as a block, so that a visit of two calls times exactly two.
SLEEP_MS = 10
SEVERAL = make_settings(n_windows=3, latency_min_calls=6, latency_min_ms=1, latency_max_ms=5_000)


def test_round_reports_what_the_machine_did_meanwhile(bench: Bench) -> None:
    finished = run_round(known_load(burn_ms=1), bench, MeasurementState())

    assert finished.busy_cores is not None
    assert finished.busy_cores > 0
    assert finished.probe_full_ns > 0
    assert len(bench.speed.looks_ns) > 1


def test_later_processes_take_over_what_files_the_first_mapped(bench: Bench) -> None:
    first = run_round(known_load(burn_ms=1), bench, MeasurementState())
    state = MeasurementState(rounds=(replace(first, files_mib=123.0),))

    later = run_round(known_load(burn_ms=1), bench, state)

    assert later.files_mib == 123.0


def test_visits_share_one_process_and_what_it_is_asked_for(bench: Bench) -> None:
    subject = known_load(sleep_ms=SLEEP_MS, allocate_mib=50)
    process = OpenRound(
        subject, replace(bench, settings=SEVERAL, speed=NEVER_SLOW), MeasurementState()
    )

    first = process.time_window()
    run_round(known_load(burn_ms=1), bench, MeasurementState())  # of the same worker
    second = process.time_window()
    last = process.time_window()

    assert (first, second) == (None, None)
    assert isinstance(last, FinishedRound)
    assert last.latency.n_calls == 6
    assert len(last.kept_ns or ()) == 6
    assert last.latency.wall_ms >= 6 * SLEEP_MS
    assert [b.batch_size for b in last.batches] == [4, 32]  # tried in the first visit only
    assert last.load.memory_mib == pytest.approx(50, rel=0.02)
    assert not bench.pool.get(subject.kind).has_children


def test_memory_of_one_row_is_that_before_any_batch(bench: Bench) -> None:
    wide = known_load(sleep_ms=SLEEP_MS, n_classes=300_000)  # a batch of 32 takes 37 MiB
    process = OpenRound(wide, replace(bench, settings=SEVERAL), MeasurementState())

    process.time_window()
    process.time_window()
    finished = process.time_window()

    assert isinstance(finished, FinishedRound)
    assert finished.batches[-1].peak_memory_mib > 30
    assert finished.latency.peak_memory_mib < 10


def test_full_speed_is_known_from_the_first_visit_on(bench: Bench) -> None:
    process = OpenRound(known_load(), replace(bench, settings=SEVERAL), MeasurementState())

    process.time_window()
    n_first = len(bench.speed.looks_ns)
    process.time_window()
    n_second = len(bench.speed.looks_ns)
    process.time_window()

    assert 0 < n_first < n_second < len(bench.speed.looks_ns)


def test_processes_that_are_left_end_in_any_order(bench: Bench) -> None:
    subject = known_load(sleep_ms=SLEEP_MS)
    several = replace(bench, settings=SEVERAL)
    processes = [OpenRound(subject, several, MeasurementState()) for _ in range(3)]
    for process in processes:
        process.time_window()
    worker = bench.pool.get(subject.kind)
    stayed = worker.has_children

    for process in processes:
        process.leave()
        process.leave()  # leaving twice is harmless

    assert stayed
    assert not worker.has_children
    assert run_round(subject, bench, MeasurementState()).total_ms > 0
