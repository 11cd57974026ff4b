"""Do intervals hold on a machine that drifts? Simulated drift tells, and recorded turns.

Virtual time: nothing is timed, so other processes change no figure. A simulated machine drifts as
a stationary autoregression from turn to turn. Cells of eight profiles are measured on it one after
the other, in turns, with the preset ``standard``; the machine's common-mode error is estimated from
its cells so far. Compared are intervals of one profile of the last cell, by their common-mode
error:

- ``none``;
- ``constant``: that of the presets, added to both ends, as was done before it was estimated;
- ``estimated``, from 1, 6 and 20 cells;
- ``alone``: of a model measured in a single stretch, of a machine of which nothing is known, and
  after 6 cells.

Printed are how often they hold the machine's long-run value, their half width, their interval score
and how many say that the machine drifts. ``recorded_turns.py`` gives the same for real models.
Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from interval_tally import Tally, print_tallies
from presets import read_preset
from recorded_turns import RECORDED, add_constant, replay

from rightfit.profiling.common_mode_error import (
    BlockEffects,
    CommonModeError,
    estimate_common_mode_error,
    find_block_effects,
)
from rightfit.profiling.estimate import Interval
from rightfit.profiling.intervals import estimate_median, is_drifting
from rightfit.profiling.measuring.presets import MeasuringSettings
from rightfit.profiling.measuring.settling import per_process, why_settled
from rightfit.profiling.measuring.state import MeasurementState

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "support"))
from factories.measurements import make_round
from factories.simulated_latencies import draw_drift

Series = npt.NDArray[np.float64]

N_PROFILES, N_TURNS = 8, 8
OWN_STD = 0.007  # of the p50 of quiet processes of one model, the least that was seen
PROCESS_MS = 300.0
HISTORIES = (1, 6, 20)  # cells
USUAL = "estimated, 6"
TRUTH = 1.0


@dataclass(frozen=True)
class Drift:
    """A machine's drift from turn to turn.

    Args:
        std: Its standard deviation, as a share of a time.
        autocorrelation: From one turn to the next.
    """

    std: float
    autocorrelation: float

    def __str__(self) -> str:
        return f"{self.std:.1%}, autocorrelation {self.autocorrelation}"


HELD = tuple(Drift(*one) for one in itertools.product((0.002, 0.01, 0.02), (0.0, 0.8, 0.9)))
BEYOND = (Drift(0.02, 0.95), Drift(0.03, 0.9), Drift(0.03, 0.95))


def measure_one(times: Series, settings: MeasuringSettings) -> list[float]:
    """Return the medians of the processes that the stopping rule takes, all equally long."""
    state, plain = MeasurementState(), make_round(total_ms=PROCESS_MS)
    for time_ns in times * 1e6:
        found = replace(plain, percentiles_ns={0.5: time_ns, 0.95: 1.2 * time_ns})
        state = replace(state, rounds=(*state.rounds, found))
        state = replace(state, settled=why_settled(state, settings))
        if state.settled is not None:
            break
    return [value / 1e6 for value in per_process(state.rounds, 0.5)]


@dataclass
class Machine:
    """A simulated machine."""

    drift: Drift
    generator: np.random.Generator
    settings: MeasuringSettings

    def measure_cells(self, n_cells: int) -> tuple[list[BlockEffects], Series]:
        """Measure cells back to back; return their turns, and all times of one of the last."""
        n_each = self.settings.max_processes
        shared = self._drift(n_cells * n_each, self.drift.autocorrelation)
        cells: list[BlockEffects] = []
        times = np.empty(0)
        for drift in shared.reshape(n_cells, n_each):
            own = OWN_STD * self.generator.standard_normal((N_PROFILES, n_each))
            table = np.exp(drift + own)
            found = find_block_effects(table[:, :N_TURNS].tolist())
            cells += [] if found is None else [found]
            times = table[0]
        return cells, times

    def measure_alone(self) -> Series:
        """Return times of one model's processes, each right after the one before."""
        nearer = self.drift.autocorrelation ** (1 / N_PROFILES)
        n = self.settings.max_processes
        own = OWN_STD * self.generator.standard_normal(n)
        return np.asarray(np.exp(self._drift(n, nearer) + own))

    def _drift(self, n: int, autocorrelation: float) -> Series:
        std = self.drift.std
        return draw_drift(self.generator, n, std=std, autocorrelation=autocorrelation)


def simulate_drift(drift: Drift, n_runs: int) -> dict[str, Tally]:
    """Measure on simulated machines; return the intervals of each rule by its name."""
    settings = read_preset("standard")
    constant = settings.common_mode_error_pct
    generator = np.random.default_rng(7)
    tallies: dict[str, Tally] = {}

    def add(rule: str, interval: Interval, *, is_marked: bool) -> None:
        tallies.setdefault(rule, Tally()).add(interval, TRUTH, is_marked=is_marked)

    for _ in range(n_runs):
        machine = Machine(drift, generator, settings)
        cells, times = machine.measure_cells(max(HISTORIES))
        medians = measure_one(times, settings)
        bare, has_trend = estimate_median(medians), is_drifting(medians)
        add("none", bare, is_marked=has_trend)
        add("constant", add_constant(bare, constant), is_marked=has_trend)
        for n in HISTORIES:
            shared = estimate_common_mode_error(cells[-n:], constant)
            is_marked = has_trend or shared.is_drifting
            add(f"estimated, {n}", bare.widened(shared.in_turns_pct), is_marked=is_marked)
        medians = measure_one(machine.measure_alone(), settings)
        bare, has_trend = estimate_median(medians), is_drifting(medians)
        assumed = CommonModeError.assume(constant)
        shared = estimate_common_mode_error(cells[-HISTORIES[1] :], constant)
        add("alone, unknown", bare.widened(assumed.alone_pct), is_marked=has_trend)
        is_marked = has_trend or shared.is_drifting
        add(f"alone, {HISTORIES[1]}", bare.widened(shared.alone_pct), is_marked=is_marked)
    return tallies


def check_drift(*, n_runs: int) -> dict[str, float]:
    """Print coverage, widths and scores of all rules; return the figures to hold.

    Returns:
        Of drifts up to 2 %, ``coverage_drift_min``, the lowest of any history, and
        ``coverage_drift_alone_min`` of what was measured alone. Of stronger ones,
        ``coverage_beyond_min`` and ``beyond_covered_or_marked_min``. Of all,
        ``interval_score_vs_fixed``, estimated against constant, the geometric mean over drifts;
        lower is better. Of the recorded p50 and p95, ``coverage_recorded`` in
        turns, ``coverage_recorded_alone`` and ``coverage_recorded_two``, of what was screened out
        after two turns.
    """
    header = ("covers", "half width %", "score %", "marked")
    print("{:<30}{:<20}{:>9}{:>13}{:>9}{:>9}".format("drift", "common-mode error", *header))
    found = {}
    for drift in (*HELD, *BEYOND):
        found[drift] = simulate_drift(drift, n_runs)
        print_tallies(str(drift), found[drift])
    held, beyond = ([found[drift] for drift in drifts] for drifts in (HELD, BEYOND))
    constant_pct = read_preset("standard").common_mode_error_pct
    replayed = replay_all(constant_pct)
    return {
        "coverage_drift_min": _lowest_coverage(held, "estimated"),
        "coverage_drift_constant_min": _lowest_coverage(held, "constant"),
        "coverage_drift_alone_min": _lowest_coverage(held, "alone"),
        "coverage_beyond_min": min(one[USUAL].coverage for one in beyond),
        "beyond_covered_or_marked_min": min(one[USUAL].covered_or_marked for one in beyond),
        "interval_score_vs_fixed": statistics.geometric_mean(
            one[USUAL].score_pct / one["constant"].score_pct for one in found.values()
        ),
        "coverage_recorded": _lowest_coverage(replayed, "estimated"),
        "coverage_recorded_alone": _lowest_coverage(replayed, "alone"),
        "coverage_recorded_two": min(one["two"].coverage for one in replayed if "two" in one),
    }


def replay_all(constant_pct: float) -> list[dict[str, Tally]]:
    """Replay each recording's p50 and p95, print and return the intervals by rule."""
    replayed = []
    for (name,), rows in pl.read_parquet(RECORDED).group_by("recording", maintain_order=True):
        for metric in ("p50", "p95"):
            replayed.append(replay(rows, f"latency_{metric}_ms", constant_pct))
            print_tallies(f"recorded, {name}, {metric}", replayed[-1])
    return replayed


def _lowest_coverage(found: Iterable[dict[str, Tally]], rules: str) -> float:
    """Return the lowest coverage of the rules whose names begin so."""
    return min(
        tally.coverage
        for tallies in found
        for rule, tally in tallies.items()
        if rule.startswith(rules)
    )


def main() -> None:
    """Run all simulations and print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-runs", type=int, default=400, help="measurements of each drift")
    options = parser.parse_args()
    figures = check_drift(n_runs=options.n_runs)
    print(json.dumps({key: round(value, 4) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
