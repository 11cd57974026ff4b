from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pynvml
import pytest
from fakes.nvml import FakeNvml, installed

from rightfit.measuring.worker.meters import devices
from rightfit.measuring.worker.meters.devices import (
    CpuEnergyMeter,
    DeviceMeter,
    GpuDescription,
    find_packages,
    list_gpus,
    open_gpu_meter,
    open_nvml,
)
from rightfit.measuring.worker.results import DeviceFigures


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


def test_gpu_number_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")

    with installed(FakeNvml()), pytest.raises(pynvml.NVMLError, match="Invalid Argument"):
        open_gpu_meter()


def test_cpu_without_a_counter_has_no_figure_and_a_reason_for_each(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(devices, "POWERCAP", tmp_path)

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


def add_package(powercap: Path, name: str, energy_uj: int, wraps_uj: int = 1_000_000) -> Path:
    package = powercap / name
    package.mkdir(parents=True)
    (package / "energy_uj").write_text(f"{energy_uj}\n")
    (package / "max_energy_range_uj").write_text(f"{wraps_uj}\n")
    return package


def test_energy_is_that_of_all_packages_over_a_wrap(tmp_path: Path) -> None:
    first = add_package(tmp_path, "intel-rapl:0", 900_000)
    second = add_package(tmp_path, "intel-rapl:1", 100_000)
    add_package(tmp_path, "intel-rapl:0:0", 5)  # cores of the first package, counted there
    packages, reason = find_packages(tmp_path)

    meter = CpuEnergyMeter(packages)
    meter.start()
    (first / "energy_uj").write_text("200000")  # wrapped at 1 J
    (second / "energy_uj").write_text("150000")

    assert reason is None
    assert meter.stop().energy_j == pytest.approx(0.35)


def test_machine_without_a_counter_says_so(tmp_path: Path) -> None:
    assert find_packages(tmp_path / "absent") == ({}, "this machine has no RAPL energy counter")


def test_counter_that_only_root_may_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = add_package(tmp_path, "intel-rapl:0", 1)

    def refuse(self: Path, encoding: str) -> str:  # tests may run as root, whom no mode stops
        raise PermissionError(self)

    monkeypatch.setattr(type(package), "read_text", refuse)

    assert find_packages(tmp_path) == ({}, "only root may read the RAPL energy counter")
