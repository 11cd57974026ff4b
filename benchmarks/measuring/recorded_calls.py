"""Processes whose calls are all kept, and what the truth is by them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from rightfit.profiling.measuring.lock import machine_lock
from rightfit.profiling.measuring.measurement import Bench, Subject
from rightfit.profiling.worker.meters.speed import SLOW_FACTOR, full_speed_ns
from rightfit.profiling.worker.protocol import Failure, Predicted, PredictRequest

Samples = npt.NDArray[np.int64]
Against = Literal["all_calls", "full_speed"]

SHARES = (0.5, 0.95, 0.99)
MIN_CLEAN_SHARE = 0.1  # of the calls of a process that the reference can use


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


@dataclass(frozen=True)
class Reference:
    """What rules should have found, each percentile in ns by its share.

    Args:
        all_calls: Of all calls, as a caller waits for them.
        full_speed: Of the calls on a core at full speed.
    """

    all_calls: dict[float, float]
    full_speed: dict[float, float]

    def of(self, calls: Against) -> dict[float, float]:
        """Return the percentiles of all calls, or of those at full speed."""
        return self.all_calls if calls == "all_calls" else self.full_speed


def record(model: Subject, bench: Bench, seconds: float) -> Recording:
    """Time calls in a fresh process for some seconds.

    Raises:
        RuntimeError: If the model fails.
    """
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
        predictions=str(bench.folder / "answers.npy"),
    )
    with machine_lock():
        answer = bench.pool.get(model.kind).ask(request, Predicted)
    if isinstance(answer, Failure):
        raise RuntimeError(answer.error)
    with np.load(samples) as found:
        bench.speed.learn(found["looks_ns"].tolist())
        return Recording(found["samples_ns"], found["probe_ns"])


def find_reference(recordings: Sequence[Recording], full_ns: float) -> Reference:
    """Return each percentile's median over processes.

    A process that hardly ever ran at full speed does not count for the reference at full speed.

    Raises:
        RuntimeError: If none ran at full speed.
    """
    used = [r for r in recordings if r.slow_share(full_ns) <= 1 - MIN_CLEAN_SHARE]
    if not used:
        raise RuntimeError("No process of the reference ran at full speed; use a quiet machine.")
    return Reference(
        _medians([recording.samples_ns for recording in recordings]),
        _medians([recording.at_full_speed(full_ns) for recording in used]),
    )


def _medians(processes: Sequence[Samples]) -> dict[float, float]:
    return {
        share: statistics.median(percentile(calls, share) for calls in processes)
        for share in SHARES
    }


def percentiles(samples_ns: Samples) -> dict[float, float]:
    """Return the percentiles of calls, by share."""
    return {share: percentile(samples_ns, share) for share in SHARES}


def percentile(samples_ns: Samples, share: float) -> float:
    """Return a percentile of calls."""
    return float(np.quantile(samples_ns, share, method="median_unbiased"))


def interval_of_calls(samples_ns: Samples, share: float) -> tuple[float, float]:
    """Return the 95 % interval of a percentile if calls were independent, by order statistics."""
    ordered = np.sort(samples_ns)
    ranks = binom.ppf((0.025, 0.975), len(ordered), share)
    low, high = (ordered[min(len(ordered) - 1, math.floor(rank))] for rank in ranks)
    return float(low), float(high)
