"""How often rank intervals contain the true ranks, in simulated studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from simulated_studies import (
    CROWDINGS,
    N_CANDIDATES,
    draw_hits,
    make_profiles,
    measure_costs,
    measure_qualities,
    simulate_truth,
    tabulate_metrics,
)

from rightfit.parameters.applications import ApplicationsParams
from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import read_profiles

N_TEST_ROWS = 2_000


@dataclass(frozen=True)
class Coverage:
    """How well rank intervals hold.

    Args:
        joint: Share of runs in which the intervals of all candidates contain their true ranks.
        single: Share of intervals that do.
        width: Mean number of candidates that a candidate is tied with.
        best: Share of runs in which the candidates tied with the winner include the true best.
        tied: Mean number of candidates tied with the winner, itself included.
    """

    joint: float
    single: float
    width: float
    best: float
    tied: float


def measure_coverage(
    n_runs: int,
    applications: ApplicationsParams,
    rules: RankingRules,
    *,
    crowdings: tuple[float, ...] = CROWDINGS,
    ways: tuple[str, ...] = ("paired",),
) -> dict[str, dict[str, Coverage]]:
    """Measure how often the rank intervals contain the true ranks.

    Costs are measured with independent log-normal errors of known size.

    Returns:
        By way and application. Ways: ``paired`` and ``unpaired``, with what pairs the qualities
        and without.
    """
    rng = np.random.default_rng(1)
    rules = rules.model_copy(update={"n_draws": 1})  # selection probabilities are not read
    seen: dict[str, dict[str, list[tuple[float, ...]]]] = {way: {} for way in ways}
    for run in range(n_runs):
        truth = simulate_truth(N_CANDIDATES, rng, crowding=crowdings[run % len(crowdings)])
        true_ranks = rank_applications(tabulate_metrics(truth), applications, rules)
        hits = draw_hits(truth["quality"], N_TEST_ROWS, rng)
        profiles = make_profiles(measure_qualities(hits) | measure_costs(truth, rng))
        frames = {"paired": profiles, "unpaired": profiles.drop("quality_deviations")}
        for way in ways:
            rankings = rank_applications(read_profiles(frames[way]), applications, rules)
            for true, ranking in zip(true_ranks, rankings, strict=True):
                inside = (ranking.rank_low <= true.rank) & (true.rank <= ranking.rank_high)
                width = float((ranking.rank_high - ranking.rank_low).mean())
                best = int(np.flatnonzero(true.rank == 1)[0])
                tied = ranking.rank_low == 1
                figures = inside.mean(), width, float(tied[best]), float(tied.sum())
                seen[way].setdefault(true.assessment.name, []).append(figures)
    return {way: _summarise(by_application) for way, by_application in seen.items()}


def _summarise(seen: dict[str, list[tuple[float, ...]]]) -> dict[str, Coverage]:
    coverages = {}
    for name, runs in seen.items():
        shares, *others = np.array(runs, dtype=np.float64).T
        coverages[name] = Coverage(
            *(float(column.mean()) for column in (shares == 1, shares, *others))
        )
    return coverages
