"""Measuring as the product does it, process after process in turns, with recorded noise.

The noise is how far recorded processes (``measuring/record_processes.py`` at commit ``87a3d99b``)
lie from their model's median. What processes of the same turn share, and what following turns
share, is in it, and the former is left out as in the product's blocks; the intervals are those of
the product: Student's of two to five processes, with the spread of a cell's undisturbed candidates,
order statistics of more; and screening ends the measurement of what no application could choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from simulated_studies import COSTS, Floats, make_profiles

from rightfit.measuring.blocks import adjust_figures
from rightfit.measuring.median_estimates import estimate_median, pool_spread
from rightfit.measuring.metrics import COMMON_MODE_MEMORY_ERROR_PCT
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.params.applications import ApplicationsParams
from rightfit.params.defaults import read_default
from rightfit.ranking.screening import could_be_chosen

RECORDED = Path(__file__).parents[1] / "recorded" / "processes.parquet"
TIMES = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "throughput_rows_per_s")
PERCENTILES = TIMES[1:3]
MEMORIES = ("peak_memory_mib", "peak_memory_one_row_mib")
EXACT = "model_size_mib"
EQUAL_WITHIN = read_default("ranking")["equal_within"]


@dataclass(frozen=True)
class Noise:
    """Recorded noise.

    Args:
        factors: By metric, what a process found divided by its model's median, shape (n_models,
            n_turns).
        disturbed: Whether it was disturbed, of the same shape.
        n_models: Models.
        n_turns: Turns.
    """

    factors: dict[str, Floats]
    disturbed: npt.NDArray[np.bool_]
    n_models: int
    n_turns: int


def load_noise() -> dict[str, Noise]:
    """Read recorded noise, by recording, of processes in turns."""
    in_turns = pl.read_parquet(RECORDED).filter(~pl.col("is_alone"))
    parts = in_turns.partition_by("recording", as_dict=True)
    return {str(name): _find_noise(table) for (name,), table in parts.items()}


def _find_noise(table: pl.DataFrame) -> Noise:
    """Return one recording's noise; of models with too few calls for a percentile the median's."""
    factors: dict[str, Floats] = {}
    for metric in (*TIMES, *(name for name in COSTS if name not in (*TIMES, EXACT))):
        wide = table.pivot(on="model", index="turn", values=metric).drop("turn")
        values = wide.cast(pl.Float64).to_numpy().T
        known = ~np.isnan(values).any(axis=1)
        factors[metric] = factors["latency_p50_ms"].copy() if factors else values
        factors[metric][known] = values[known] / np.median(values[known], axis=1, keepdims=True)
    disturbed = (
        table.pivot(on="model", index="turn", values="is_disturbed").drop("turn").to_numpy().T
    )
    return Noise(factors, disturbed, *disturbed.shape)


def read_quick() -> MeasuringSettings:
    """Return the preset ``quick``."""
    return MeasuringSettings(**read_default("evaluation")["presets"]["quick"])


@dataclass(frozen=True)
class Measured:
    """Costs as measured, with their intervals, and by how many processes.

    Args:
        metrics: Columns of resource profiles.
        n_processes: Shape (n_candidates,).
    """

    metrics: dict[str, Any]
    n_processes: npt.NDArray[np.int64]


def measure_cell(
    truth: dict[str, Floats],
    qualities: dict[str, Any],
    noise: Noise,
    rng: np.random.Generator,
    *,
    applications: ApplicationsParams,
    settings: MeasuringSettings,
) -> Measured:
    """Measure the candidates of a cell in turns, in the noise of a stretch of recorded turns."""
    n = len(truth["quality"])
    models = rng.permutation(noise.n_models)[:n]
    start = int(rng.integers(noise.n_turns - settings.max_processes + 1))
    used = np.zeros(n, dtype=np.int64)
    is_over = np.zeros(n, dtype=np.bool_)

    def describe() -> dict[str, Any]:
        columns: dict[str, Any] = {EXACT: truth[EXACT]}
        turns = [slice(start, start + count) for count in used]
        is_clean = [not noise.disturbed[models[i], turns[i]].any() for i in range(n)]
        for metric, factors in noise.factors.items():
            values = [truth[metric][i] * factors[models[i], turns[i]] for i in range(n)]
            if metric in TIMES:
                values = _leave_out_turns(values)
            spread = pool_spread([values[i].tolist() for i in range(n) if is_clean[i]])
            found = [
                estimate_median(values[i].tolist(), spread=spread if is_clean[i] else None).widened(
                    COMMON_MODE_MEMORY_ERROR_PCT if metric in MEMORIES else 0.0
                )
                for i in range(n)
            ]
            columns[metric] = np.array([one.value for one in found])
            columns[f"{metric}_low"] = np.array([one.low for one in found], dtype=np.float64)
            columns[f"{metric}_high"] = np.array([one.high for one in found], dtype=np.float64)
        return columns

    while not is_over.all():
        used[~is_over] += 1
        if used.max() < settings.screening_processes:
            continue
        columns = describe()
        profiles = make_profiles(qualities | columns).with_columns(
            pl.lit("request").alias("request_path")
        )
        could_be = could_be_chosen(profiles, applications, "request", equal_within=EQUAL_WITHIN)
        is_out = ~np.array(could_be)
        p50 = "latency_p50_ms"
        width_pct = 50 * (columns[f"{p50}_high"] - columns[f"{p50}_low"]) / columns[p50]
        is_over |= is_out | (used >= settings.max_processes)
        is_over |= (used >= settings.min_processes) & (width_pct <= settings.p50_width_pct)
    return Measured(describe(), used)


def _leave_out_turns(values: list[Floats]) -> list[Floats]:
    """Tell figures without what the candidates of a turn have in common, as the product does."""
    profiles = [{f"run.{turn}": float(one) for turn, one in enumerate(each)} for each in values]
    return [np.array(list(figures.values())) for figures in adjust_figures(profiles, {})]
