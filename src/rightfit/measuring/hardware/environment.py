"""Fingerprint of the machine and the libraries: figures compare only within one environment."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from rightfit._core.extras import find_version
from rightfit._core.formatting import count
from rightfit._core.processes.codec import hash_json, to_plain
from rightfit.measuring.worker.meters.devices import GpuDescription, list_gpus
from rightfit.measuring.worker.units import BYTES_PER_MIB

LIBRARIES = ("rightfit", "numpy", "onnxruntime")  # a model's family names those that it needs
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
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
    # Both files are Linux's; virtual machines often lack the second.
    cpu_lines: list[str] = []
    governor = None
    with contextlib.suppress(OSError):
        cpu_lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    with contextlib.suppress(OSError):
        governor = GOVERNOR.read_text(encoding="ascii").strip()
    models = [line.partition(":")[2].strip() for line in cpu_lines if line.startswith("model name")]
    environment = Environment(
        environment_id="",
        cpu=models[0] if models else platform.processor() or "unknown",
        n_cores=usable_cores(),
        memory_mib=round(psutil.virtual_memory().total / BYTES_PER_MIB),
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        governor=governor,
        python=platform.python_version(),
        libraries={name: find_version(name) for name in LIBRARIES},
        gpus=list_gpus(),
    )
    content = to_plain(environment)
    del content["environment_id"]
    return replace(environment, environment_id=fingerprint(content))


def find_changes(before: Environment, now: Environment) -> dict[str, tuple[object, object]]:
    """Return what of an environment has changed, by name: the earlier value and the later.

    >>> here = describe_environment()
    >>> find_changes(replace(here, n_cores=2), replace(here, n_cores=1))
    {'n_cores': (2, 1)}
    """
    earlier, later = (
        {**vars(environment), **environment.libraries} for environment in (before, now)
    )
    return {
        name: (earlier.get(name), value)
        for name, value in later.items()
        if name not in ("environment_id", "libraries") and value != earlier.get(name)
    }


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
