"""Does the instrument repeat itself and find a known load?

``make bench-measuring`` runs it. Parts, both of them unless ``--parts`` names one:

- ``instrument``: fresh processes of real models, and a model whose time, CPU and memory are known;
- ``intervals``: intervals of simulated latencies, checked after each process, against the truth.

Ends with one line of JSON. A figure of a part that was left out, or that the machine was too noisy
for, is null, with the reason under ``skipped``. It wants a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from instrument_checks import check_known_load, check_memory, check_repeatability
from measured_models import list_served, make_bench, make_models
from simulated_latencies import coverage_of_intervals

from rightfit.measuring.rounds.worker_pool import WorkerPool

Figures = dict[str, float | None]

# Of each part, the figures that others read; null when it is left out.
PARTS = {
    "instrument": ("cv_p50_pct", "memory_off_pct", "known_load_error_pct"),
    "intervals": ("coverage_min",),
}


def main() -> None:
    """Run the chosen parts and print the JSON line."""
    options = read_options()
    figures: Figures = {}
    skipped: dict[str, str] = {}
    parts: dict[str, Callable[[argparse.Namespace], Figures]] = {
        "instrument": measure_instrument,
        "intervals": simulate_intervals,
    }
    for name, measure in parts.items():
        figures |= dict.fromkeys(PARTS[name])
        if name not in options.parts:
            skipped[name] = "not among --parts"
            continue
        try:
            figures |= measure(options)
        except RuntimeError as err:  # too noisy; the other part still counts
            skipped[name] = str(err)
            print(f"{name}: {err}")
    rounded = {key: None if value is None else round(value, 4) for key, value in figures.items()}
    print(json.dumps(rounded | ({"skipped": skipped} if skipped else {})))


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--n-simulated", type=int, default=1_000, help="simulated measurements")
    parser.add_argument(
        "--smallest",
        action="store_true",
        help="only see that everything starts; figures mean nothing and are not kept",
    )
    options = parser.parse_args()
    if options.smallest:
        options.n_simulated = 10
    return options


def measure_instrument(options: argparse.Namespace) -> Figures:
    """Check the instrument on loads that are known."""
    pool = WorkerPool(max_open=6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = make_bench(pool, Path(folder))
            models = make_models(Path(folder))
            processes = {"n_processes": 2} if options.smallest else {}
            rounds = {"n_rounds": 1} if options.smallest else {}
            served = list(list_served(models).values())
            return {
                **check_repeatability(bench, **processes),
                **check_memory(bench, served[: 2 if options.smallest else None]),
                **check_known_load(bench, **rounds),
            }
    finally:
        pool.close()


def simulate_intervals(options: argparse.Namespace) -> Figures:
    """Simulate intervals of independent processes."""
    return {"coverage_min": coverage_of_intervals(n_runs=options.n_simulated)}


if __name__ == "__main__":
    main()
