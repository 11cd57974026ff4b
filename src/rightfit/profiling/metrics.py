"""The metric table: every measured column, which way is better and what it is measured in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A measured column of a resource profile.

    Args:
        column: Column name; ends in its unit.
        better: Which way is better.
        phase: When it is measured: while training, while loading, while serving.
        title: Human-readable name with its unit, for charts and tables.
    """

    column: str
    better: Literal["lower", "higher"]
    phase: Literal["fit", "load", "serve"]
    title: str


METRICS: tuple[Metric, ...] = (
    Metric("quality", "higher", "serve", "Quality (0 to 1)"),
    Metric("quality_raw", "higher", "serve", "Quality (the dataset's own metric)"),
    Metric("latency_p50_ms", "lower", "serve", "Latency p50 (ms)"),
    Metric("latency_p95_ms", "lower", "serve", "Latency p95 (ms)"),
    Metric("latency_p99_ms", "lower", "serve", "Latency p99 (ms)"),
    Metric("latency_under_load_p99_ms", "lower", "serve", "Latency under load p99 (ms)"),
    Metric("max_rate_per_s", "higher", "serve", "Highest arrival rate (1/s)"),
    Metric("throughput_rows_per_s", "higher", "serve", "Throughput (rows/s)"),
    Metric("cpu_cores", "lower", "serve", "CPU (cores)"),
    Metric("cpu_util_pct", "lower", "serve", "CPU utilisation (%)"),
    Metric("peak_memory_mib", "lower", "serve", "Peak memory (MiB)"),
    Metric("peak_memory_one_row_mib", "lower", "serve", "Peak memory, one row a call (MiB)"),
    Metric("model_memory_mib", "lower", "serve", "Model memory (MiB)"),
    Metric("model_size_mib", "lower", "load", "Model size (MiB)"),
    Metric("load_time_ms", "lower", "load", "Load time (ms)"),
    Metric("min_hardware_tier", "lower", "serve", "Smallest hardware tier"),
    Metric("cost_usd_per_1m_rows", "lower", "serve", "Cost (US$ per million rows)"),
    Metric("gpu_util_pct", "lower", "serve", "GPU utilisation (%)"),
    Metric("gpu_memory_mib", "lower", "serve", "GPU memory (MiB)"),
    Metric("energy_j_per_1k_rows", "lower", "serve", "Energy (J per 1,000 rows)"),
    Metric("fit_time_s", "lower", "fit", "Training time (s)"),
    Metric("step_time_ms", "lower", "fit", "Training step (ms)"),
    Metric("fit_peak_memory_mib", "lower", "fit", "Training peak memory (MiB)"),
    Metric("fit_cpu_cores", "lower", "fit", "Training CPU (cores)"),
)

METRICS_BY_COLUMN: dict[str, Metric] = {metric.column: metric for metric in METRICS}
