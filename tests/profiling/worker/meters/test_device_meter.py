from __future__ import annotations

import pytest
from fakes.nvml import FakeNvml, installed

from rightfit.profiling.worker.meters import device_meter
from rightfit.profiling.worker.meters.device_meter import DeviceMeter
from rightfit.profiling.worker.results import DeviceFigures


def test_cpu_without_a_counter_has_no_figure_and_a_reason_for_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(device_meter, "POWERCAP", tmp_path)

    meter = DeviceMeter("cpu")
    meter.start()

    assert meter.stop() == DeviceFigures()
    assert meter.reasons == {
        "gpu_util_pct": "served on the CPU",
        "gpu_memory_mib": "served on the CPU",
        "energy_j": "this machine has no RAPL energy counter",
    }


def test_gpu_gives_all_figures() -> None:
    with installed(FakeNvml()):
        meter = DeviceMeter("cuda")
        meter.start()
        found = meter.stop()

    assert found == DeviceFigures(gpu_util_pct=42, gpu_memory_mib=0.0, energy_j=0.0)
    assert meter.reasons == {}
