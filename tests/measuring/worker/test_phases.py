from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rightfit.measuring.worker import phases
from rightfit.measuring.worker.meters.devices import DeviceMeter
from rightfit.measuring.worker.meters.memory import MemoryMeter
from rightfit.measuring.worker.phases import time_batches
from rightfit.measuring.worker.protocol import TimingLimits


def test_batches_are_timed_until_the_time_is_over() -> None:
    now_ns = [0]
    durations_ns = iter([250_000_000, 300_000_000, 250_000_000, 250_000_000])

    def call(batch: object) -> None:
        now_ns[0] += next(durations_ns)

    n_calls, spent_ns, longest_ns = time_batches(
        call,
        [np.zeros((10, 1), dtype=np.float32)],
        TimingLimits(min_calls=1, min_ms=900.0, max_ms=2_000.0),
        clock_ns=lambda: now_ns[0],
    )

    assert (n_calls, spent_ns, longest_ns) == (4, 1_050_000_000, 300_000_000)


class SteadyProbe:
    """A core that is always as fast."""

    def await_fast(self) -> int:
        return 100

    time_ns = await_fast

    def is_slow_at(self, took_ns: float) -> bool:
        return False


def test_throughput_is_rows_over_the_time_of_all_whole_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[npt.NDArray[np.float32]] = []

    def time_batches(_call: object, inputs: Any, _limits: object) -> tuple[int, int, int]:
        batches.extend(inputs)
        return 4, 1_000_000_000, 300_000_000

    monkeypatch.setattr(phases, "time_batches", time_batches)
    request: Any = SimpleNamespace(batch_max_call_ms=1e9, batch_sizes=[3], batch=None)
    probe: Any = SteadyProbe()

    [timed] = phases._offline(
        lambda batch: batch,
        np.arange(14, dtype=np.float32).reshape(7, 2),
        request,
        MemoryMeter(None),
        probe,
        DeviceMeter("cpu"),
    )

    assert (timed.batch_size, timed.rows_per_s, timed.longest_call_ms) == (3, 12.0, 300.0)
    assert [batch[:, 0].tolist() for batch in batches] == [[0, 2, 4], [6, 8, 10]]
    assert all(batch.flags.c_contiguous for batch in batches)
