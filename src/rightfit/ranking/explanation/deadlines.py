"""Deadlines: how long an application's workload takes with one candidate and with another."""

from __future__ import annotations

import numpy as np

from rightfit.naming import format_duration, format_number, format_quality
from rightfit.ranking.applications.applications import THROUGHPUT, Workload
from rightfit.ranking.applications.utility import Ints
from rightfit.ranking.contest.contest import Contest


def describe_deadline(contest: Contest, candidates: Ints) -> str:
    """Say how long the workload takes with the first candidate and with the one of best quality.

    Args:
        contest: The candidates as an application with a workload sees them.
        candidates: Numbers of those of a dataset, best for the application first.

    Returns:
        A sentence; empty if there is no workload, or no throughput of the first one or no quality
        is known.
    """
    workload = contest.application.workload
    rows = contest.chosen[candidates]
    if workload is None or "quality_raw" not in contest.table.frame.columns:
        return ""
    rows_per_s = contest.table.values(THROUGHPUT)[rows]
    if np.isnan(rows_per_s[0]):
        return ""
    quality = contest.table.values("quality_raw")[rows]
    names = contest.table.frame["candidate"].gather(rows).to_list()
    best = 0 if np.isnan(quality).all() else int(np.nanargmax(quality))
    said = (
        f"{format_number(workload.n_rows)} rows in {format_duration(workload.hours)} at most: "
        f"{names[0]} needs {_write_time(workload, rows_per_s[0])}"
    )
    if quality[best] <= quality[0] or np.isnan(rows_per_s[best]):
        return f"{said} and has the best quality."
    misses = workload.hours_at(rows_per_s[best]) > workload.hours
    return (
        f"{said}; {names[best]}, the best by quality ({format_quality(quality[best])} against "
        f"{format_quality(quality[0])}), {_write_time(workload, rows_per_s[best])}"
        f"{' and misses the deadline' if misses else ''}."
    )


def _write_time(workload: Workload, rows_per_s: float) -> str:
    return format_duration(workload.hours_at(float(rows_per_s)))
