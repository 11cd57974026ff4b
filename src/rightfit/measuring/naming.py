"""Metrics, numbers, limits and serving configurations as people read them, with their units."""

from __future__ import annotations

import polars as pl

from rightfit._core.formatting import NOT_MEASURED, add_unit, format_number, format_quality
from rightfit.measuring.metrics import METRICS_BY_COLUMN
from rightfit.measuring.serving import Serving

TIMES = "\N{MULTIPLICATION SIGN}"


OWN_TITLES = {
    "n_threads": "Number of threads",
    "n_models": "Number of models",
    "feeding_ms": "Feeding (ms)",
}  # of columns that are no metrics


def name_candidate(model: str, number: int) -> str:
    """Return the name of a model's trial, or of what was built from trials.

    >>> name_candidate("forest", 7)
    'forest-007'
    """
    return f"{model}-{number:03d}"


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


def objective_name(column: str) -> str:
    """Return what an objective weighs: a weight of quality is one on any scale.

    >>> objective_name("quality"), metric_name("quality")
    ('quality', 'scaled quality')
    """
    return metric_name("quality_raw" if column == "quality" else column)


def format_metric(column: str, value: float | None) -> str:
    """Write a metric's value with its unit.

    >>> format_metric("peak_memory_mib", 58.25), format_metric("quality_raw", 0.9)
    ('58.2 MiB', '0.900')
    """
    if column.startswith("quality"):
        return format_quality(value)
    number = format_number(value)
    return number if number == NOT_MEASURED else add_unit(number, metric_unit(column))


def describe_limit(metric: str, kind: str, value: float) -> str:
    """Write a limit in words.

    >>> describe_limit("latency_p99_ms", "max", 5.0)
    'latency p99 at most 5 ms'
    >>> describe_limit("quality", "max_degradation", 0.05)
    'scaled quality at most 0.05 below the best'
    """
    amount = add_unit(format_number(value), metric_unit(metric))
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


def serving_labels(profiles: pl.DataFrame) -> list[str]:
    """Write the serving configuration of each profile."""
    return [Serving(*row).label for row in profiles.select("runtime", "n_threads", "device").rows()]


def listing(items: list[str]) -> str:
    """Join items as in a sentence.

    >>> listing(["a", "b", "c"]), listing(["a"])
    ('a, b and c', 'a')
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
