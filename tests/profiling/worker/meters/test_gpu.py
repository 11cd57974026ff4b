from __future__ import annotations

import ctypes
import os

import pytest
from fakes.nvml import FakeNvml, installed

from rightfit.profiling.worker.meters.gpu import (
    Gpu,
    GpuDescription,
    list_gpus,
    open_gpu_meter,
    open_nvml,
)
from rightfit.profiling.worker.results import DeviceFigures


def has_driver() -> bool:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def test_gpus_are_listed_and_nvml_is_closed_again() -> None:
    library = FakeNvml()

    with installed(library):
        gpus = list_gpus()

    assert gpus == (GpuDescription("Fake 100", 16_384, "600.1"),)
    assert library.n_open == 0


@pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")
def test_machine_without_a_driver_has_no_gpus_and_says_why() -> None:
    with installed(None):
        nvml, reason = open_nvml()

        assert nvml is None
        assert reason is not None
        assert "no NVIDIA driver answers" in reason
        assert list_gpus() == ()
        assert open_gpu_meter() == (None, reason)


def test_meter_reads_memory_energy_and_utilisation_of_this_process() -> None:
    library = FakeNvml(processes_mib={1: 9, os.getpid(): 300})

    with installed(library):
        meter, reason = open_gpu_meter()
        assert meter is not None
        meter.start()
        library.energy_mj = 7_500
        found = meter.stop()

    assert reason is None
    assert found == DeviceFigures(gpu_util_pct=42, gpu_memory_mib=300.0, energy_j=2.5)


@pytest.mark.parametrize("processes_mib", [{}, {1: 300}, {os.getpid(): None}])
def test_memory_that_nvml_hides_is_taken_from_the_growth_of_the_whole(
    processes_mib: dict[int, int | None],
) -> None:
    library = FakeNvml(processes_mib=processes_mib, used_mib=700)

    with installed(library):
        meter, _ = open_gpu_meter()
        assert meter is not None
        library.used_mib = 950
        meter.start()
        found = meter.stop()

    assert found.gpu_memory_mib == 250.0


def test_figure_that_a_gpu_does_not_support_is_null() -> None:
    with installed(FakeNvml(energy_mj=None)):
        meter, _ = open_gpu_meter()
        assert meter is not None
        meter.start()
        found = meter.stop()

    assert found.energy_j is None
    assert found.gpu_util_pct == 42


def test_gpu_number_that_does_not_exist_is_an_error() -> None:
    with installed(FakeNvml()):
        nvml, _ = open_nvml()

        with pytest.raises(nvml.NVMLError, match="Invalid Argument"):
            Gpu(nvml, 7)
        nvml.nvmlShutdown()
