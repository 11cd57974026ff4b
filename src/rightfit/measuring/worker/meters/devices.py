"""Devices that answer: which ones this machine has, and what a phase takes of them.

Energy of the CPU is that of the processor packages, read from RAPL where the system permits it. The
counter holds the whole package, other processes included: on a machine that is not quiet the figure
is too high. Many virtual machines have no counter, and since 2020 most systems let only root read
it (CVE-2020-8694).

Graphics processors are read through NVML (module ``pynvml``); none is a normal case.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rightfit.measuring.worker.results import DeviceFigures
from rightfit.measuring.worker.units import BYTES_PER_MIB

POWERCAP = Path("/sys/class/powercap")
PACKAGES = "intel-rapl:[0-9]*"  # AMD's counters have this name too
J_PER_UJ = 1e-6
J_PER_MJ = 1e-3
FIGURES = tuple(field.name for field in fields(DeviceFigures))
GPU_FIGURES = ("gpu_util_pct", "gpu_memory_mib")


@dataclass(frozen=True)
class GpuDescription:
    """A GPU of this machine.

    Args:
        name: Product name.
        memory_mib: Its memory.
        driver: Version of the driver.
    """

    name: str
    memory_mib: int
    driver: str


def open_nvml() -> tuple[Any, str | None]:
    """Start NVML.

    Returns:
        The initialised ``pynvml`` module and ``None``, or ``None`` and why there is none. Who gets
        the module calls ``nvmlShutdown``.
    """
    try:
        pynvml = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        return None, "nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as err:
        return None, f"no NVIDIA driver answers ({err})"
    return pynvml, None


def list_gpus() -> tuple[GpuDescription, ...]:
    """Describe each GPU; empty where there is none."""
    nvml, _ = open_nvml()
    if nvml is None:
        return ()
    try:
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        return tuple(
            GpuDescription(
                name=nvml.nvmlDeviceGetName(handle),
                memory_mib=round(nvml.nvmlDeviceGetMemoryInfo(handle).total / BYTES_PER_MIB),
                driver=nvml.nvmlSystemGetDriverVersion(),
            )
            for handle in handles
        )
    finally:
        nvml.nvmlShutdown()


def list_devices() -> tuple[str, ...]:
    """Return the devices that this machine has."""
    return ("cpu", "cuda") if list_gpus() else ("cpu",)


class GpuMeter:
    """What a phase does to one GPU; made before this process touches it.

    Args:
        nvml: The initialised ``pynvml`` module.
        index: Number of the GPU.
    """

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)
        self._baseline_mib = self._ask(self._read_used_mib)
        self._start_j: float | None = None

    def start(self) -> None:
        """Begin a phase."""
        self._start_j = self._ask(self._read_energy_j)

    def stop(self) -> DeviceFigures:
        """Return utilisation, memory and energy of the phase."""
        memory_mib = self._ask(self._find_process_mib)
        used_mib = self._ask(self._read_used_mib)
        if memory_mib is None and used_mib is not None and self._baseline_mib is not None:
            memory_mib = used_mib - self._baseline_mib
        util_pct = self._ask(lambda: self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        now_j = self._ask(self._read_energy_j)
        is_known = now_j is not None and self._start_j is not None
        return DeviceFigures(
            gpu_util_pct=util_pct,  # share of the last sampling period in which a kernel ran
            gpu_memory_mib=memory_mib,
            energy_j=(now_j or 0.0) - (self._start_j or 0.0) if is_known else None,
        )

    def _find_process_mib(self) -> float | None:
        """Return this process' memory; most containers hide it, as NVML has the host's numbers."""
        for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle):
            if process.pid == os.getpid() and process.usedGpuMemory is not None:
                return float(process.usedGpuMemory / BYTES_PER_MIB)
        return None

    def _read_used_mib(self) -> float:
        return float(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used / BYTES_PER_MIB)

    def _read_energy_j(self) -> float:  # since the driver was loaded
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) * J_PER_MJ)

    def _ask(self, question: Callable[[], float | None]) -> float | None:
        try:
            return question()
        except self._nvml.NVMLError:  # this GPU, driver or user can't have that figure
            return None


def open_gpu_meter() -> tuple[GpuMeter | None, str | None]:
    """Open a meter of the first GPU that this process sees.

    Returns:
        The meter and ``None``, or ``None`` and why there is none.
    """
    nvml, reason = open_nvml()
    if nvml is None:
        return None, reason
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return GpuMeter(nvml, int(visible) if visible.isdigit() else 0), None


def find_packages(powercap: Path) -> tuple[dict[Path, int], str | None]:
    """Find the packages whose energy can be read.

    Args:
        powercap: Folder of the kernel's power capping framework.

    Returns:
        For each package's folder the value at which its counter wraps, in microjoules; and why
        there is none, ``None`` when there is one.
    """
    packages: dict[Path, int] = {}
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
        packages[package] = int(text)
    return packages, None if packages else "the RAPL energy counter can't be read"


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
