"""How often those that may be the best include the true best, in simulated studies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from simulated_processes import Noise, measure_cell, read_quick
from simulated_studies import (
    COSTS,
    CROWDINGS,
    N_CANDIDATES,
    Floats,
    draw_hits,
    make_profiles,
    measure_costs,
    measure_qualities,
    simulate_truth,
    tabulate_metrics,
)

from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import read_profiles

N_TEST_ROWS = 2_000
N_CELLS = 2  # of a study with recorded noise, each measured in minutes of its own
Truth = dict[str, Floats]
Measure = Callable[[Truth, np.random.Generator], dict[str, Any]]


@dataclass(frozen=True)
class Coverage:
    """How well the candidates that may be the best hold it.

    Args:
        best: Share of runs in which they include the true best.
        tied: Mean number of them.
    """

    best: float
    tied: float


def measure_coverage(
    n_runs: int,
    applications: ApplicationsParams,
    rules: RankingRules,
    measure: Measure,
    *,
    crowdings: tuple[float, ...] = CROWDINGS,
) -> dict[str, Coverage]:
    """Measure how often those that may be the best include the true best, by application."""
    rng = np.random.default_rng(1)
    seen: dict[str, list[tuple[float, ...]]] = {}
    for run in range(n_runs):
        truth = simulate_truth(N_CANDIDATES, rng, crowding=crowdings[run % len(crowdings)])
        true_ranks = rank_applications(tabulate_metrics(truth), applications, rules)
        table = read_profiles(make_profiles(measure(truth, rng)))
        for true, ranked in zip(
            true_ranks, rank_applications(table, applications, rules), strict=True
        ):
            (best,) = np.flatnonzero(true.rank == 1)
            if not true.assessment.feasible[best]:
                continue  # none qualifies
            tied = ranked.may_be_best
            seen.setdefault(true.assessment.name, []).append((float(tied[best]), float(tied.sum())))
    return {name: Coverage(*map(float, np.mean(runs, axis=0))) for name, runs in seen.items()}


def measure_normally(truth: Truth, rng: np.random.Generator) -> dict[str, Any]:
    """Measure with independent log-normal errors of known size."""
    hits = draw_hits(truth["quality"], N_TEST_ROWS, rng)
    return measure_qualities(hits) | measure_costs(truth, rng)


class InNoise:
    """Measures studies, process after process, in recorded noise; keeps what intervals covered."""

    def __init__(self, noise: Noise, applications: ApplicationsParams) -> None:
        self._noise = noise
        self._applications = applications
        self._settings = read_quick()
        self.covered: dict[bool, list[bool]] = {True: [], False: []}  # by whether it was screened
        self.n_processes: list[int] = []

    def __call__(self, truth: Truth, rng: np.random.Generator) -> dict[str, Any]:
        """Measure a study of two cells."""
        qualities = measure_qualities(draw_hits(truth["quality"], N_TEST_ROWS, rng))
        cells = []
        for part in np.array_split(np.arange(N_CANDIDATES), N_CELLS):
            mine = {name: values[part] for name, values in truth.items()}
            own = {name: _take(values, part) for name, values in qualities.items()}
            cell = measure_cell(
                *(mine, own, self._noise, rng),
                applications=self._applications,
                settings=self._settings,
            )
            self._remember(mine, cell.metrics, cell.n_processes)
            cells.append(cell.metrics)
        columns = {name: np.concatenate([cell[name] for cell in cells]) for name in cells[0]}
        return qualities | columns

    def _remember(
        self, truth: Truth, metrics: dict[str, Any], n_processes: np.typing.NDArray[np.int64]
    ) -> None:
        self.n_processes += n_processes.tolist()
        for metric in COSTS:
            if f"{metric}_low" in metrics:
                inside = (metrics[f"{metric}_low"] <= truth[metric]) & (
                    truth[metric] <= metrics[f"{metric}_high"]
                )
                for covers, n in zip(inside, n_processes, strict=True):
                    self.covered[n < self._settings.min_processes].append(bool(covers))


def _take(values: Any, part: np.typing.NDArray[np.int64]) -> Any:
    return [values[i] for i in part] if isinstance(values, list) else values[part]
