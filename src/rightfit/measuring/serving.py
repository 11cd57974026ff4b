"""Serving configurations: how a model is served, the key of everything that is measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from rightfit._core.formatting import count
from rightfit.data.request_path import MODEL, RequestPath


@dataclass(frozen=True)
class Serving:
    """A way to serve a model, and what requests pass; the batch size is found by measuring.

    Args:
        runtime: One of ``rightfit.models.runtimes.RUNTIMES``, or the import path of another.
        n_threads: Threads, and cores it runs on.
        device: ``cpu`` or ``cuda``; of measurements from elsewhere also the machine's name.
        request_path: Whether requests are rows as the model reads them, or raw columns.

    >>> print(Serving("onnx", 2)), Serving("native", 1, "cuda").label
    onnx, 2 threads, cpu
    (None, 'native, 1 thread, cuda')
    """

    runtime: str
    n_threads: int
    device: str = "cpu"
    request_path: RequestPath = MODEL

    @property
    def label(self) -> str:
        """Runtime, threads and, where it is not the CPU, device, as people read them."""
        label = f"{self.runtime}, {count(self.n_threads, 'thread')}"
        return label if self.device == "cpu" else f"{label}, {self.device}"

    def __str__(self) -> str:
        label = f"{self.runtime}, {count(self.n_threads, 'thread')}, {self.device}"
        return label if self.request_path == MODEL else f"{label}, raw columns"


ELSEWHERE = "@"
THIS_MACHINE = "this_machine"  # in a fleet: the one that runs the pipeline
MACHINE_NAME = "[a-z][a-z0-9_]{0,39}"  # pattern


def name_device(device: str, machine: str) -> str:
    """Return the device of a profile that another machine has measured.

    >>> name_device("cpu", "board")
    'cpu@board'
    """
    return f"{device}{ELSEWHERE}{machine}"


def split_device(device: str) -> tuple[str, str | None]:
    """Return a profile's device and its machine, ``None`` for the one that runs the pipeline.

    >>> split_device("cpu@board"), split_device("cuda")
    (('cpu', 'board'), ('cuda', None))
    """
    name, _, machine = device.partition(ELSEWHERE)
    return name, machine or None
