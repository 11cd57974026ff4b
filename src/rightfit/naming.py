"""Metrics, numbers, limits and serving configurations as people read them, with their units."""

from __future__ import annotations

import itertools
import math

import polars as pl

from rightfit.profiling.metrics import METRICS_BY_COLUMN

NOT_MEASURED = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
N_DIGITS = 3  # significant digits of a measured number: none is known to more
LARGE_QUALITY, SMALL_QUALITY = 10.0, 0.0005
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

TIME_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))  # in seconds

OWN_TITLES = {
    "n_threads": "Number of threads",
    "encoding_ms": "Encoding (ms)",
}  # of columns that are no metrics


def metric_unit(column: str) -> str:
    """Return a metric's unit; empty for a pure number.

    >>> metric_unit("throughput_rows_per_s"), metric_unit("quality")
    ('rows/s', '')
    """
    metric = METRICS_BY_COLUMN.get(column)
    return metric.unit if metric else ""


def metric_title(column: str) -> str:
    """Return a metric's title with its unit, for an axis or a column head.

    >>> metric_title("latency_p50_ms")
    'Latency p50 (ms)'
    """
    if column in OWN_TITLES:
        return OWN_TITLES[column]
    metric = METRICS_BY_COLUMN.get(column)
    return metric.title if metric else column.replace("_", " ")


def metric_name(column: str) -> str:
    """Return a metric's name without its unit, for the middle of a sentence.

    >>> metric_name("latency_p50_ms"), metric_name("cpu_cores")
    ('latency p50', 'CPU')
    """
    metric = METRICS_BY_COLUMN.get(column)
    name = metric.label if metric else metric_title(column)
    return name if name[:2].isupper() else name[0].lower() + name[1:]


def format_number(value: float | None) -> str:
    """Write a number with up to three significant digits; from 10,000 on with k, M, G or T.

    >>> [format_number(x) for x in (0.04821, 12.64, 58.0, 1234.5, 240_000, 11_612_345.0, 0, None)]
    ['0.0482', '12.6', '58', '1,230', '240 k', '11.6 M', '0', '–']
    """
    if value is None or math.isnan(value):
        return NOT_MEASURED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    rounded = float(f"{value:.{N_DIGITS - 1}e}")
    for size, letter in PREFIXES:
        if abs(rounded) >= size * (10 if letter == "k" else 1):
            return f"{_strip_zeros(f'{rounded / size:.2f}')} {letter}"
    return _strip_zeros(f"{rounded:,.2f}" if abs(rounded) >= 1 else f"{rounded:.12f}")


def write_numbers(column: str) -> pl.Expr:
    """Return an expression that writes the numbers of a column as :func:`format_number` does.

    >>> numbers = pl.DataFrame({"x": [0.04821, 25.0, -1234.5, 11_612_345.0, None]})
    >>> numbers.select(write_numbers("x"))["x"].to_list()
    ['0.0482', '25', '-1,230', '11.6 M', None]
    """
    rounded = pl.col(column).round_sig_figs(N_DIGITS)
    whole = rounded.round(0)  # rounding to digits leaves 16499999.999999998
    shown = _write_digits(rounded.round(12))
    thousands = pl.format(
        "{},{}",
        (whole / 1e3).cast(pl.Int64),
        (whole.abs() % 1e3).cast(pl.Int64).cast(pl.String).str.zfill(3),
    )
    shown = pl.when(whole.abs() >= 1e3).then(thousands).otherwise(shown)
    for size, letter in reversed(PREFIXES):
        least = size * (10 if letter == "k" else 1)
        short = pl.format("{} {}", _write_digits((whole / size).round(2)), pl.lit(letter))
        shown = pl.when(whole.abs() >= least).then(short).otherwise(shown)
    return shown.alias(column)


def format_duration(hours: float) -> str:
    """Write a time in the two largest units that matter.

    >>> [format_duration(hours) for hours in (5.2, 0.12, 0.002, 1e-5, 60, 3_000)]
    ['5 h 12 min', '7 min 12 s', '7.2 s', '0.036 s', '2 d 12 h', '125 d']
    """
    seconds = hours * 3_600
    for (large, size), (small, part) in itertools.pairwise(TIME_UNITS):
        if seconds >= size:
            n_large, n_small = divmod(round(seconds / part), size // part)
            return f"{n_large} {large} {n_small} {small}" if n_small else f"{n_large} {large}"
    return f"{format_number(seconds)} s"


def format_share(share: float) -> str:
    """Write a share as whole percent.

    >>> format_share(0.333)
    '33 %'
    """
    return f"{100 * share:.0f} %"


def format_quality(value: float | None) -> str:
    """Write a quality or utility with three decimals, so that columns line up.

    A loss in the unit of its target may be of any size; large ones have four digits.

    >>> [format_quality(value) for value in (0.9, -18.2345, -123_456.7, 0.00012)]
    ['0.900', '-18.23', '-123,457', '0.00012']
    """
    if value is None or math.isnan(value):
        return NOT_MEASURED
    size = abs(value)
    if size >= LARGE_QUALITY:
        return f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}"
    return f"{value:.2g}" if 0 < size < SMALL_QUALITY else f"{value:.3f}"


def round_quality(column: str) -> pl.Expr:
    """Return an expression that rounds the numbers of a column as :func:`format_quality` does."""
    value = pl.col(column)
    return (
        pl.when(value.abs() >= LARGE_QUALITY)
        .then(value.round_sig_figs(4))
        .when(value.abs() < SMALL_QUALITY)
        .then(value.round_sig_figs(2))
        .otherwise(value.round(3))
    )


def format_metric(column: str, value: float | None) -> str:
    """Write a metric's value with its unit.

    >>> format_metric("peak_memory_mib", 58.25), format_metric("quality_raw", 0.9)
    ('58.2 MiB', '0.900')
    """
    if column.startswith("quality"):
        return format_quality(value)
    number = format_number(value)
    return number if number == NOT_MEASURED else f"{number} {metric_unit(column)}".strip()


def describe_limit(metric: str, kind: str, value: float) -> str:
    """Write a limit in words.

    >>> describe_limit("latency_p99_ms", "max", 5.0)
    'latency p99 at most 5 ms'
    >>> describe_limit("quality", "max_degradation", 0.05)
    'quality at most 0.05 below the best'
    """
    amount = f"{format_number(value)} {metric_unit(metric)}".strip()
    if kind == "max_degradation":
        return f"{metric_name(metric)} at most {amount} below the best"
    return f"{metric_name(metric)} at {'least' if kind == 'min' else 'most'} {amount}"


def words(name: str) -> str:
    """Write an identifier as words.

    >>> words("web_api")
    'web api'
    """
    return name.replace("_", " ")


def sentence_case(text: str) -> str:
    """Write the first letter large and leave the others.

    >>> sentence_case("ROC AUC"), sentence_case("web api")
    ('ROC AUC', 'Web api')
    """
    return text[:1].upper() + text[1:]


def serving_label(runtime: str, n_threads: int, device: str = "cpu") -> str:
    """Write a serving configuration: runtime, threads and, where it is not the CPU, device.

    >>> serving_label("onnx", 2)
    'onnx, 2 threads'
    """
    label = f"{runtime}, {count(n_threads, 'thread')}"
    return label if device == "cpu" else f"{label}, {device}"


def serving_labels(profiles: pl.DataFrame) -> list[str]:
    """Write the serving configuration of each profile."""
    rows = profiles.select("runtime", "n_threads", "device").iter_rows()
    return [serving_label(runtime, n_threads, device) for runtime, n_threads, device in rows]


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a count with its noun in the right number.

    Args:
        number: How many.
        noun: In the singular.
        plural: ``None`` when it takes an s.

    >>> count(1, "dataset"), count(1200, "trial"), count(2, "process", "processes")
    ('1 dataset', '1,200 trials', '2 processes')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listing(items: list[str]) -> str:
    """Join items as in a sentence.

    >>> listing(["a", "b", "c"]), listing(["a"])
    ('a, b and c', 'a')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _write_digits(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.strip_suffix(".0")


def _strip_zeros(decimals: str) -> str:
    return decimals.rstrip("0").rstrip(".")
