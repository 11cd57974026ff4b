"""The metric table: one row per measured column, one field per trait of a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What finds a metric: the model's answers, a timed process, its device's meters, a test under
# random load, the files of the bundle, the hardware ladder, or the training.
Source = Literal["answers", "process", "device", "load_test", "files", "tiers", "training"]
MEASURED_SOURCES: tuple[Source, ...] = ("process", "device", "load_test")

NO_DEVICE_FIGURE = "the GPU does not report it"
NO_LOAD_TEST = "the server scenario is not measured in this preset"
NOT_IN_TRAINING = "not measured in training"
EXACT_SIZE = "sizes of files are exact"
TRAINED_ONCE = "a candidate is trained once; another training may take more or less"


@dataclass(frozen=True)
class Metric:
    """A measured column of a resource profile.

    Args:
        column: Column name; ends in its unit.
        label: Name for people, without the unit.
        unit: Unit for people; empty for a pure number.
        better: Which way is better.
        phase: When it is measured: while training, while loading, while serving.
        source: What finds it.
        scale: What a pure number means, in place of a unit.
        percentile: Share in (0, 1) of a latency percentile of one row a call, else ``None``.
        no_interval: Why no ``{column}_low`` and ``{column}_high`` stand beside it; empty: they do.
        is_refinable: Whether more measuring makes it more certain.
        is_count: Whether its values are whole numbers.
        allows_relative_limit: Whether a limit may be relative to the best candidate's value.
        null_reason: Why it is null where no more is known.
    """

    column: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    phase: Literal["fit", "load", "serve"]
    source: Source
    scale: str = ""
    percentile: float | None = None
    no_interval: str = ""
    is_refinable: bool = False
    is_count: bool = False
    allows_relative_limit: bool = False
    null_reason: str = ""

    @property
    def has_interval(self) -> bool:
        """Whether ``{column}_low`` and ``{column}_high`` stand beside it."""
        return not self.no_interval

    @property
    def title(self) -> str:
        """Label with its unit, for an axis or a column head."""
        in_brackets = self.unit or self.scale
        return f"{self.label} ({in_brackets})" if in_brackets else self.label


def _quality(column: str, label: str, scale: str = "") -> Metric:
    return Metric(
        column,
        label,
        "",
        "higher",
        "serve",
        "answers",
        scale=scale,
        allows_relative_limit=True,
    )


def _latency(column: str, label: str, percentile: float) -> Metric:
    return Metric(
        column,
        label,
        "ms",
        "lower",
        "serve",
        "process",
        percentile=percentile,
        is_refinable=True,
    )


def _fit(column: str, label: str, unit: str) -> Metric:
    return Metric(
        column,
        label,
        unit,
        "lower",
        "fit",
        "training",
        no_interval=TRAINED_ONCE,
        null_reason=NOT_IN_TRAINING,
    )


def _device(column: str, label: str, unit: str) -> Metric:
    return Metric(
        column,
        label,
        unit,
        "lower",
        "serve",
        "device",
        null_reason=NO_DEVICE_FIGURE,
    )


# fmt: off
METRICS: tuple[Metric, ...] = (
    _quality("quality", "Quality", "0 to 1"),
    _quality("quality_raw", "Raw quality"),
    _latency("latency_p50_ms", "Latency p50", 0.5),
    _latency("latency_p95_ms", "Latency p95", 0.95),
    _latency("latency_p99_ms", "Latency p99", 0.99),
    Metric("latency_under_load_p99_ms", "Latency under load p99", "ms", "lower", "serve",
           "load_test", null_reason=NO_LOAD_TEST),
    Metric("max_rate_per_s", "Highest arrival rate", "requests/s", "higher", "serve", "load_test",
           null_reason=NO_LOAD_TEST),
    Metric("throughput_rows_per_s", "Throughput", "rows/s", "higher", "serve", "process",
           is_refinable=True),
    Metric("cpu_cores", "CPU", "cores", "lower", "serve", "process",
           is_refinable=True),
    Metric("cpu_util_pct", "CPU utilisation", "%", "lower", "serve", "process",
           is_refinable=True),
    Metric("peak_memory_mib", "Peak memory", "MiB", "lower", "serve", "process"),
    Metric("peak_memory_one_row_mib", "One-row peak memory", "MiB", "lower", "serve",
           "process"),
    Metric("model_memory_mib", "Model memory", "MiB", "lower", "serve", "process"),
    Metric("model_size_mib", "Model size", "MiB", "lower", "load", "files",
           no_interval=EXACT_SIZE),
    Metric("load_time_ms", "Load time", "ms", "lower", "load", "process",
           is_refinable=True),
    Metric("min_hardware_tier", "Hardware tier", "", "lower", "serve", "tiers",
           is_count=True),
    Metric("cost_usd_per_1m_rows", "Cost", "US$ per million rows", "lower", "serve", "tiers"),
    _device("gpu_util_pct", "GPU utilisation", "%"),
    _device("gpu_memory_mib", "GPU memory", "MiB"),
    _device("energy_j_per_1k_rows", "Energy", "J per 1,000 rows"),
    _fit("fit_time_s", "Training time", "s"),
    _fit("step_time_ms", "Training step", "ms"),
    _fit("fit_peak_memory_mib", "Training peak memory", "MiB"),
    _fit("fit_cpu_cores", "Training CPU", "cores"),
)
# fmt: on

METRICS_BY_COLUMN: dict[str, Metric] = {metric.column: metric for metric in METRICS}


def columns_from(*sources: Source) -> tuple[str, ...]:
    """Return the columns that some sources find, in the order of the table.

    >>> columns_from("files", "tiers")
    ('model_size_mib', 'min_hardware_tier', 'cost_usd_per_1m_rows')
    """
    return tuple(metric.column for metric in METRICS if metric.source in sources)


FIT_COLUMNS = columns_from("training")
INTERVAL_COLUMNS = tuple(
    f"{metric.column}{end}"
    for metric in METRICS
    if metric.has_interval
    for end in ("_low", "_high")
)
# By share in (0, 1), from the median up.
LATENCY_COLUMNS = {m.percentile: m.column for m in METRICS if m.percentile is not None}
