"""One figure per process and metric: what the intervals of a measurement are made of."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rightfit.profiling.intervals import ProcessSpread, pool_spread
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.stopping import (
    MIN_CLEAN_ROUNDS,
    is_phase_disturbed,
    per_process,
    usable_rounds,
)
from rightfit.profiling.metrics import LATENCY_COLUMNS
from rightfit.profiling.worker.results import BatchPhase
from rightfit.profiling.worker.throughput import best_batch_size
from rightfit.profiling.worker.units import NS_PER_MS

ROWS_OF_ENERGY = 1_000

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class ProcessFigures:
    """What the processes of a measurement found.

    Args:
        rounds: The processes that count.
        batch_size: Batch size that all of them timed.
        batches: Its timings that count.
        by_column: One figure per process; a percentile that a process has too few calls for is
            left out.
        is_disturbed: Whether anything that counts was disturbed.
    """

    rounds: Sequence[FinishedRound]
    batch_size: int
    batches: Sequence[BatchPhase]
    by_column: Figures
    is_disturbed: bool


def collect_figures(state: MeasurementState, settings: MeasuringSettings) -> ProcessFigures:
    """Collect the figures of a measurement with at least one round.

    Args:
        state: The measurement.
        settings: The preset it was measured with.
    """
    rounds = usable_rounds(state.rounds, settings)
    batch_size = _best_batch(rounds)
    timed = _usable_batches(state, settings, batch_size)
    batches = [batch for _, batch in timed]
    used = [*((r, r.latency) for r in rounds), *timed]
    return ProcessFigures(
        rounds,
        batch_size,
        batches,
        by_column={
            "load_time_ms": [r.load.load_time_ms for r in rounds],
            **_list_latencies(rounds),
            "throughput_rows_per_s": [batch.rows_per_s for batch in batches],
            "cpu_cores": [batch.cpu_ms / batch.wall_ms for batch in batches],
            **_list_device(batches),
            **_list_memory(rounds, batch_size),
        },
        is_disturbed=any(is_phase_disturbed(p, r, state.rounds, settings) for r, p in used),
    )


def pool_spreads(
    states: Iterable[MeasurementState], settings: MeasuringSettings
) -> dict[str, ProcessSpread]:
    """Return by how much undisturbed processes of one profile differ, by column.

    Args:
        states: Measurements of profiles whose processes are alike, such as those of a cell.
        settings: The preset they were measured with.
    """
    found = [collect_figures(one, settings) for one in states if one.rounds and one.error is None]
    tables = [one.by_column for one in found if not one.is_disturbed]
    columns = dict.fromkeys(column for table in tables for column in table)
    pooled = {
        column: pool_spread([table[column] for table in tables if column in table])
        for column in columns
    }
    return {column: spread for column, spread in pooled.items() if spread is not None}


def _list_latencies(rounds: Sequence[FinishedRound]) -> Figures:
    found = {
        column: [value / NS_PER_MS for value in per_process(rounds, share)]
        for share, column in LATENCY_COLUMNS.items()
    }
    return {column: values for column, values in found.items() if len(values) == len(rounds)}


def _best_batch(rounds: Sequence[FinishedRound]) -> int:
    """Return the batch size that the processes after the first repeated."""
    repeated = [r.batches[0].batch_size for r in rounds if len(r.batches) == 1]
    if repeated:
        return statistics.mode(repeated)
    return best_batch_size({b.batch_size: b.rows_per_s for b in rounds[0].batches})


def _usable_batches(
    state: MeasurementState, settings: MeasuringSettings, batch_size: int
) -> list[tuple[FinishedRound, BatchPhase]]:
    """Return the undisturbed timings of a batch size, or all when too few were undisturbed."""
    timed = [(r, b) for r in state.rounds for b in r.batches if b.batch_size == batch_size]
    clean = [(r, b) for r, b in timed if not is_phase_disturbed(b, r, state.rounds, settings)]
    return clean if len(clean) >= min(MIN_CLEAN_ROUNDS, len(timed)) else timed


def _list_device(batches: Sequence[BatchPhase]) -> Figures:
    """Return what the device's meters found; nothing where there is none."""
    return {
        "gpu_util_pct": [b.gpu_util_pct for b in batches if b.gpu_util_pct is not None],
        "gpu_memory_mib": [b.gpu_memory_mib for b in batches if b.gpu_memory_mib is not None],
        "energy_j_per_1k_rows": [
            b.energy_j / (b.n_calls * b.batch_size) * ROWS_OF_ENERGY
            for b in batches
            if b.energy_j is not None
        ],
    }


def _list_memory(rounds: Sequence[FinishedRound], batch_size: int) -> Figures:
    one_row_mib, peak_mib, growth_mib = [], [], []
    for r in rounds:
        small = max(r.load.peak_memory_mib, r.latency.peak_memory_mib)
        large = max(small, *(b.peak_memory_mib for b in r.batches if b.batch_size == batch_size))
        one_row_mib.append(_absolute_mib(r, small + r.files_mib))
        peak_mib.append(_absolute_mib(r, large + r.files_mib))
        growth_mib.append(large + r.files_mib)
    return {
        "peak_memory_mib": peak_mib,
        "peak_memory_one_row_mib": one_row_mib,
        "model_memory_mib": growth_mib,
    }


def _absolute_mib(measured: FinishedRound, growth_mib: float) -> float:
    """Return the peak of a process started from nothing, from the growth of a forked one."""
    return max(measured.base_peak_mib, measured.base_resident_mib + max(0.0, growth_mib))
