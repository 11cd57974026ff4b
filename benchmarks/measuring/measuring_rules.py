"""Rules that say when a latency is known well enough, each applied to one model."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from interval_tally import Judged
from recorded_calls import Against, Recording, Reference, interval_of_calls, percentile, percentiles

from rightfit.profiling.common_mode_error import BlockEffects, CommonModeError, find_block_effects
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.measurement import Bench, Measurement, Subject
from rightfit.profiling.measuring.settling import per_process
from rightfit.profiling.metrics import LATENCY_COLUMNS
from rightfit.profiling.profile import ProfileBuilder
from rightfit.profiling.profiles.measured import Measured, set_measured
from rightfit.profiling.worker.units import NS_PER_MS, NS_PER_S

PYPERF_PROCESSES, PYPERF_VALUES, PYPERF_VALUE_S = 20, 3, 0.1
PERF_ANALYZER_WINDOW_S, PERF_ANALYZER_WINDOWS, PERF_ANALYZER_WITHIN = 5.0, 3, 0.1


@dataclass(frozen=True)
class Estimate:
    """What one run of a rule found.

    Args:
        seconds: Time it took.
        percentiles_ns: By share.
        reference: What it should have found.
        p95_ends_ns: Ends of its interval of the p95; ``None``: it has none.
        is_marked: Whether its profile says that it was disturbed.
    """

    seconds: float
    percentiles_ns: dict[float, float]
    reference: Reference
    p95_ends_ns: tuple[float, float] | None = None
    is_marked: bool = False

    def error(self, share: float, against: Against) -> float:
        """Return the relative error of a percentile; NaN when it was not reported."""
        truth_ns = self.reference.of(against)[share]
        return abs(self.percentiles_ns.get(share, math.nan) / truth_ns - 1)

    def judge_p95(self, against: Against) -> Judged | None:
        """Return the interval of the p95 beside what it should hold."""
        if self.p95_ends_ns is None:
            return None
        truth_ns = self.reference.of(against)[0.95]
        return Judged(*self.p95_ends_ns, truth_ns, self.is_marked)


@dataclass
class Run:
    """One measurement with our stopping rule, process by process.

    Args:
        rule: Its name in the table.
        measurement: How far it is.
        seconds: Time its own processes took so far.
    """

    rule: str
    measurement: Measurement
    seconds: float = 0.0

    @property
    def n_windows(self) -> int:
        """Turns that one of its processes takes."""
        return self.measurement.bench.settings.n_windows

    def take_turn(self) -> None:
        """Time a window of its process, unless it is over.

        Raises:
            RuntimeError: If the model fails.
        """
        if self.measurement.is_over:
            return
        start_s = time.perf_counter()
        self.measurement.time_window()
        self.seconds += time.perf_counter() - start_s
        if self.measurement.state.error is not None:
            raise RuntimeError(self.measurement.state.error)

    def finish(self) -> None:
        """Take all turns at once, as a model measured alone does."""
        while not self.measurement.is_over:
            self.take_turn()

    def estimate(self, reference: Reference, shared: CommonModeError) -> Estimate:
        """Return what it found."""
        profile = ProfileBuilder()
        settings, state = self.measurement.bench.settings, self.measurement.state
        set_measured(profile, Measured(state, settings, shared))
        found = {share: profile.values[column] for share, column in LATENCY_COLUMNS.items()}
        low, high = (
            profile.values.get(f"{LATENCY_COLUMNS[0.95]}_{end}") for end in ("low", "high")
        )
        return Estimate(
            self.seconds,
            {share: ms * NS_PER_MS for share, ms in found.items() if ms is not None},
            reference,
            None if low is None or high is None else (low * NS_PER_MS, high * NS_PER_MS),
            bool(profile.disturbed),
        )


def list_turns(runs: Sequence[Run]) -> list[BlockEffects]:
    """Return what the runs of each rule had in common, turn by turn."""
    rules = dict.fromkeys(run.rule for run in runs)
    found = [
        find_block_effects(
            [per_process(one.measurement.state.rounds, 0.5) for one in runs if one.rule == rule]
        )
        for rule in rules
    ]
    return [one for one in found if one is not None]


def estimate_window(recording: Recording, seconds: float, reference: Reference) -> Estimate:
    """Take all calls of one process; its interval takes them for independent."""
    return Estimate(
        seconds,
        percentiles(recording.samples_ns),
        reference,
        interval_of_calls(recording.samples_ns, 0.95),
    )


def estimate_perf_analyzer(recording: Recording, reference: Reference, scale: float) -> Estimate:
    """Take the first three windows of one process, which is the least that its rule takes."""
    seconds = PERF_ANALYZER_WINDOWS * PERF_ANALYZER_WINDOW_S * scale
    return Estimate(seconds, percentiles(recording.first(seconds).samples_ns), reference)


def would_perf_analyzer_stop(recording: Recording, scale: float) -> bool:
    """Tell whether the p95 of the first three windows agree within 10 %, else it would go on."""
    windows = np.cumsum(recording.samples_ns) // (PERF_ANALYZER_WINDOW_S * scale * NS_PER_S)
    p95 = [
        percentile(recording.samples_ns[windows == i], 0.95) for i in range(PERF_ANALYZER_WINDOWS)
    ]
    return max(p95) <= min(p95) * (1 + PERF_ANALYZER_WITHIN)


def run_pyperf(model: Subject, bench: Bench, reference: Reference, scale: float) -> Estimate:
    """Return what pyperf finds.

    It reports a mean, which stands for the median here: it has no percentiles.
    """
    start_s = time.perf_counter()
    mean_ns = _ask_pyperf(model, bench, scale)
    return Estimate(time.perf_counter() - start_s, {0.5: mean_ns}, reference)


def _ask_pyperf(model: Subject, bench: Bench, scale: float) -> float:
    import pyperf

    file = bench.folder / "pyperf.json"
    file.unlink(missing_ok=True)
    described = {"factory": model.factory, "arguments": model.arguments, "rows": str(bench.rows)}
    command = [
        *(sys.executable, str(Path(__file__).with_name("pyperf_model.py")), "--quiet"),
        *("--processes", str(max(2, round(PYPERF_PROCESSES * min(1.0, scale))))),
        *("--values", str(PYPERF_VALUES), "--min-time", str(PYPERF_VALUE_S * scale)),
        *("--affinity", str(bench.pool.get(model.kind).hello.cores[0])),
        *("--inherit-environ", "PYTHONPATH,OMP_NUM_THREADS", "--output", str(file)),
        *("--model", json.dumps(described)),
    ]
    with machine_lock():
        subprocess.run(  # noqa: S603 - our own program
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    suite = pyperf.BenchmarkSuite.load(str(file))
    return float(suite.get_benchmark("model").mean()) * NS_PER_S
