"""Simulated latencies of measuring processes, and measurements of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from factories.measurements import make_round
from rightfit.measuring.rounds.presets import MeasuringSettings
from rightfit.measuring.rounds.settling import find_stop_reason, per_process
from rightfit.measuring.rounds.state import FinishedRound, MeasurementState
from rightfit.measuring.worker.latency import percentile_ns

Draw = Callable[[np.random.Generator, int, int], npt.NDArray[np.float64]]

N_CALLS = 140


def draw_log_normal(generator: np.random.Generator, n_calls: int, _: int) -> npt.NDArray[Any]:
    """Draw skewed calls of a process that differs from others by 3 %."""
    return 1e6 * generator.lognormal(0, 0.3, n_calls) * generator.lognormal(0, 0.03)


def draw_bimodal(generator: np.random.Generator, n_calls: int, _: int) -> npt.NDArray[Any]:
    """Draw calls of which one in five takes three times as long."""
    is_long = generator.random(n_calls) < 0.2
    return 1e6 * np.where(is_long, 3.0, 1.0) * generator.lognormal(0, 0.1, n_calls)


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
        figures = {share: per_process(state.rounds, share) for share in (0.5, 0.95)}
        state = replace(state, settled=find_stop_reason(state, settings, figures))
    return state.rounds
