"""The metric table: one row per measured column, one field per trait of a metric.

The rows are attributes of :class:`MetricTable`. A resource profile is such a table too: there the
same attribute is the metric's figure. ``Profile.latency_p95_ms`` is the metric, with its unit and
direction; ``profile.latency_p95_ms`` is its value with the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, SupportsFloat, overload

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import add_unit, format_number, format_quality
from rightfit.measuring.worker.results import BatchPhase, LoadPhase

# What finds a metric: the model's predictions, a timed process, its device's meters, a test under
# random load, the files of the bundle, the hardware ladder, or the training.
Source = Literal["predictions", "process", "device", "load_test", "files", "tiers", "training"]
MEASURED_SOURCES: tuple[Source, ...] = ("process", "device", "load_test")

NO_DEVICE_FIGURE = "the GPU does not report it"
NO_LOAD_TEST = "this preset serves no requests at random; the preset standard does"
NOT_IN_TRAINING = "not measured in training"
EXACT_SIZE = "sizes of files are exact"
# Of memory, in percent: that of the empty worker, which all processes of a measurement share, falls
# by 0.1 to 0.3 % over 80 forks (benchmarks/measuring/record_processes.py at commit 87a3d99b).
COMMON_MODE_MEMORY_ERROR_PCT = 0.2
# Seen of the throughput of a small net: 1.79 M rows/s undisturbed, 620 k beside other work.
MAX_SLOWDOWN = 3.0
MAX_SPAN = 100.0  # upper / lower end of an interval that tells something
TOO_WIDE = "too disturbed to tell: measure again on a quiet machine"
TRAINED_ONCE = "a candidate is trained once; another training may take more or less"


class OneProcess(Protocol):
    """What one measuring process found, as far as metrics are computed from it."""

    @property
    def load(self) -> LoadPhase:
        """How it opened the model."""

    def growth_mib(self, batch_size: int | None = None) -> float:
        """Return the highest growth of memory, of single rows or of batches of a size as well."""

    def peak_mib(self, growth_mib: float) -> float:
        """Return the peak of a process started from nothing, from the growth of a forked one."""


@dataclass(frozen=True)
class Metric:
    """A measured column of a resource profile.

    Args:
        label: Name for people, without the unit.
        unit: Unit for people; empty for a pure number.
        better: Which way is better.
        phase: When it is measured: while training, while loading, while serving.
        source: What finds it.
        scale: What a pure number means, in place of a unit.
        percentile: Share in (0, 1) of a latency percentile of one row a call, else ``None``.
        of_process: Its figure in what a process found and the batch size of its throughput.
        of_batch: Its figure in the timed batches of a process; ``None``: not metered.
        shares: What all processes of a measurement may share: the machine's drift, of times and
            rates, or the memory of the empty worker.
        no_interval: Why no ``{column}_low`` and ``{column}_high`` stand beside it; empty: they do.
        is_refinable: Whether more measuring makes it more certain.
        slows: Whether other work on the machine can only make it worse.
        is_count: Whether its values are whole numbers.
        values: Which values are possible.
        allows_relative_limit: Whether a limit may be relative to the best candidate's value.
        is_charted: Whether the chart of quality against costs offers it as a cost.
        depends_on_batch: Whether it belongs to the batch size of the best throughput, which may
            differ from run to run: then ``rightfit check`` calls a change no fault.
        null_reason: Why it is null where no more is known.
        column: Column name, which ends in the unit; the attribute's name in the table.
    """

    label: str
    unit: str
    better: Literal["lower", "higher"]
    phase: Literal["fit", "load", "serve"]
    source: Source
    scale: str = ""
    percentile: float | None = None
    of_process: Callable[[OneProcess, int], float] | None = None
    of_batch: Callable[[BatchPhase], float | None] | None = None
    shares: Literal["", "drift", "memory"] = ""
    no_interval: str = ""
    is_refinable: bool = False
    slows: bool = False
    is_count: bool = False
    values: Literal["any", "not negative", "positive"] = "not negative"
    allows_relative_limit: bool = False
    is_charted: bool = False
    depends_on_batch: bool = False
    null_reason: str = ""
    column: str = field(default="", init=False)
    _table: type[object] = field(default=object, init=False, repr=False, compare=False)

    def __set_name__(self, owner: type[object], name: str) -> None:
        object.__setattr__(self, "column", name)
        object.__setattr__(self, "_table", owner)

    @overload
    def __get__(self, table: None, owner: type[object]) -> Metric: ...

    @overload
    def __get__(self, table: MetricTable, owner: type[object]) -> Figure: ...

    def __get__(self, table: MetricTable | None, owner: type[object]) -> Metric | Figure:
        """Return the metric of a class, the figure of a profile."""
        return self if table is None else table.figures[self.column]

    def __reduce__(self) -> tuple[object, ...]:  # what computes it has no name to be pickled by
        return getattr, (self._table, self.column)

    @property
    def has_batch_size(self) -> bool:
        """Whether its figure belongs to a batch size."""
        return self.of_batch is not None or self.depends_on_batch

    @property
    def title(self) -> str:
        """Label with its unit, for an axis or a column head."""
        in_brackets = self.unit or self.scale
        return f"{self.label} ({in_brackets})" if in_brackets else self.label

    def format_bare(self, value: float) -> str:
        """Write a value without its unit."""
        return format_quality(value) if self.source == "predictions" else format_number(value)


@dataclass(frozen=True, repr=False)
class Figure:
    """A metric's value with its 95 % interval; or the reason why there is none.

    Args:
        metric: The metric, with its unit.
        value: In that unit; ``None``: it was not measured.
        low: Lower end of the interval, ``None`` where none is known.
        high: Upper end.
        reason: Why it was not measured; empty where it was.
        name: What a raw quality is called, such as ``ROC AUC``; empty for other metrics.

    >>> figure = Figure(MetricTable.latency_p95_ms, 0.0312, 0.03, 0.033)
    >>> figure
    0.0312 (0.03 to 0.033) ms
    >>> float(figure), figure.unit, figure < 10
    (0.0312, 'ms', True)
    >>> Figure(MetricTable.latency_p99_ms, None, reason="needs 1,300 calls")
    not measured: needs 1,300 calls
    >>> Figure(MetricTable.latency_p50_ms, 0.842, 0.0002, 20_200.0)
    0.842 (0.0002 to 20.2 k) ms, too disturbed to tell: measure again on a quiet machine
    >>> Figure(MetricTable.quality_raw, 0.9, 0.88, 0.92, name="ROC AUC")
    ROC AUC 0.900 (0.880 to 0.920)
    """

    metric: Metric
    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    name: str = ""

    @property
    def unit(self) -> str:
        """Unit of the value and of the interval; empty for a pure number."""
        return self.metric.unit

    def __float__(self) -> float:
        if self.value is None:
            raise RightfitError(f"{self.metric.column} was not measured: {self.reason}.")
        return self.value

    # With a number or another figure; one that was not measured cannot be compared.
    def __lt__(self, other: SupportsFloat) -> bool:
        return float(self) < float(other)

    def __le__(self, other: SupportsFloat) -> bool:
        return float(self) <= float(other)

    def __gt__(self, other: SupportsFloat) -> bool:
        return float(self) > float(other)

    def __ge__(self, other: SupportsFloat) -> bool:
        return float(self) >= float(other)

    def __str__(self) -> str:
        if self.value is None:
            return f"not measured: {self.reason}"
        text = self.metric.format_bare(self.value)
        if self.low is not None and self.high is not None and self.low < self.high:
            ends = [self.metric.format_bare(end) for end in (self.low, self.high)]
            text = f"{text} ({' to '.join(ends)})"
        text = f"{self.name} {add_unit(text, self.unit)}".strip()
        return f"{text}, {TOO_WIDE}" if self.is_too_wide else text

    @property
    def is_too_wide(self) -> bool:
        """Whether its interval spans so much that the value tells nothing."""
        return bool(self.low and self.high and 0 < self.low < self.high / MAX_SPAN)

    __repr__ = __str__


def _quality(label: str, scale: str = "") -> Metric:
    return Metric(
        label,
        "",
        "higher",
        "serve",
        "predictions",
        scale=scale,
        values="not negative" if scale else "any",  # a loss is a negative quality
        allows_relative_limit=True,
    )


def _latency(label: str, percentile: float) -> Metric:
    return Metric(
        label,
        "ms",
        "lower",
        "serve",
        "process",
        percentile=percentile,
        values="positive",
        shares="drift",
        is_refinable=True,
        slows=True,
        is_charted=True,
    )


def _fit(label: str, unit: str, *, is_charted: bool = False) -> Metric:
    return Metric(
        label,
        unit,
        "lower",
        "fit",
        "training",
        no_interval=TRAINED_ONCE,
        null_reason=NOT_IN_TRAINING,
        is_charted=is_charted,
    )


def _device(
    label: str,
    unit: str,
    of_batch: Callable[[BatchPhase], float | None],
    *,
    is_charted: bool = False,
) -> Metric:
    return Metric(
        label,
        unit,
        "lower",
        "serve",
        "device",
        of_batch=of_batch,
        null_reason=NO_DEVICE_FIGURE,
        is_charted=is_charted,
    )


# fmt: off
class MetricTable:
    """All metrics, each a row; and what has a figure for each of them."""

    figures: Mapping[str, Figure]

    quality = _quality("Scaled quality", "0 to 1")
    quality_raw = _quality("Quality")
    latency_p50_ms = _latency("Latency p50", 0.5)
    latency_p95_ms = _latency("Latency p95", 0.95)
    latency_p99_ms = _latency("Latency p99", 0.99)
    latency_under_load_p99_ms = Metric("Latency under load p99", "ms", "lower", "serve",
           "load_test", values="positive", null_reason=NO_LOAD_TEST, is_charted=True)
    throughput_rows_per_s = Metric("Throughput", "rows/s", "higher", "serve", "process",
           of_batch=lambda run: run.rows_per_s, values="positive", shares="drift",
           is_refinable=True, slows=True, is_charted=True)
    cpu_cores = Metric("CPU", "cores", "lower", "serve", "process",
           of_batch=lambda run: run.cpu_ms / run.wall_ms, is_refinable=True, depends_on_batch=True)
    cpu_util_pct = Metric("CPU utilisation", "%", "lower", "serve", "process",
           is_refinable=True, depends_on_batch=True)
    peak_memory_mib = Metric("Peak memory", "MiB", "lower", "serve", "process",
           of_process=lambda run, batch_size: run.peak_mib(run.growth_mib(batch_size)),
           values="positive", shares="memory", is_charted=True, depends_on_batch=True)
    peak_memory_one_row_mib = Metric("One-row peak memory", "MiB", "lower", "serve", "process",
           of_process=lambda run, _: run.peak_mib(run.growth_mib()), values="positive",
           shares="memory")
    model_memory_mib = Metric("Model memory", "MiB", "lower", "serve", "process",
           of_process=lambda run, batch_size: run.growth_mib(batch_size),
           values="any", depends_on_batch=True)  # it may hold less than the empty worker
    model_size_mib = Metric("Model size", "MiB", "lower", "load", "files",
           no_interval=EXACT_SIZE, is_charted=True)
    load_time_ms = Metric("Load time", "ms", "lower", "load", "process",
           of_process=lambda run, _: run.load.load_time_ms, values="positive", shares="drift",
           is_refinable=True, is_charted=True)
    min_hardware_tier = Metric("Hardware tier", "", "lower", "serve", "tiers",
           is_count=True, values="positive", depends_on_batch=True)
    cost_usd_per_1m_rows = Metric("Cost", "US$ per million rows", "lower", "serve", "tiers",
           slows=True, is_charted=True)
    gpu_util_pct = _device("GPU utilisation", "%", lambda run: run.gpu_util_pct)
    gpu_memory_mib = _device("GPU memory", "MiB", lambda run: run.gpu_memory_mib)
    energy_j_per_1k_rows = _device("Energy", "J per 1,000 rows",
           lambda run: None if run.energy_j is None
           else run.energy_j / (run.n_calls * run.batch_size) * 1_000, is_charted=True)
    fit_time_s = _fit("Training time", "s", is_charted=True)
    step_time_ms = _fit("Training step", "ms")
    fit_peak_memory_mib = _fit("Training peak memory", "MiB")
    fit_cpu_cores = _fit("Training CPU", "cores")
# fmt: on


METRICS: tuple[Metric, ...] = tuple(
    row for row in vars(MetricTable).values() if isinstance(row, Metric)
)

METRICS_BY_COLUMN: dict[str, Metric] = {metric.column: metric for metric in METRICS}


def columns_from(*sources: Source) -> tuple[str, ...]:
    """Return the columns that some sources find, in the order of the table.

    >>> columns_from("files", "tiers")
    ('model_size_mib', 'min_hardware_tier', 'cost_usd_per_1m_rows')
    """
    return tuple(metric.column for metric in METRICS if metric.source in sources)


def find_slowdown(column: str) -> float:
    """Return by which factor other work may have worsened a disturbed figure; 1: not at all.

    >>> find_slowdown("latency_p95_ms"), find_slowdown("peak_memory_mib")
    (3.0, 1.0)
    """
    metric = METRICS_BY_COLUMN.get(column)
    return MAX_SLOWDOWN if metric is not None and metric.slows else 1.0


FIT_COLUMNS = columns_from("training")
INTERVAL_COLUMNS = tuple(
    f"{metric.column}{end}"
    for metric in METRICS
    if not metric.no_interval
    for end in ("_low", "_high")
)
# By share in (0, 1), from the median up.
LATENCY_COLUMNS = {m.percentile: m.column for m in METRICS if m.percentile is not None}
