"""A stand-in for NVIDIA's management library, below ``pynvml``: its C functions in Python.

``pynvml`` itself runs unchanged: it passes pointers, checks return codes and converts what it
finds, as it does with the real library.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pynvml

MIB = 2**20
SUCCESS = pynvml.NVML_SUCCESS
NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
INSUFFICIENT_SIZE = pynvml.NVML_ERROR_INSUFFICIENT_SIZE


@dataclass
class FakeNvml:
    """The library on a machine with one GPU.

    Args:
        energy_mj: Energy since the driver was loaded; ``None``: not supported.
        processes_mib: GPU memory by process number; ``None`` for one that the GPU hides.
        used_mib: GPU memory in use.
    """

    energy_mj: int | None = 5_000
    processes_mib: dict[int, int | None] = field(default_factory=dict)
    used_mib: int = 700
    n_open: int = 0

    def nvmlInitWithFlags(self, _flags: int) -> int:  # noqa: N802 - the library's names
        self.n_open += 1
        return SUCCESS

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.n_open -= 1
        return SUCCESS

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 1
        return SUCCESS

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, _device: Any) -> int:  # noqa: N802
        return SUCCESS if index.value == 0 else pynvml.NVML_ERROR_INVALID_ARGUMENT

    def nvmlDeviceGetName(self, _device: Any, name: Any, _length: Any) -> int:  # noqa: N802
        name.value = b"Fake 100"
        return SUCCESS

    def nvmlSystemGetDriverVersion(self, version: Any, _length: Any) -> int:  # noqa: N802
        version.value = b"600.1"
        return SUCCESS

    def nvmlDeviceGetMemoryInfo(self, _device: Any, memory: Any) -> int:  # noqa: N802
        memory._obj.total = 16_384 * MIB
        memory._obj.used = self.used_mib * MIB
        return SUCCESS

    def nvmlDeviceGetUtilizationRates(self, _device: Any, rates: Any) -> int:  # noqa: N802
        rates._obj.gpu = 42
        return SUCCESS

    def nvmlDeviceGetTotalEnergyConsumption(self, _device: Any, energy: Any) -> int:  # noqa: N802
        if self.energy_mj is None:
            return NOT_SUPPORTED
        energy._obj.value = self.energy_mj
        return SUCCESS

    def nvmlDeviceGetComputeRunningProcesses_v3(  # noqa: N802
        self, _device: Any, count: Any, processes: Any
    ) -> int:
        if processes is None:  # asked how many there are
            count._obj.value = len(self.processes_mib)
            return INSUFFICIENT_SIZE if self.processes_mib else SUCCESS
        for i, (pid, mib) in enumerate(self.processes_mib.items()):
            processes[i].pid = pid
            hidden = ctypes.c_ulonglong(-1).value
            processes[i].usedGpuMemory = hidden if mib is None else mib * MIB
        count._obj.value = len(self.processes_mib)
        return SUCCESS


@contextmanager
def installed(library: FakeNvml | None) -> Iterator[None]:
    """Make ``pynvml`` use a fake library; ``None`` leaves the machine as it is."""
    before = pynvml.nvmlLib
    pynvml._nvmlGetFunctionPointer_cache.clear()
    pynvml.nvmlLib = library
    try:
        yield
    finally:
        pynvml.nvmlLib = before
        pynvml._nvmlGetFunctionPointer_cache.clear()
