from __future__ import annotations

import sys

import numpy as np
import pytest

from rightfit.tuning.search.fit_meter import FitMeter

pytestmark = pytest.mark.whole


def test_meter_adds_up_training_stretches_only() -> None:
    meter = FitMeter()

    for _ in range(2):
        with meter.training():
            sum(range(200_000))
    inside_s = meter.read(n_steps=4)["fit_time_s"]
    sum(range(2_000_000))
    fit = meter.read(n_steps=4)

    assert fit["fit_time_s"] == inside_s
    assert fit["fit_time_s"] is not None
    assert fit["fit_time_s"] > 0
    assert fit["step_time_ms"] == pytest.approx(fit["fit_time_s"] * 1000 / 4)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc, Linux only")
def test_meter_sees_memory_that_is_given_back() -> None:
    meter = FitMeter()

    with meter.training():
        block = np.ones(64 * 2**20, dtype=np.uint8)
        del block
    peak_mib = meter.read(n_steps=1)["fit_peak_memory_mib"]

    assert peak_mib == pytest.approx(64, abs=8)


def test_meter_keeps_what_was_spent_before_a_failure() -> None:
    meter = FitMeter()

    with pytest.raises(ValueError, match="broken"), meter.training():
        sum(range(200_000))
        raise ValueError("broken")

    assert meter.cpu_s > 0


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc, Linux only")
def test_memory_that_an_earlier_trial_has_freed_counts_when_it_is_used_again() -> None:
    def grow() -> list[np.ndarray]:
        return [np.ones(4_000) for _ in range(2_000)]  # 61 MiB in small blocks

    earlier = grow()
    _holds_the_heap = earlier[::10]
    del earlier
    meter = FitMeter()

    with meter.training():
        grow()
    peak_mib = meter.read(n_steps=1)["fit_peak_memory_mib"]

    assert peak_mib == pytest.approx(61, abs=8)
