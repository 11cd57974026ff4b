"""Meters of the device that answers: energy, and utilisation and memory of a GPU.

Energy is that of the processor packages, read from RAPL where the system permits it. The counter
holds the whole package, other processes included: on a machine that is not quiet the figure is too
high. Many virtual machines have no counter, and since 2020 most systems let only root read it
(CVE-2020-8694).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from rightfit.profiling.worker.meters.gpu import GpuMeter, open_gpu_meter
from rightfit.profiling.worker.results import DeviceFigures

POWERCAP = Path("/sys/class/powercap")
J_PER_UJ = 1e-6
PACKAGES = "intel-rapl:[0-9]*"  # AMD's counters have this name too


def find_packages(powercap: Path) -> tuple[dict[Path, int], str | None]:
    """Find the packages whose energy can be read.

    Args:
        powercap: Folder of the kernel's power capping framework.

    Returns:
        For each package's folder the value at which its counter wraps, in microjoules; and why
        there is none, ``None`` when there is one.
    """
    found: dict[Path, int] = {}
    names = [p for p in sorted(powercap.glob(PACKAGES)) if p.name.count(":") == 1]
    if not names:
        return {}, "this machine has no RAPL energy counter"
    for package in names:
        try:
            (package / "energy_uj").read_text(encoding="ascii")
            text = (package / "max_energy_range_uj").read_text(encoding="ascii")
        except PermissionError:
            return {}, "only root may read the RAPL energy counter"
        except OSError:
            continue
        found[package] = int(text)
    return found, None if found else "the RAPL energy counter can't be read"


def read_energy_uj(packages: Mapping[Path, int]) -> dict[Path, int]:
    """Read each package's counter, in microjoules."""
    return {
        package: int((package / "energy_uj").read_text(encoding="ascii")) for package in packages
    }


class CpuEnergyMeter:
    """Energy of a phase on the processor, in joules.

    Args:
        packages: From :func:`find_packages`.
    """

    def __init__(self, packages: Mapping[Path, int]) -> None:
        self._packages = packages
        self._start_uj: dict[Path, int] = {}

    def start(self) -> None:
        """Begin a phase."""
        self._start_uj = read_energy_uj(self._packages)

    def stop(self) -> DeviceFigures:
        """Return the energy of the phase, all packages together."""
        now_uj = read_energy_uj(self._packages)
        total_uj = 0
        for package, wraps_uj in self._packages.items():
            total_uj += now_uj[package] - self._start_uj[package]
            if now_uj[package] < self._start_uj[package]:  # the counter has wrapped
                total_uj += wraps_uj
        return DeviceFigures(energy_j=J_PER_UJ * total_uj)


FIGURES = tuple(field.name for field in dataclasses.fields(DeviceFigures))
GPU_FIGURES = ("gpu_util_pct", "gpu_memory_mib")


class DeviceMeter:
    """All figures of a device for one phase at a time; ``reasons`` says why one is unknown.

    Args:
        device: ``cpu`` or ``cuda``; for a GPU, made before the process touches it.
    """

    def __init__(self, device: str) -> None:
        self.reasons: dict[str, str] = {}
        self._meter: CpuEnergyMeter | GpuMeter | None
        if device == "cuda":
            self._meter, reason = open_gpu_meter()
        else:
            packages, reason = find_packages(POWERCAP)
            self._meter = CpuEnergyMeter(packages) if packages else None
            self.reasons = dict.fromkeys(GPU_FIGURES, "served on the CPU")
        if reason is not None:
            self.reasons = dict.fromkeys(FIGURES, reason) | self.reasons

    def start(self) -> None:
        """Begin a phase."""
        if self._meter is not None:
            self._meter.start()

    def stop(self) -> DeviceFigures:
        """Return every figure of the phase."""
        return DeviceFigures() if self._meter is None else self._meter.stop()
