"""How often rank intervals contain the true ranks, in simulated studies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
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
from rightfit.ranking import application_ranking
from rightfit.ranking.application_ranking import ApplicationRanking, rank_applications
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.applications.utility import Bools
from rightfit.ranking.assessment.assessment import Assessment
from rightfit.ranking.assessment.profile_table import ProfileTable, read_profiles

N_TEST_ROWS = 2_000
N_DRAWS = 500  # behind each probability of being best
N_CELLS = 2  # of a study with recorded noise, each measured in minutes of its own
Truth = dict[str, Floats]
Measure = Callable[[Truth, np.random.Generator], dict[str, Any]]


@dataclass(frozen=True)
class Coverage:
    """How well rank intervals hold.

    Args:
        joint: Share of runs in which the intervals of all candidates contain their true ranks.
        single: Share of intervals that do.
        width: Mean number of candidates that a candidate is tied with.
        best: Share of runs in which the candidates tied with the winner include the true best.
        tied: Mean number of candidates tied with the winner, itself included.
        best_by_pairs: The same share if all pairs are compared, not each with the best.
        tied_by_pairs: The same number then.
        best_once: The same share if what is surely beaten stays a rival of the rest.
        tied_once: The same number then.
        best_by_chance: The same share for the fewest candidates that hold the best with 95 % by
            their probabilities of being best.
        tied_by_chance: How many they are.
    """

    joint: float
    single: float
    width: float
    best: float
    tied: float
    best_by_pairs: float
    tied_by_pairs: float
    best_once: float
    tied_once: float
    best_by_chance: float
    tied_by_chance: float


def measure_coverage(
    n_runs: int,
    applications: ApplicationsParams,
    rules: RankingRules,
    measure: Measure,
    *,
    crowdings: tuple[float, ...] = CROWDINGS,
    ways: tuple[str, ...] = ("paired",),
) -> dict[str, dict[str, Coverage]]:
    """Measure how often the rank intervals contain the true ranks.

    Returns:
        By way and application. Ways: ``paired`` and ``unpaired``, with what pairs the qualities
        and without.
    """
    rng = np.random.default_rng(1)
    rules = rules.model_copy(update={"n_draws": N_DRAWS})
    seen: dict[str, dict[str, list[tuple[float, ...]]]] = {way: {} for way in ways}
    for run in range(n_runs):
        truth = simulate_truth(N_CANDIDATES, rng, crowding=crowdings[run % len(crowdings)])
        true_ranks = rank_applications(tabulate_metrics(truth), applications, rules)
        profiles = make_profiles(measure(truth, rng))
        frames = pair_and_unpair(profiles)
        for way in ways:
            table = read_profiles(frames[way])
            plain = table, applications, rules.model_copy(update={"n_draws": 1})
            for true, one, by_pairs, once in zip(
                true_ranks,
                rank_applications(table, applications, rules),
                rank_by(_compare_pairs, *plain),
                rank_by(_compare_once, *plain),
                strict=True,
            ):
                inside = (one.rank_low <= true.rank) & (true.rank <= one.rank_high)
                width = float((one.rank_high - one.rank_low).mean())
                best = int(np.flatnonzero(true.rank == 1)[0])
                bounded = (ranked.rank_low == 1 for ranked in (one, by_pairs, once))
                sets = (*bounded, choose_by_chance(one))
                tied = [
                    float(figure) for one_set in sets for figure in (one_set[best], one_set.sum())
                ]
                seen[way].setdefault(true.assessment.name, []).append((inside.mean(), width, *tied))
    return {way: _summarise(found) for way, found in seen.items()}


def choose_by_chance(ranked: ApplicationRanking) -> np.typing.NDArray[np.bool_]:
    """Choose the fewest candidates that hold the best one with 95 % of what is probable."""
    order = np.argsort(-ranked.p_best, kind="stable")
    total = np.cumsum(ranked.p_best[order])
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order[: int(np.searchsorted(total, 0.95 * total[-1])) + 1]] = True
    return chosen if total[-1] > 0 else ranked.rank_low == 1


def rank_by(
    rule: Callable[[Assessment], Bools],
    table: ProfileTable,
    applications: ApplicationsParams,
    rules: RankingRules,
) -> list[ApplicationRanking]:
    """Rank by another rule of which candidates may be the best."""
    with_best = application_ranking.find_possible_best
    application_ranking.find_possible_best = rule  # type: ignore[assignment]
    try:
        return rank_applications(table, applications, rules)
    finally:
        application_ranking.find_possible_best = with_best


def _compare_pairs(assessment: Assessment) -> Bools:
    """Compare all pairs: the rule that comparisons with the best replaced."""
    may_be_best: Bools = application_ranking._holm_step_down(assessment)[0] == 1
    return may_be_best


def _compare_once(assessment: Assessment) -> Bools:
    """Compare with the best, at a level for all candidates (Hsu alone)."""
    n_rivals = len(assessment.chosen) - 1
    may_be_best: Bools = (
        application_ranking._bound_together(assessment, n_rivals, n_sides=1)[0] == 1
    )
    return may_be_best


def pair_and_unpair(profiles: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return profiles with and without what pairs their qualities."""
    return {"paired": profiles, "unpaired": profiles.drop("quality_deviations")}


def _summarise(seen: dict[str, list[tuple[float, ...]]]) -> dict[str, Coverage]:
    coverages = {}
    for name, runs in seen.items():
        shares, *others = np.array(runs, dtype=np.float64).T
        means = [float(one.mean()) for one in (shares == 1, shares, *others)]
        coverages[name] = Coverage(*means)
    return coverages


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
