"""Serving configurations: how a model is served, the key of everything that is measured of it."""

from __future__ import annotations

from dataclasses import dataclass

from rightfit.request_path.paths import MODEL, RequestPath


@dataclass(frozen=True)
class Serving:
    """A way to serve a model, and what requests pass; the batch size is found by measuring.

    Args:
        runtime: One of ``rightfit.families.runtimes.RUNTIMES``.
        n_threads: Threads, and cores it runs on.
        device: ``cpu`` or ``cuda``; of measurements from elsewhere also the machine's name.
        request_path: Whether requests are rows as the model reads them, or raw columns.

    >>> print(Serving("onnx", 2))
    onnx, 2 threads, cpu
    """

    runtime: str
    n_threads: int
    device: str = "cpu"
    request_path: RequestPath = MODEL

    def __str__(self) -> str:
        threads = "1 thread" if self.n_threads == 1 else f"{self.n_threads} threads"
        label = f"{self.runtime}, {threads}, {self.device}"
        return label if self.request_path == MODEL else f"{label}, raw columns"
