"""Rules that say when a latency is known well enough, each applied to one model."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.profiling.measuring.bench import Bench, Subject
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.measurement import Measurement
from rightfit.profiling.metrics import LATENCY_COLUMNS
from rightfit.profiling.profiles.profile import Profile
from rightfit.profiling.profiles.serving_metrics import set_serving_metrics
from rightfit.profiling.worker.messages import Failure, Predicted, PredictRequest
from rightfit.profiling.worker.meters.speed import SLOW_FACTOR, full_speed_ns
from rightfit.profiling.worker.units import NS_PER_MS

Samples = npt.NDArray[np.int64]

SHARES = (0.5, 0.95, 0.99)
MIN_CLEAN_SHARE = 0.1  # of the calls of a process that the reference can use
PYPERF_PROCESSES, PYPERF_VALUES, PYPERF_VALUE_S = 20, 3, 0.1
PERF_ANALYZER_WINDOW_S, PERF_ANALYZER_WINDOWS, PERF_ANALYZER_WITHIN = 5.0, 3, 0.1


@dataclass(frozen=True)
class Estimate:
    """What one run of a rule found.

    Args:
        seconds: Time it took.
        percentiles_ns: By share.
        reference_ns: What it should have found.
        p95_covers: Whether its interval of the p95 covers the reference; ``None``: has none.
        is_marked: Whether its profile says that it was disturbed.
    """

    seconds: float
    percentiles_ns: dict[float, float]
    reference_ns: dict[float, float]
    p95_covers: bool | None = None
    is_marked: bool = False

    def error(self, share: float) -> float:
        """Return the relative error of a percentile; NaN when it was not reported."""
        return abs(self.percentiles_ns.get(share, math.nan) / self.reference_ns[share] - 1)


@dataclass(frozen=True)
class Recording:
    """All calls of one process.

    Args:
        samples_ns: Wall time of each call, in call order.
        probe_ns: Look at the core's speed beside each call.
    """

    samples_ns: Samples
    probe_ns: Samples

    def first(self, seconds: float) -> Recording:
        """Return the calls of the first so many seconds of calls."""
        is_within = np.cumsum(self.samples_ns) <= seconds * 1e9
        return Recording(self.samples_ns[is_within], self.probe_ns[is_within])

    def slow_share(self, full_ns: float) -> float:
        """Return the share of the calls made on a slow core."""
        return float(self._is_slow(full_ns).mean())

    @property
    def full_ns(self) -> float:
        """The look at full speed, as far as this process knows it."""
        return full_speed_ns(self.probe_ns.tolist())

    def at_full_speed(self, full_ns: float) -> Samples:
        """Return the calls made on a core at full speed."""
        return self.samples_ns[~self._is_slow(full_ns)]

    def _is_slow(self, full_ns: float) -> npt.NDArray[np.bool_]:
        return self.probe_ns > SLOW_FACTOR * full_ns


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
    def n_visits(self) -> int:
        """Turns that one of its processes takes."""
        return self.measurement.bench.settings.n_visits

    def take_turn(self) -> None:
        """Visit its process once more, unless it is over.

        Raises:
            RuntimeError: If the model fails.
        """
        if self.measurement.is_over:
            return
        start_s = time.perf_counter()
        self.measurement.visit()
        self.seconds += time.perf_counter() - start_s
        if self.measurement.state.error is not None:
            raise RuntimeError(self.measurement.state.error)

    def estimate(self, reference: dict[float, float]) -> Estimate:
        """Return what it found."""
        profile = Profile()
        settings, state = self.measurement.bench.settings, self.measurement.state
        set_serving_metrics(profile, state, settings, n_threads=1, is_final=True)
        found = {share: profile.values[column] for share, column in LATENCY_COLUMNS.items()}
        ends = [profile.values.get(f"{LATENCY_COLUMNS[0.95]}_{end}") for end in ("low", "high")]
        known = [end * NS_PER_MS for end in ends if end is not None]
        return Estimate(
            self.seconds,
            {share: ms * NS_PER_MS for share, ms in found.items() if ms is not None},
            reference,
            known[0] <= reference[0.95] <= known[1] if known else None,
            bool(profile.disturbed),
        )


def record(model: Subject, bench: Bench, seconds: float) -> Recording:
    """Time calls in a fresh process for some seconds."""
    samples = str(bench.folder / "recorded.npz")
    request = PredictRequest(
        factory="call_recorder:open_recorded",
        arguments={
            "factory": model.factory,
            "arguments": model.arguments,
            "seconds": seconds,
            "samples": samples,
        },
        rows=str(bench.rows),
        answers=str(bench.folder / "answers.npy"),
    )
    with machine_lock():
        answer = bench.pool.get(model.kind).ask(request, Predicted)
    if isinstance(answer, Failure):
        raise RuntimeError(answer.error)
    with np.load(samples) as found:
        bench.speed.learn(found["looks_ns"].tolist())
        return Recording(found["samples_ns"], found["probe_ns"])


def reference_of(recordings: Sequence[Recording], full_ns: float) -> dict[float, float]:
    """Return each percentile's median over processes, of the calls at full speed.

    A process that hardly ever ran at full speed is left out.

    Raises:
        RuntimeError: If none ran at full speed.
    """
    used = [r for r in recordings if r.slow_share(full_ns) <= 1 - MIN_CLEAN_SHARE]
    if not used:
        raise RuntimeError("No process of the reference ran at full speed; use a quiet machine.")
    clean = [recording.at_full_speed(full_ns) for recording in used]
    return {
        share: statistics.median(percentile(calls, share) for calls in clean) for share in SHARES
    }


def estimate_fixed_window(
    recording: Recording, seconds: float, reference: dict[float, float]
) -> Estimate:
    """Take all calls of one process."""
    return Estimate(seconds, percentiles(recording.samples_ns), reference)


def estimate_perf_analyzer(
    recording: Recording, reference: dict[float, float], scale: float
) -> Estimate:
    """Take the first three windows of one process, which is the least that its rule takes."""
    seconds = PERF_ANALYZER_WINDOWS * PERF_ANALYZER_WINDOW_S * scale
    return Estimate(seconds, percentiles(recording.first(seconds).samples_ns), reference)


def would_perf_analyzer_stop(recording: Recording, scale: float) -> bool:
    """Tell whether the p95 of the first three windows agree within 10 %, else it would go on."""
    windows = np.cumsum(recording.samples_ns) // (PERF_ANALYZER_WINDOW_S * scale * 1e9)
    p95 = [
        percentile(recording.samples_ns[windows == i], 0.95) for i in range(PERF_ANALYZER_WINDOWS)
    ]
    return max(p95) <= min(p95) * (1 + PERF_ANALYZER_WITHIN)


def run_pyperf(
    model: Subject, bench: Bench, reference: dict[float, float], scale: float
) -> Estimate:
    """Take the mean over processes of the mean of three loops; it has no percentiles."""
    start_s = time.perf_counter()
    seconds = PYPERF_VALUES * PYPERF_VALUE_S * scale
    means = [
        float(record(model, bench, seconds).samples_ns.mean()) for _ in range(PYPERF_PROCESSES)
    ]
    found = dict.fromkeys(SHARES, statistics.mean(means))
    return Estimate(time.perf_counter() - start_s, found, reference)


def percentiles(samples_ns: Samples) -> dict[float, float]:
    """Return the percentiles of calls, by share."""
    return {share: percentile(samples_ns, share) for share in SHARES}


def percentile(samples_ns: Samples, share: float) -> float:
    """Return a percentile of calls."""
    return float(np.quantile(samples_ns, share, method="median_unbiased"))
