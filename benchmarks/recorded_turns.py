"""Intervals of measurements taken out of recorded turns of real models, by each rule.

``record_turns.py`` makes the recording. Each profile's true value is the median of all its
processes, so a machine that drifts over the whole recording counts as drift.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from interval_tally import Tally

from rightfit.profiling.intervals import Interval, estimate_median, is_drifting
from rightfit.profiling.shared_error import (
    SharedError,
    TurnEffects,
    estimate_shared_error,
    find_turn_effects,
)

Series = npt.NDArray[np.float64]

RECORDED = Path(__file__).resolve().parent / "recorded" / "turns.parquet"
N_TURNS = 8  # of a measurement
N_CELLS = 6  # measurements before it, that the machine is known from


def add_constant(interval: Interval, by_pct: float) -> Interval:
    """Move both ends outwards by the whole constant, as was done before it was estimated."""
    share = by_pct / 100
    low, high = interval.low or 0.0, interval.high or 0.0
    return Interval(
        interval.value,
        low * (1 - share),
        high * (1 + share),
        is_distribution_free=interval.is_distribution_free,
    )


def replay(recorded: pl.DataFrame, column: str, constant_pct: float) -> dict[str, Tally]:
    """Take measurements out of recorded turns, one after the other.

    Args:
        recorded: One row per process, see ``RecordedProcess``.
        column: ``p50_ns`` or ``p95_ns``.
        constant_pct: Shared error to assume before any turn was seen.

    Returns:
        Intervals by rule: ``none``, ``constant``, ``estimated`` and ``alone``.
    """
    in_turns = recorded.filter(~pl.col("is_alone"))
    names = sorted(set(in_turns["profile"]))
    times, medians = (_tabulate(in_turns, names, one) for one in (column, "p50_ns"))
    truths = np.median(times, axis=1)
    starts = range(0, times.shape[1] - N_TURNS + 1, N_TURNS)
    cells = [find_turn_effects(medians[:, start : start + N_TURNS].tolist()) for start in starts]
    tallies = {rule: Tally() for rule in ("none", "constant", "estimated", "alone")}
    for i, start in enumerate(starts):
        shared = _estimate(cells[max(0, i + 1 - N_CELLS) : i + 1], constant_pct)
        for values, truth in zip(times[:, start : start + N_TURNS], truths, strict=True):
            bare, has_trend = estimate_median(values.tolist()), is_drifting(values.tolist())
            widened = bare.widened(shared.in_turns_pct)
            tallies["none"].add(bare, truth, is_marked=has_trend)
            tallies["constant"].add(add_constant(bare, constant_pct), truth, is_marked=has_trend)
            tallies["estimated"].add(widened, truth, is_marked=has_trend or shared.is_drifting)
    everything = _estimate(cells, constant_pct)
    for (name, _), stretch in recorded.filter(pl.col("is_alone")).group_by("profile", "turn"):
        values = stretch[column].to_numpy()
        widened = estimate_median(values.tolist()).widened(everything.alone_pct)
        is_marked = is_drifting(values.tolist()) or everything.is_drifting
        tallies["alone"].add(widened, float(truths[names.index(str(name))]), is_marked=is_marked)
    share = recorded["is_disturbed"].sum() / recorded.height
    print(
        f"recorded: {times.shape[1]} turns of {len(names)} profiles, {share:.0%} of the processes"
        f" disturbed; shared error"
        f" {everything.in_turns_pct:.2f} % in turns, {everything.alone_pct:.2f} % alone"
    )
    return tallies


def _estimate(cells: list[TurnEffects | None], constant_pct: float) -> SharedError:
    return estimate_shared_error([one for one in cells if one is not None], constant_pct)


def _tabulate(in_turns: pl.DataFrame, names: list[str], column: str) -> Series:
    """Return the figures by profile and turn."""
    by_name = in_turns.sort("turn").partition_by("profile", as_dict=True)
    return np.array([by_name[(name,)][column].to_numpy() for name in names], dtype=np.float64)
