"""Fingerprint of the machine and the libraries: figures compare only within one environment."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

from rightfit.profiling.worker.gpu import list_gpus

LIBRARIES = (
    "rightfit",
    "numpy",
    "scikit-learn",
    "skops",
    "torch",
    "onnxruntime",
)
ID_LENGTH = 12
BYTES_PER_MIB = 2**20


def describe_environment() -> dict[str, Any]:
    """Describe what a measurement's figures depend on.

    Returns:
        Plain JSON types; ``environment_id`` is a hash of all the rest.
    """
    found = {
        "cpu": _cpu_model(),
        "n_cores": usable_cores(),
        "memory_mib": _memory_mib(),
        "system": platform.system(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "governor": _governor(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "gpus": list_gpus(),
    }
    return {"environment_id": fingerprint(found)} | found


def fingerprint(content: dict[str, Any]) -> str:
    """Return a short hash of plain JSON content, the same for the same content.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


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


def _memory_mib() -> int:
    import psutil

    return round(psutil.virtual_memory().total / BYTES_PER_MIB)


def _governor() -> str | None:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
