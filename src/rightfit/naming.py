"""How metrics, numbers and serving configurations are written for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rightfit.profiling.metrics import METRICS_BY_COLUMN

NOT_MEASURED = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"

OWN_TITLES = {"quality_raw": "Raw quality", "n_threads": "Number of threads"}

UNITS_BY_SUFFIX: tuple[tuple[str, str], ...] = (
    ("_rows_per_s", "rows/s"),
    ("_j_per_1k_rows", "J per 1,000 rows"),
    ("_usd_per_1m_rows", "US$ per million rows"),
    ("_per_s", "per s"),
    ("_mib", "MiB"),
    ("_ms", "ms"),
    ("_pct", "%"),
    ("_cores", "cores"),
    ("_s", "s"),
)


def metric_unit(column: str) -> str:
    """Return the unit a metric's column name ends in; empty for a pure number.

    >>> metric_unit("throughput_rows_per_s"), metric_unit("quality")
    ('rows/s', '')
    """
    return next((unit for suffix, unit in UNITS_BY_SUFFIX if column.endswith(suffix)), "")


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
    name = metric_title(column).split(" (")[0]
    return name if name[:2].isupper() else name[0].lower() + name[1:]


def format_number(value: float | None) -> str:
    """Write a number with up to three significant digits; thousands get separators.

    >>> [format_number(x) for x in (0.04821, 12.64, 58.0, 1234.5, 2_450_000.0, 0.0, None)]
    ['0.0482', '12.6', '58', '1,230', '2.45M', '0', '–']
    """
    if value is None or math.isnan(value):
        return NOT_MEASURED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if abs(value) >= 999_500:
        return f"{value / 1e6:.3g}M" if abs(value) < 999.5e6 else f"{value:.2e}"
    if abs(value) < 1e-4:
        return f"{value:.2e}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    text = f"{round(value, decimals):,.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_short(value: float | None) -> str:
    """Write a number in at most five characters or so, for a narrow column.

    >>> [format_short(x) for x in (0.00661, 12.64, 240_000.0, 5_920_000.0, None)]
    ['0.0066', '12.6', '240k', '5.9M', '–']
    """
    if value is None or math.isnan(value):
        return NOT_MEASURED
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.{0 if abs(value) >= 10 * size else 1}f}{letter}"
    return f"{value:.{2 if abs(value) < 0.01 else 3}g}"


def format_quality(value: float | None) -> str:
    """Write a quality or utility with three decimals, so that columns line up.

    >>> format_quality(0.9)
    '0.900'
    """
    return NOT_MEASURED if value is None or math.isnan(value) else f"{value:.3f}"


def format_metric(column: str, value: float | None) -> str:
    """Write a metric's value with its unit.

    >>> format_metric("peak_memory_mib", 58.25), format_metric("quality_raw", 0.9)
    ('58.2 MiB', '0.900')
    """
    if not metric_unit(column) and "tier" not in column:
        return format_quality(value)
    number = format_number(value)
    return number if number == NOT_MEASURED else f"{number} {metric_unit(column)}".strip()


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


def serving_label(profile: Mapping[str, Any]) -> str:
    """Write a serving configuration: runtime, threads and, where it is not the CPU, device.

    >>> serving_label({"runtime": "onnx", "n_threads": 2, "device": "cpu"})
    'onnx, 2 threads'
    """
    threads = profile["n_threads"]
    label = f"{profile['runtime']}, {threads} thread{'' if threads == 1 else 's'}"
    return label if profile.get("device", "cpu") == "cpu" else f"{label}, {profile['device']}"


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
