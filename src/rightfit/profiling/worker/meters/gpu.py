"""Graphics processors, read through NVML (module ``pynvml``); none is a normal case."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rightfit.profiling.worker.results import DeviceFigures
from rightfit.profiling.worker.units import BYTES_PER_MIB

J_PER_MJ = 1e-3


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


@dataclass(frozen=True)
class GpuReading:
    """Figures of a GPU at a moment; ``None`` where it does not report them.

    Args:
        process_mib: Memory this process holds there. Unknown in most containers, because NVML
            knows processes by the number the host gave them.
        used_mib: Memory in use there by all processes.
        util_pct: Share of the last sampling period in which a kernel ran.
        energy_j: Energy used since the driver was loaded.
    """

    process_mib: float | None
    used_mib: float | None
    util_pct: float | None
    energy_j: float | None


class Gpu:
    """One GPU.

    Args:
        nvml: The initialised ``pynvml`` module.
        index: Number of the GPU.
    """

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml = nvml
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)

    def describe(self) -> GpuDescription:
        """Return name, memory and driver."""
        nvml = self._nvml
        return GpuDescription(
            name=nvml.nvmlDeviceGetName(self._handle),
            memory_mib=round(nvml.nvmlDeviceGetMemoryInfo(self._handle).total / BYTES_PER_MIB),
            driver=nvml.nvmlSystemGetDriverVersion(),
        )

    def read(self, pid: int) -> GpuReading:
        """Read the GPU for a process."""
        nvml, handle = self._nvml, self._handle
        memory = self._ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used)
        energy_mj = self._ask(lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
        return GpuReading(
            process_mib=self._ask(lambda: self._process_mib(pid)),
            used_mib=None if memory is None else memory / BYTES_PER_MIB,
            util_pct=self._ask(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            energy_j=None if energy_mj is None else energy_mj * J_PER_MJ,
        )

    def _process_mib(self, pid: int) -> float | None:
        for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle):
            if process.pid == pid and process.usedGpuMemory is not None:
                return float(process.usedGpuMemory / BYTES_PER_MIB)
        return None

    def _ask(self, question: Callable[[], float | None]) -> float | None:
        try:
            return question()
        except self._nvml.NVMLError:  # this GPU, driver or user can't have that figure
            return None


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
        return tuple(Gpu(nvml, index).describe() for index in range(nvml.nvmlDeviceGetCount()))
    finally:
        nvml.nvmlShutdown()


def list_devices() -> tuple[str, ...]:
    """Return the devices that this machine has."""
    return ("cpu", "cuda") if list_gpus() else ("cpu",)


class GpuMeter:
    """What a phase does to the first GPU that this process sees.

    Args:
        read: Reads the GPU, see :func:`open_gpu_meter`.
        baseline_mib: Memory in use there before this process touched it.
    """

    def __init__(self, read: Callable[[], GpuReading], baseline_mib: float | None) -> None:
        self._read = read
        self._baseline_mib = baseline_mib
        self._start_j: float | None = None

    def start(self) -> None:
        """Begin a phase."""
        self._start_j = self._read().energy_j

    def stop(self) -> DeviceFigures:
        """Return utilisation, memory and energy of the phase."""
        now = self._read()
        memory_mib = now.process_mib
        if memory_mib is None and now.used_mib is not None and self._baseline_mib is not None:
            memory_mib = now.used_mib - self._baseline_mib
        known = now.energy_j is not None and self._start_j is not None
        return DeviceFigures(
            gpu_util_pct=now.util_pct,
            gpu_memory_mib=memory_mib,
            energy_j=(now.energy_j or 0.0) - (self._start_j or 0.0) if known else None,
        )


def open_gpu_meter() -> tuple[GpuMeter | None, str | None]:
    """Open a meter for this process, before it touches the GPU.

    Returns:
        The meter and ``None``, or ``None`` and why there is none.
    """
    nvml, reason = open_nvml()
    if nvml is None:
        return None, reason
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    gpu = Gpu(nvml, int(visible) if visible.isdigit() else 0)
    pid = os.getpid()
    return GpuMeter(lambda: gpu.read(pid), gpu.read(pid).used_mib), None
