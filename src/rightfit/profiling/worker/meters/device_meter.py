"""Meters of the device that answers: energy, and utilisation and memory of a GPU."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from rightfit.profiling.worker.meters.energy import POWERCAP, CpuEnergyMeter, find_packages
from rightfit.profiling.worker.meters.gpu import open_gpu_meter
from rightfit.profiling.worker.results import DeviceFigures

FIGURES = tuple(field.name for field in dataclasses.fields(DeviceFigures))
GPU_FIGURES = ("gpu_util_pct", "gpu_memory_mib")


class Meter(Protocol):
    """Reads a device before and after a phase."""

    def start(self) -> None:
        """Begin a phase."""

    def stop(self) -> DeviceFigures:
        """Return what was read."""


class DeviceMeter:
    """All figures of a device for one phase at a time; ``reasons`` says why one is unknown.

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
