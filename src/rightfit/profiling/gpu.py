"""Graphics processors, read through NVML (module ``pynvml``); none is a normal case."""

from __future__ import annotations

import importlib
from typing import Any

from rightfit.profiling.worker import Json


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


def list_gpus() -> list[Json]:
    """Return name and memory of each GPU; empty where there is none."""
    pynvml, _ = open_nvml()
    if pynvml is None:
        return []
    try:
        handles = [
            pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
        ]
        return [
            {
                "name": _text(pynvml.nvmlDeviceGetName(handle)),
                "memory_mib": round(pynvml.nvmlDeviceGetMemoryInfo(handle).total / 2**20),
                "driver": _text(pynvml.nvmlSystemGetDriverVersion()),
            }
            for handle in handles
        ]
    finally:
        pynvml.nvmlShutdown()


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
