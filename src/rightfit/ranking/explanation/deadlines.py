"""Deadlines: how long an application's workload takes with one candidate and with another."""

from __future__ import annotations

import numpy as np
import polars as pl

from rightfit.formatting import format_duration
from rightfit.naming import listing
from rightfit.ranking.applications.applications import THROUGHPUT, Workload
from rightfit.ranking.applications.utility import Ints
from rightfit.ranking.contest.contest import Contest


def describe_deadline(contest: Contest, candidates: Ints) -> str:
    """Say how long the workload takes with the first candidate and with the one of best quality.

    Returns:
        A few words; empty if there is no workload, or no throughput of the first one or no quality
        is known.
    """
    workload = contest.application.workload
    rows = contest.chosen[candidates]
    if workload is None or "quality_raw" not in contest.table.frame.columns:
        return ""
    rows_per_s = contest.table.values(THROUGHPUT)[rows]
    if np.isnan(rows_per_s[0]):
        return ""
    quality = contest.table.seen_quality()[rows]
    best = 0 if np.isnan(quality).all() else int(np.nanargmax(quality))
    said = f"{format_duration(workload.hours)}; it takes {_write_time(workload, rows_per_s[0])}"
    if quality[best] <= quality[0] or np.isnan(rows_per_s[best]):
        return f"{said}; no candidate has a higher quality.{_warn(contest, rows[:1])}"
    name = contest.table.frame["candidate"][int(rows[best])]
    is_late = workload.hours_at(rows_per_s[best]) > workload.hours
    return (
        f"{said}, {name} (best quality) {_write_time(workload, rows_per_s[best])}"
        f"{': too late' if is_late else ''}.{_warn(contest, rows[[0, best]])}"
    )


def _warn(contest: Contest, rows: Ints) -> str:
    """Say whose throughput was measured while the machine was disturbed."""
    frame = contest.table.frame
    if "disturbed" not in frame.columns:
        return ""
    names = frame[rows].filter(pl.col("disturbed"))["candidate"].to_list()
    if not names:
        return ""
    return (
        f" The machine was disturbed while {listing(names)} {'was' if len(names) == 1 else 'were'} "
        "timed: it may take less on a quiet one."
    )


def _write_time(workload: Workload, rows_per_s: float) -> str:
    return format_duration(workload.hours_at(float(rows_per_s)))
