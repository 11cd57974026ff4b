from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from factories.measurements import make_round

from rightfit.measuring.rounds.measurement import GAP, IMPLAUSIBLE, find_interruption
from rightfit.measuring.rounds.state import FinishedRound
from rightfit.measuring.worker.protocol import STOPPED

STEADY_NS = np.full(100, 2_000_000)


def stalled(ms: float) -> Any:
    """Return latencies of which one is longer."""
    samples = STEADY_NS.copy()
    samples[50] = ms * 1e6
    return samples


def timed(*, wall_ms: float, cpu_ms: float) -> FinishedRound:
    return make_round(latency={"wall_ms": wall_ms, "cpu_ms": cpu_ms})


@pytest.mark.parametrize(
    ("finished", "samples_ns", "expected"),
    [
        (timed(wall_ms=200, cpu_ms=200), STEADY_NS, None),
        (timed(wall_ms=2_200, cpu_ms=200), stalled(2_000), GAP),  # nothing ran for two seconds
        (timed(wall_ms=2_200, cpu_ms=2_200), stalled(2_000), None),  # the model worked as long
        (timed(wall_ms=200, cpu_ms=20), STEADY_NS, None),  # a model that waits in every call
        (timed(wall_ms=240, cpu_ms=200), stalled(40), None),  # too short to tell
        (timed(wall_ms=200, cpu_ms=900), STEADY_NS, IMPLAUSIBLE),
    ],
)
def test_gap_without_cpu_time_and_implausible_cpu_time_are_found(
    finished: FinishedRound, samples_ns: Any, expected: str | None
) -> None:
    assert find_interruption(finished, samples_ns, was_stopped=False, n_cores=1) == expected


def test_gap_between_batches_is_found() -> None:
    finished = make_round()
    batch = replace(finished.batches[0], wall_ms=2_030.0, cpu_ms=30.0, longest_call_ms=2_000.0)

    found = find_interruption(
        replace(finished, batches=(batch,)), STEADY_NS, was_stopped=False, n_cores=1
    )

    assert found == GAP


def test_what_the_kernel_noted_needs_no_other_sign() -> None:
    assert find_interruption(make_round(), STEADY_NS, was_stopped=True, n_cores=1) == STOPPED
