from __future__ import annotations

from dataclasses import replace

import pytest
from factories.measurements import known_load, make_settings, run_round

from rightfit.measuring.rounds.measurement import MeasurementContext, OpenRound
from rightfit.measuring.rounds.state import MeasurementState

# A call lasts longer than a slice, so that a slice is one call.
SLEEP_MS = 10
SEVERAL = make_settings(  # a call that others hold up rules no batch size out
    latency_min_calls=6, latency_min_ms=1, latency_max_ms=5_000, batch_max_call_ms=60_000
)


@pytest.mark.parametrize(("found_mib", "expected_mib"), [([123.0], None), ([1.0, 9.0, 2.0], 2.0)])
def test_later_processes_take_over_what_files_the_first_ones_mapped(
    found_mib: list[float], expected_mib: float | None, bench: MeasurementContext
) -> None:
    first = run_round(known_load(burn_ms=1), bench, MeasurementState())
    state = MeasurementState(rounds=tuple(replace(first, files_mib=mib) for mib in found_mib))

    later = run_round(known_load(burn_ms=1), bench, state)

    assert later.files_mib == expected_mib or (expected_mib is None and later.files_mib < 100)


def test_slices_share_one_process_and_what_it_is_asked_for(bench: MeasurementContext) -> None:
    subject = known_load(sleep_ms=SLEEP_MS, allocate_mib=50)
    several = replace(bench, settings=SEVERAL)
    process = OpenRound(subject, several, MeasurementState())
    counts = process.count_slices()
    n_rows = counts[None]
    for _ in range(n_rows):
        process.time_slice()
        run_round(known_load(), bench, MeasurementState())  # of the same worker
    process.time_slice(4)
    finished = process.finish(block="a.0", others_cores=1.0)

    assert n_rows in (6, 7)  # of at least one call
    assert counts == {None: n_rows, 4: 1, 32: 1}
    assert finished.latency.n_calls == n_rows
    assert finished.latency.wall_ms >= n_rows * SLEEP_MS
    assert [batch.batch_size for batch in finished.batches] == [4]  # of which a slice was asked for
    assert finished.load.memory_mib == pytest.approx(50, rel=0.02)
    assert (finished.block, finished.others_cores) == ("a.0", 1.0)
    assert not bench.pool.get(subject.kind).has_children


def test_memory_of_one_row_is_that_before_any_batch(bench: MeasurementContext) -> None:
    wide = known_load(sleep_ms=SLEEP_MS, n_classes=300_000)  # a batch of 32 takes 37 MiB

    finished = run_round(wide, replace(bench, settings=SEVERAL), MeasurementState())

    assert finished.batches[-1].peak_memory_mib > 30
    assert finished.latency.peak_memory_mib < 10


def test_processes_that_are_left_end_in_any_order(bench: MeasurementContext) -> None:
    subject = known_load(sleep_ms=SLEEP_MS)
    processes = [OpenRound(subject, bench, MeasurementState()) for _ in range(3)]
    worker = bench.pool.get(subject.kind)
    stayed = worker.has_children

    for process in processes:
        process.leave()

    assert stayed
    assert not worker.has_children
    assert run_round(subject, bench, MeasurementState()).total_ms > 0
