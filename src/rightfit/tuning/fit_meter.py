"""What training costs: wall time, CPU time and memory of the training process.

Training is measured where it happens, in the process that searches: a fresh process for each
trial would cost more than most trials. Serving costs, which decide, come from ``profiling``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from rightfit.profiling.metrics import METRICS

_NS_PER_S = 1_000_000_000
_KIB_PER_MIB = 1024

FIT_COLUMNS = tuple(metric.column for metric in METRICS if metric.phase == "fit")


class FitMeter:
    """Adds up the cost of the training stretches of one trial.

    ``fit_peak_memory_mib`` is the highest resident memory during training above that at the
    trial's start. It needs Linux' ``/proc/self/clear_refs``; elsewhere it is ``None``.
    """

    def __init__(self) -> None:
        self._wall_ns = 0
        self._cpu_ns = 0
        self._peak_kib: int | None = None
        self._start_kib = _read_status_kib("VmRSS") if _reset_peak() else None

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Measure a stretch of training; validation in between is left out."""
        measures_memory = self._start_kib is not None and _reset_peak()
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        try:
            yield
        finally:
            self._wall_ns += time.perf_counter_ns() - wall_ns
            self._cpu_ns += time.process_time_ns() - cpu_ns
            if measures_memory:
                self._peak_kib = max(self._peak_kib or 0, _read_status_kib("VmHWM"))

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all threads so far."""
        return self._cpu_ns / _NS_PER_S

    def read(self, *, n_steps: int) -> dict[str, float | None]:
        """Return the fit metrics so far.

        Args:
            n_steps: Training steps taken.
        """
        peak_mib = None
        if self._peak_kib is not None and self._start_kib is not None:
            peak_mib = max(0, self._peak_kib - self._start_kib) / _KIB_PER_MIB
        wall_s = self._wall_ns / _NS_PER_S
        return {
            "fit_time_s": wall_s,
            "step_time_ms": wall_s * 1e3 / n_steps,
            "fit_peak_memory_mib": peak_mib,
            "fit_cpu_cores": self.cpu_s / wall_s if wall_s > 0 else None,
        }


def _reset_peak() -> bool:
    """Make the kernel's high-water mark start from the present; tell whether it can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _read_status_kib(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no line {field}.")
