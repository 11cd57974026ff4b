"""Do intervals that are looked at after each process cover the truth? Simulated latencies tell."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from measured_models import read_preset

from rightfit.measuring.intervals import estimate_median
from rightfit.measuring.rounds.settling import per_process

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "support"))
from factories.simulated_latencies import draw_bimodal, draw_log_normal, simulate

# Narrow widths make the rule look up to 30 times before it stops.
WIDTHS = {
    "min_processes": 6,
    "max_processes": 30,
    "max_s": 86_400,
    "p50_width_pct": 2,
    "p95_width_pct": 4,
}


def coverage_of_intervals(*, n_runs: int) -> float:
    """Print the coverage for each kind of latency; return the lowest."""
    settings = read_preset("quick").model_copy(update=WIDTHS)
    lowest = 1.0
    for name, draw in (("log-normal", draw_log_normal), ("bimodal", draw_bimodal)):
        generator = np.random.default_rng(1)
        population = np.concatenate([draw(generator, 2_000, 0) for _ in range(2 * n_runs)])
        runs = [simulate(draw, generator, settings) for _ in range(n_runs)]
        for share in (0.5, 0.95):
            truth = np.quantile(population, share)
            found = [estimate_median(per_process(rounds, share)) for rounds in runs]
            covers = np.mean([i.low <= truth <= i.high for i in found if i.low and i.high])
            print(f"simulated {name}, p{100 * share:.0f}: interval covers in {covers:.1%}")
            lowest = min(lowest, float(covers))
    return lowest
