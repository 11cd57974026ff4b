"""Intervals of measurements taken out of recorded processes of real models, by each rule.

``record_processes.py`` makes the recordings. As in the product, disturbed processes count only
where too few others are left. Each model's true value is the median of all its processes in turns
that count, so a machine that drifts over the whole recording counts as drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from interval_tally import Tally

from rightfit.profiling.common_mode_error import (
    BlockEffects,
    CommonModeError,
    estimate_common_mode_error,
    find_block_effects,
)
from rightfit.profiling.estimate import Interval
from rightfit.profiling.intervals import estimate_median, is_drifting, pool_spread
from rightfit.profiling.measuring.settling import MIN_CLEAN_ROUNDS

Series = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RECORDED = Path(__file__).resolve().parents[1] / "recorded" / "processes.parquet"
N_TURNS = 8  # of a measurement
N_CELLS = 6  # measurements before it, that the machine is known from
P50 = "latency_p50_ms"
N_SCREENED = 2  # turns of a profile that is screened out
RULES = ("none", "constant", "estimated", "alone, unknown", "alone", "two", "two, by themselves")


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


@dataclass(frozen=True)
class Turns:
    """Figures by model and turn, shape (n_models, n_turns) each.

    Args:
        models: Names of the models.
        values: Of one metric.
        medians: The p50 of the same processes.
        disturbed: Whether they were disturbed.
    """

    models: list[str]
    values: Series
    medians: Series
    disturbed: Flags

    @classmethod
    def tabulate(cls, rows: pl.DataFrame, column: str) -> Turns:
        """Take the models with this metric in each of their processes."""
        in_turns = rows.filter(~pl.col("is_alone")).sort("turn")
        parts = {
            str(name): part
            for (name,), part in in_turns.partition_by("model", as_dict=True).items()
            if part[column].null_count() == 0
        }
        tables = (
            np.array([part[one].to_numpy() for part in parts.values()])
            for one in (column, P50, "is_disturbed")
        )
        return cls(list(parts), *tables)

    @property
    def truths(self) -> Series:
        """Long-run value of each model."""
        pairs = zip(self.values, self.disturbed, strict=True)
        return np.array([np.median(choose_clean(values, marks)) for values, marks in pairs])

    def cells(self, n_turns: int = N_TURNS) -> Iterator[slice]:
        """Yield the turns of one measurement after the other."""
        for start in range(0, self.values.shape[1] - n_turns + 1, n_turns):
            yield slice(start, start + n_turns)

    def effects(self, cell: slice) -> BlockEffects | None:
        """Return what the models had in common in each turn of a measurement."""
        times = np.where(self.disturbed[:, cell], np.nan, self.medians[:, cell])
        return find_block_effects(times.tolist())


def choose_clean(values: Series, disturbed: Flags) -> Series:
    """Return the figures of undisturbed processes, or all where they are too few."""
    clean = values[~disturbed]
    return clean if len(clean) >= MIN_CLEAN_ROUNDS else values


def replay(rows: pl.DataFrame, column: str, constant_pct: float) -> dict[str, Tally]:
    """Take measurements out of a recording, one after the other.

    Args:
        rows: Of one recording, one per process, see ``RecordedProcess``.
        column: Metric.
        constant_pct: Common-mode error to assume before any turn was seen.

    Returns:
        Intervals by rule: in turns ``none``, ``constant`` and ``estimated``; in a single stretch
        ``alone, unknown``, of a machine of which nothing is known, and ``alone``; of undisturbed
        models after their first two turns ``two``, with the spread that all of them have, and
        ``two, by themselves``.
    """
    turns = Turns.tabulate(rows, column)
    truths = dict(zip(turns.models, turns.truths, strict=True))
    tallies = {rule: Tally() for rule in RULES}
    effects: list[BlockEffects | None] = []
    for cell in turns.cells():
        effects.append(turns.effects(cell))
        shared = _estimate(effects[-N_CELLS:], constant_pct)
        for values, marks, truth in zip(
            turns.values[:, cell], turns.disturbed[:, cell], truths.values(), strict=True
        ):
            used = choose_clean(values, marks).tolist()
            bare, has_trend = estimate_median(used), is_drifting(used)
            widened = bare.widened(shared.in_turns_pct)
            tallies["none"].add(bare, truth, is_marked=has_trend)
            tallies["constant"].add(add_constant(bare, constant_pct), truth, is_marked=has_trend)
            tallies["estimated"].add(widened, truth, is_marked=has_trend or shared.is_drifting)
    known = _estimate(effects, constant_pct)
    unknown = CommonModeError.assume(constant_pct)
    is_median = column == P50
    alone = rows.filter("is_alone", pl.col("model").is_in(turns.models))
    for (name, _), stretch in alone.group_by("model", "turn"):
        used = choose_clean(stretch[column].to_numpy(), stretch["is_disturbed"].to_numpy()).tolist()
        bare, has_trend, truth = estimate_median(used), is_drifting(used), truths[str(name)]
        for rule, shared in (("alone, unknown", unknown), ("alone", known)):
            widened = bare.widened(shared.alone.half_width_pct(is_median=is_median))
            tallies[rule].add(widened, truth, is_marked=has_trend or shared.is_drifting)
    _screen(turns, list(truths.values()), known.alone.half_width_pct(is_median=is_median), tallies)
    others_pct = known.alone.half_width_pct()
    print(
        f"{len(turns.models)} models, {turns.values.shape[1]} turns, {turns.disturbed.mean():.0%}"
        f" of the processes disturbed; common-mode error {known.in_turns_pct:.2f} % in turns,"
        f" {known.alone_pct:.2f} % alone ({others_pct:.2f} % of others than the p50)"
    )
    return {rule: tally for rule, tally in tallies.items() if tally.judged}


def _screen(
    turns: Turns, truths: list[float], shared_pct: float, tallies: dict[str, Tally]
) -> None:
    """Tally the intervals of models after two turns, as screening looks at them."""
    for cell in turns.cells(N_SCREENED):
        clean = ~turns.disturbed[:, cell].any(axis=1)
        tables = turns.values[:, cell][clean].tolist()
        spread = pool_spread(tables)
        for values, truth in zip(tables, np.array(truths)[clean], strict=True):
            for rule, beside in (("two", spread), ("two, by themselves", None)):
                widened = estimate_median(values, spread=beside).widened(shared_pct)
                tallies[rule].add(widened, float(truth), is_marked=False)


def _estimate(cells: list[BlockEffects | None], constant_pct: float) -> CommonModeError:
    return estimate_common_mode_error([one for one in cells if one is not None], constant_pct)
