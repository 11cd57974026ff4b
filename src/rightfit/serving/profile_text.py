"""A resource profile in words: each metric with its interval, and why others are missing."""

from __future__ import annotations

from rightfit.formatting import format_number
from rightfit.naming import listing, metric_name, sentence_case
from rightfit.profiling.profile import Profile

TIER_COLUMN = "min_hardware_tier"
LABEL_WIDTH, VALUE_WIDTH = 24, 30


def describe_profile(profile: Profile) -> list[str]:
    """Write a profile as lines of metric, value and 95 % interval."""
    lines = [f"{'':{LABEL_WIDTH}}{'value':{VALUE_WIDTH}} 95 % interval"]
    for figure in profile.measured():
        metric = figure.metric
        shown = f"{format_number(figure.value)} {metric.unit}".rstrip()
        if metric.column == TIER_COLUMN:
            shown = str(profile.hardware_tier)
        ends = format_number(figure.low), format_number(figure.high)
        interval = " to ".join(ends) if ends[0] != ends[1] else ""  # not known, or without width
        lines.append(f"{metric.label:{LABEL_WIDTH}}{shown:{VALUE_WIDTH}} {interval}".rstrip())
    for reason, metrics in profile.missing().items():
        names = listing([metric_name(metric.column) for metric in metrics])
        lines.append(f"not measured: {names} ({sentence_case(reason)})")
    return lines
