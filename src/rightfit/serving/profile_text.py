"""A resource profile in words: each metric with its interval, and why others are missing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from rightfit.formatting import format_number
from rightfit.naming import listing, metric_name, metric_unit, sentence_case
from rightfit.profiling.metrics import METRICS
from rightfit.serving.answer import StoredProfile

TIER_COLUMN = "min_hardware_tier"
LABEL_WIDTH, VALUE_WIDTH = 24, 30


def describe_profile(profile: StoredProfile) -> list[str]:
    """Write a profile as lines of metric, value and 95 % interval."""
    lines = [f"{'':{LABEL_WIDTH}}{'value':{VALUE_WIDTH}} 95 % interval"]
    for metric in METRICS:
        value = profile.read_metric(metric.column)
        if value is None:
            continue
        unit = metric_unit(metric.column)
        shown = f"{format_number(value)} {unit}".rstrip()
        if metric.column == TIER_COLUMN:
            shown = str(profile.columns["min_hardware_tier_name"])
        low, high = (profile.read_metric(f"{metric.column}_{end}") for end in ("low", "high"))
        ends = format_number(low), format_number(high)
        interval = " to ".join(ends) if ends[0] != ends[1] else ""  # not known, or without width
        lines.append(f"{metric.label:{LABEL_WIDTH}}{shown:{VALUE_WIDTH}} {interval}".rstrip())
    return [*lines, *_explain_missing(profile)]


def _explain_missing(profile: StoredProfile) -> Iterator[str]:
    metrics = defaultdict(list)
    for column, reason in json.loads(str(profile.columns["null_reasons"])).items():
        metrics[reason].append(metric_name(column))
    for reason, names in metrics.items():
        yield f"not measured: {listing(names)} ({sentence_case(reason)})"
