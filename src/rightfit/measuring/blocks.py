"""What processes of the same block share, and the usual speed of a machine.

Profiles are timed in blocks: groups of processes whose slices alternate in random order, so that
all meet the same moments of the machine. A figure's logarithm is the profile's effect plus the
block's effect plus what the process has for itself. Two-way layouts of profiles and blocks are
solved by median polish (Tukey, Exploratory Data Analysis, 1977), which neither a disturbed process
nor a missing one disturbs, and each figure is told without its block's effect. What is left
between two profiles is what they differ by.

A reference, a small model that is the same in every run, is in every block. The median of its
figures over all runs is its usual speed on this machine; each profile is told relative to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rightfit.measuring.distributions import student_quantile

Logs = npt.NDArray[np.float64]
FigureByBlock = Mapping[str, float]  # of one profile, one per process

N_SWEEPS = 20
N_NEIGHBOURS = 6  # slices before and after one, of which others' tell the machine's speed then
ERROR_SHARE = 0.05
Z_95 = 1.96
PRIOR_DEGREES = 3  # of the assumed error, learnt from four recordings


@dataclass(frozen=True)
class Level:
    """How sure absolute times are beside their ratios, which decide.

    Args:
        half_width_pct: Of the 95 % interval of the machine's usual speed.
        n_runs: Runs in which the reference was timed.
        slowdown: Times of this measurement / usual times of the reference.
    """

    half_width_pct: float
    n_runs: int = 0
    slowdown: float = 1.0


@dataclass(frozen=True)
class TimedSlice:
    """Calls in a row of one process of a block, among the others' slices.

    Args:
        process: Its number within the block.
        batch_size: Rows a call; ``None``: single rows.
        call_ns: Their middle time.
    """

    process: int
    batch_size: int | None
    call_ns: float


def estimate_slowdowns(
    slices: Sequence[TimedSlice],
) -> dict[tuple[int, int | None], list[float]]:
    """Tell by how much the machine was slower than usual in each slice of a block.

    A host may change its speed from one hundredth of a second to the next. Slices that follow each
    other share it: by what the others' slices around one differ from their own processes' middle
    slice, the speed of that moment is told. A process' own slices do not tell it, as they hold what
    the model does by itself.

    Args:
        slices: All of a block, in the order in which they were timed.

    Returns:
        Times / usual times of the block, by process and batch size, in the order of their slices.

    >>> slow = [TimedSlice(n % 2, None, 8.0 if 10 <= n < 22 else 4.0) for n in range(40)]
    >>> [round(slowdown, 1) for slowdown in estimate_slowdowns(slow)[0, None][3:13]]
    [1.0, 1.0, 1.4, 2.0, 2.0, 2.0, 2.0, 2.0, 1.4, 1.0]
    """
    logs = np.log([one.call_ns for one in slices])
    owners = np.array([(one.process, one.batch_size or 0) for one in slices]).reshape(-1, 2)
    kinds = [np.flatnonzero((owners == kind).all(axis=1)) for kind in np.unique(owners, axis=0)]
    around = np.arange(len(logs))[:, None] + np.arange(-N_NEIGHBOURS, N_NEIGHBOURS + 1)
    is_known = (around >= 0) & (around < len(logs))
    around = np.clip(around, 0, max(0, len(logs) - 1))
    is_known &= owners[around, 0] != owners[:, :1]
    moments, own = np.zeros(len(logs)), np.zeros(len(logs))
    for _ in range(N_SWEEPS):
        for kind in kinds:
            own[kind] = logs[kind] - np.median((logs - moments)[kind])
        moments = np.nan_to_num(_median(np.where(is_known, own[around], np.nan), axis=1))
    if len(moments):
        moments -= np.median(moments)
    found: dict[tuple[int, int | None], list[float]] = {}
    for one, moment in zip(slices, moments, strict=True):
        found.setdefault((one.process, one.batch_size), []).append(math.exp(moment))
    return found


def name_block(run: str, number: int) -> str:
    """Name a block of a run."""
    return f"{run}.{number}"


def adjust_figures(
    profiles: Sequence[FigureByBlock], reference: FigureByBlock
) -> list[dict[str, float]]:
    """Tell figures as they would be at the machine's usual speed.

    Args:
        profiles: Positive figures of one metric, of profiles that were timed in common blocks.
        reference: Those of the reference, of all blocks of all runs; empty: unknown, so that the
            usual speed is that of these blocks.

    >>> adjusted = adjust_figures([{"a.0": 1.0, "a.1": 2.0}, {"a.0": 3.0, "a.1": 6.0}], {})
    >>> [{block: round(figure, 2) for block, figure in one.items()} for one in adjusted]
    [{'a.0': 1.41, 'a.1': 1.41}, {'a.0': 4.24, 'a.1': 4.24}]
    """
    blocks = sorted({block for figures in profiles for block in figures})
    if not blocks:
        return [{} for _ in profiles]
    logs = _tabulate([reference, *profiles], blocks)
    level, effects = polish(logs)
    shift = math.log(usual_figure(reference)) - level[0] if np.isfinite(level[0]) else 0.0
    n_members = np.isfinite(logs).sum(axis=0)
    # a block's effect takes its share of each member's own deviation
    spread = np.sqrt(n_members / np.maximum(1, n_members - 1))
    own = (logs - effects - level[:, None]) * spread
    adjusted = np.exp(level[:, None] + own + shift)[1:]
    return [
        {
            block: float(figure)
            for block, figure in zip(blocks, row, strict=True)
            if np.isfinite(figure)
        }
        for row in adjusted
    ]


def estimate_group_error(profiles: Sequence[FigureByBlock], reference: FigureByBlock) -> float:
    """Estimate what all figures of these profiles may be off by beside those of other groups.

    Profiles that were never timed in one block are joined by the reference alone. How far it
    misses the effects of these blocks tells how sure their mean is, by Student's t.

    Args:
        profiles: Positive figures of one metric, of profiles that were timed in common blocks.
        reference: Those of the reference, in all of these blocks.

    Returns:
        The 95 % error in percent; 0 for one block, which does not tell.

    >>> profiles = [{"a.0": 1.0, "a.1": 1.1}, {"a.0": 3.0, "a.1": 3.3}]
    >>> estimate_group_error(profiles, {"a.0": 2.0, "a.1": 2.2}) < 1e-6
    True
    >>> round(estimate_group_error(profiles, {"a.0": 2.0, "a.1": 2.0}))
    83
    """
    blocks = sorted({block for figures in profiles for block in figures if block in reference})
    if len(blocks) < 2:
        return 0.0
    _, effects = polish(_tabulate(profiles, blocks))
    missed = effects - _tabulate([reference], blocks)[0]
    error = float(missed.std(ddof=1)) / math.sqrt(len(blocks))
    return 100 * math.expm1(student_quantile(ERROR_SHARE, len(blocks) - 1) * error)


def polish(logs: Logs) -> tuple[Logs, Logs]:
    """Split a table into effects of its rows and of its columns, whose median is 0.

    Args:
        logs: Shape (n_rows, n_columns); NaN where there is no figure.

    Returns:
        Effects of rows, shape (n_rows,), NaN for an empty one, and of columns, shape (n_columns,).
    """
    effects = np.zeros(logs.shape[1])
    for _ in range(N_SWEEPS):
        level, before = _median(logs - effects, axis=1), effects
        effects = np.nan_to_num(_median(logs - level[:, None], axis=0))
        if np.array_equal(effects, before):
            break  # further sweeps would change nothing
    effects -= np.median(effects)
    return _median(logs - effects, axis=1), effects


def estimate_level(reference: FigureByBlock, blocks: Sequence[str], *, assumed_pct: float) -> Level:
    """Estimate how sure the machine's usual speed is.

    Args:
        reference: Figures of the reference, of all blocks of all runs.
        blocks: Those of this measurement.
        assumed_pct: By how much runs differ in 95 % of cases, learnt with three degrees of freedom.
    """
    runs = _medians_of_runs(reference)
    now = [reference[block] for block in set(blocks) if block in reference]
    slowdown = float(np.median(now)) / usual_figure(reference) if now else 1.0
    deviations = np.log(runs) - np.mean(np.log(runs)) if runs else np.zeros(0)
    n_degrees = PRIOR_DEGREES + max(0, len(runs) - 1)
    prior = PRIOR_DEGREES * (math.log1p(assumed_pct / 100) / Z_95) ** 2
    std = math.sqrt((prior + float(deviations @ deviations)) / n_degrees)
    error = student_quantile(ERROR_SHARE, n_degrees) * std / math.sqrt(max(1, len(runs)))
    return Level(100 * math.expm1(error), len(runs), slowdown)


def usual_figure(reference: FigureByBlock) -> float:
    """Return the median over runs."""
    return float(np.exp(np.median(np.log(_medians_of_runs(reference)))))


def _medians_of_runs(reference: FigureByBlock) -> list[float]:
    runs: dict[str, list[float]] = {}
    for block, figure in reference.items():
        runs.setdefault(block.rpartition(".")[0], []).append(figure)
    return [float(np.median(figures)) for figures in runs.values()]


def _tabulate(profiles: Sequence[FigureByBlock], blocks: Sequence[str]) -> Logs:
    cells = [[profile.get(block, math.nan) for block in blocks] for profile in profiles]
    return np.log(np.array(cells, dtype=np.float64))


def _median(logs: Logs, *, axis: int) -> Logs:
    """Return medians, NaN of nothing: numpy.nanmedian takes ten times as long."""
    ordered = np.sort(logs, axis=axis)  # NaN last
    n_known = np.isfinite(logs).sum(axis=axis, keepdims=True)
    low, high = (
        np.take_along_axis(ordered, np.maximum(0, positions), axis=axis)
        for positions in ((n_known - 1) // 2, n_known // 2)
    )
    return np.squeeze((low + high) / 2, axis=axis)
