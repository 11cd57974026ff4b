"""What training costs: wall time, CPU time and memory of the training process.

Training is measured where it happens, in the process that searches: a fresh process for each
trial would cost more than most trials. Serving costs, which decide, come from ``profiling``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from rightfit.profiling.worker.meters.memory import read_memory, reset_peak, return_free_memory

_NS_PER_S = 1_000_000_000


class FitMeter:
    """Adds up the cost of the training stretches of one trial.

    ``fit_peak_memory_mib`` is the highest resident memory during training, above that which other
    trials take: what a stretch adds at its peak, and what earlier stretches have left. Memory that
    earlier trials have freed is given back first, or a training that takes it again would count
    as needing none. It needs Linux' ``/proc/self/clear_refs``; elsewhere it is ``None``.
    """

    def __init__(self) -> None:
        self._wall_ns = 0
        self._cpu_ns = 0
        self._peak_mib: float | None = None
        self.kept_mib = 0.0  # that training has left resident

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Measure a stretch of training; validation in between is left out."""
        if not self._wall_ns:  # of other trials; what this one frees it may use again
            return_free_memory()
        measures_memory = reset_peak()
        start_mib = read_memory().resident_mib if measures_memory else 0.0
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        try:
            yield
        finally:
            self._wall_ns += time.perf_counter_ns() - wall_ns
            self._cpu_ns += time.process_time_ns() - cpu_ns
            if measures_memory:
                memory = read_memory()
                peak_mib = self.kept_mib + memory.peak_mib - start_mib
                self._peak_mib = max(self._peak_mib or 0.0, peak_mib)
                self.kept_mib = max(0.0, self.kept_mib + memory.resident_mib - start_mib)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all threads so far."""
        return self._cpu_ns / _NS_PER_S

    def read(self, *, n_steps: int) -> dict[str, float | None]:
        """Return the fit metrics so far.

        Args:
            n_steps: Training steps taken.
        """
        wall_s = self._wall_ns / _NS_PER_S
        return {
            "fit_time_s": wall_s,
            "step_time_ms": wall_s * 1e3 / n_steps,
            "fit_peak_memory_mib": self._peak_mib,
            "fit_cpu_cores": self.cpu_s / wall_s if wall_s > 0 else None,
        }
