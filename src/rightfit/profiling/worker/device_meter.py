"""Meters of the device that answers: energy, and utilisation and memory of a GPU."""

from __future__ import annotations

from typing import Any, Protocol

from rightfit.profiling.worker.energy import POWERCAP, CpuEnergyMeter, find_packages
from rightfit.profiling.worker.gpu import open_gpu_meter

Json = dict[str, Any]

FIGURES = ("gpu_util_pct", "gpu_memory_mib", "energy_j")


class Meter(Protocol):
    """Reads a device before and after a phase."""

    def start(self) -> None:
        """Begin a phase."""

    def stop(self) -> Json:
        """Return what was read."""


class DeviceMeter:
    """All figures of a device for one phase at a time, those it can't have as ``None``.

    Args:
        device: ``cpu`` or ``cuda``; for a GPU, made before the process touches it.
    """

    def __init__(self, device: str) -> None:
        self.reasons: dict[str, str] = {}
        self._meter: Meter | None
        if device == "cuda":
            self._meter, reason = open_gpu_meter()
        else:
            packages, reason = find_packages(POWERCAP)
            self._meter = CpuEnergyMeter(packages) if packages else None
            self.reasons = dict.fromkeys(("gpu_util_pct", "gpu_memory_mib"), "served on the CPU")
        if reason is not None:
            self.reasons = dict.fromkeys(FIGURES, reason) | self.reasons

    def start(self) -> None:
        """Begin a phase."""
        if self._meter is not None:
            self._meter.start()

    def stop(self) -> Json:
        """Return every figure of the phase."""
        found = self._meter.stop() if self._meter is not None else {}
        return dict.fromkeys(FIGURES) | found
