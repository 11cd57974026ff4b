"""Do intervals that are looked at after each process cover the truth? Simulated latencies tell."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from rightfit.profiling.intervals import is_drifting, median_interval
from rightfit.profiling.measuring.settings import MeasuringSettings
from rightfit.profiling.measuring.state import FinishedRound, MeasurementState
from rightfit.profiling.measuring.stopping import per_process, why_settled
from rightfit.profiling.worker.latency import percentile_ns

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from measured import make_round

Draw = Callable[[np.random.Generator, int, int], npt.NDArray[np.float64]]

N_CALLS = 140
PRESETS = Path(__file__).parents[1] / "conf" / "base" / "parameters_evaluation.yml"
# Narrow widths make the rule look up to 30 times before it stops.
WIDTHS = {
    "min_processes": 6,
    "max_processes": 30,
    "max_s": 1e9,
    "p50_width_pct": 2,
    "p95_width_pct": 4,
}


def draw_log_normal(generator: np.random.Generator, n_calls: int, _: int) -> npt.NDArray[Any]:
    """Draw skewed calls of a process that differs from others by 3 %."""
    return 1e6 * generator.lognormal(0, 0.3, n_calls) * generator.lognormal(0, 0.03)


def draw_bimodal(generator: np.random.Generator, n_calls: int, _: int) -> npt.NDArray[Any]:
    """Draw calls of which one in five takes three times as long."""
    is_long = generator.random(n_calls) < 0.2
    return 1e6 * np.where(is_long, 3.0, 1.0) * generator.lognormal(0, 0.1, n_calls)


def draw_drifting(generator: np.random.Generator, n_calls: int, turn: int) -> npt.NDArray[Any]:
    """Draw calls of a machine that gets 5 % slower from process to process."""
    return draw_log_normal(generator, n_calls, turn) * (1 + 0.05 * turn)


def simulate(
    draw: Draw, generator: np.random.Generator, settings: MeasuringSettings
) -> tuple[FinishedRound, ...]:
    """Measure simulated processes until the stopping rule is content; return the rounds."""
    state = MeasurementState()
    plain = make_round(total_ms=1.0)
    while state.settled is None:
        samples = draw(generator, N_CALLS, len(state.rounds)).astype(np.int64)
        percentiles = {share: percentile_ns(samples, share) for share in (0.5, 0.95)}
        state = replace(state, rounds=(*state.rounds, replace(plain, percentiles_ns=percentiles)))
        state = replace(state, settled=why_settled(state, settings))
    return state.rounds


def coverage_of_intervals(*, n_runs: int) -> float:
    """Print the coverage for each kind of latency; return the lowest."""
    presets = yaml.safe_load(PRESETS.read_text())["evaluation"]["presets"]
    settings = MeasuringSettings(**presets["quick"] | WIDTHS)
    lowest = 1.0
    for name, draw in (("log-normal", draw_log_normal), ("bimodal", draw_bimodal)):
        generator = np.random.default_rng(1)
        population = np.concatenate([draw(generator, 2_000, 0) for _ in range(2 * n_runs)])
        runs = [simulate(draw, generator, settings) for _ in range(n_runs)]
        for share in (0.5, 0.95):
            truth = np.quantile(population, share)
            found = [median_interval(per_process(rounds, share)) for rounds in runs]
            covers = np.mean([i.low <= truth <= i.high for i in found if i.low and i.high])
            print(f"simulated {name}, p{100 * share:.0f}: interval covers in {covers:.1%}")
            lowest = min(lowest, float(covers))
    generator = np.random.default_rng(1)
    drifting = [simulate(draw_drifting, generator, settings) for _ in range(max(1, n_runs // 5))]
    marked = np.mean([is_drifting(per_process(rounds, 0.5)) for rounds in drifting])
    print(f"simulated drifting: marked unstable in {marked:.1%}")
    return lowest
