"""Fingerprint of the machine and the libraries: figures compare only within one environment."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from rightfit.extras import find_version
from rightfit.formatting import count
from rightfit.processes.codec import hash_json, to_plain
from rightfit.profiling.worker.meters.devices import GpuDescription, list_gpus
from rightfit.profiling.worker.units import BYTES_PER_MIB

LIBRARIES = ("rightfit", "numpy", "onnxruntime")  # a model's family names those that it needs
ID_LENGTH = 12
MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Environment:
    """What a measurement's figures depend on beside what is measured."""

    environment_id: str  # hash of all the rest
    cpu: str
    n_cores: int  # this process may run on
    memory_mib: int
    system: str
    kernel: str
    architecture: str
    governor: str | None
    python: str
    libraries: dict[str, str | None]  # versions; None: not installed
    gpus: tuple[GpuDescription, ...]

    @property
    def machine(self) -> str:
        """Processor, cores, memory and GPUs, in words."""
        gpus = count(len(self.gpus), "GPU") if self.gpus else "no GPU"
        memory_gib = f"{self.memory_mib / MIB_PER_GIB:.0f} GiB"
        return f"{self.cpu}, {count(self.n_cores, 'core')}, {memory_gib}, {gpus}"

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that models can be served on."""
        return ("cpu", "cuda") if self.gpus else ("cpu",)


def describe_environment() -> Environment:
    """Describe this machine and the libraries installed."""
    found = Environment(
        environment_id="",
        cpu=_cpu_model(),
        n_cores=usable_cores(),
        memory_mib=round(psutil.virtual_memory().total / BYTES_PER_MIB),
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        governor=_governor(),
        python=platform.python_version(),
        libraries={name: find_version(name) for name in LIBRARIES},
        gpus=list_gpus(),
    )
    content = to_plain(found)
    del content["environment_id"]
    return replace(found, environment_id=fingerprint(content))


def fingerprint(content: Mapping[str, object]) -> str:
    """Return a short hash of plain JSON content, the same for the same content.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    return hash_json(content, n_digits=ID_LENGTH, separators=(",", ":"))


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _governor() -> str | None:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
