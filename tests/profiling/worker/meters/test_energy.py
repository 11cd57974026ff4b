from __future__ import annotations

from pathlib import Path

import pytest

from rightfit.profiling.worker.meters.device_meter import CpuEnergyMeter, find_packages


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
