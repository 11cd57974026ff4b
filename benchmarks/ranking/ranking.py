"""Benchmark of the ranking: time and memory at 10^4 to 10^6 profiles, weight space, errors, bias.

Run from the repository's root: ``python benchmarks/ranking/ranking.py``. Profiles are simulated,
the applications are the shipped ones. The last line is JSON:

- ``rank_1e4_s`` … ``rank_1e6_s``: reading and ranking so many profiles (four serving
  configurations a candidate, three datasets) for ten applications: utilities, limits, choice of
  the configuration, order, ranks and Pareto front; best of three, in seconds;
- ``peak_gib``: peak resident memory of this process, in GiB, profiles included;
- ``smaa_s``: shares of weight space of 100 candidates for four applications, in seconds;
- ``best_held``: share of simulated measurements of a known truth in which the candidates that may
  be the best include the true best, measured as the product does it, screening included, with
  recorded noise of processes (``measuring/record_processes.py`` at commit ``87a3d99b``), the least
  of all recordings and applications, without studies in which nothing qualifies;
  ``tied_with_winner``: how many they are on average, over all recordings and applications;
  ``best_held_normal``: as ``best_held``, but with normal errors; ``best_held_equal``: as that, but
  of candidates as good as equal;
- ``interval_covers_screened``, ``interval_covers``: share of single intervals of a cost in that
  noise that contain the truth, of what was screened out after two to five processes, and of the
  rest;
- ``selection_bias``, ``corrected_bias``: mean error of the winners' measured quality, and of the
  corrected one; the largest over 200 to 10,000 test rows and 5 to 40 candidates.
  ``corrected_covers``: share of its intervals that contain the truth, the least of them;
- ``chance_error``: by how much the chance of best that is told of winners differs from the share
  that truly is, on average over classes of the chance.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import resource
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from best_held import Coverage, InNoise, measure_coverage, measure_normally
from simulated_processes import load_noise
from simulated_studies import (
    CROWDINGS_OF_CHANCES,
    judge_chances,
    judge_winners,
    make_profiles,
    simulate_truth,
)

from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import check_columns, read_profiles
from rightfit.ranking.sensitivity.weights import share_weight_space
from rightfit_kedro.parameters import complete_parameters

CONF = Path(__file__).parents[2] / "conf" / "base"
N_APPLICATIONS = 10
N_CONFIGURATIONS = 4
KIB_PER_GIB = 2**20
NEARLY_EQUAL = 1e4
TEST_ROWS, CANDIDATES = (200, 700, 2_000, 10_000), (5, 12, 40)
CHANCES = (0.0, 0.45, 0.55, 0.7, 0.9, 1.01)


def main() -> None:
    """Run all parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=100, help="simulated measurements")
    parser.add_argument("--studies", type=int, default=200, help="simulated choices of winners")
    parser.add_argument(
        "--exponents", type=int, nargs="+", default=[4, 5, 6], help="of 10: profiles to rank"
    )
    options = parser.parse_args()
    applications, rules = read_parameters()
    figures = time_all(options.exponents, applications, rules)
    figures |= check_coverage(options.runs, applications, rules)
    figures |= check_bias(options.studies, applications, rules)
    figures |= check_chances(10 * options.studies, applications, rules)
    print(json.dumps({key: round(float(value), 4) for key, value in figures.items()}))


def time_all(
    exponents: list[int], applications: ApplicationsParams, rules: RankingRules
) -> dict[str, float]:
    """Time the ranking and the weight space."""
    figures: dict[str, float] = {}
    for exponent in exponents:
        key = f"rank_1e{exponent}_s"
        figures[key] = time_ranking(10**exponent, applications, rules)
        print(f"10^{exponent} profiles x {N_APPLICATIONS} applications: {figures[key]:.3f} s")
    figures["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_GIB
    figures["smaa_s"] = time_weight_space(applications, rules)
    print(f"peak memory {figures['peak_gib']:.2f} GiB, weight space {figures['smaa_s']:.3f} s")
    return figures


def check_coverage(
    n_runs: int, applications: ApplicationsParams, rules: RankingRules
) -> dict[str, float]:
    """Check which may be the best, under normal errors and under recorded noise."""
    normal = measure_coverage(n_runs, applications, rules, measure_normally)
    _print_coverage("normal errors", normal)
    equal = measure_coverage(
        n_runs, applications, rules, measure_normally, crowdings=(NEARLY_EQUAL,)
    )
    _print_coverage("candidates as good as equal", equal)
    in_noise: list[Coverage] = []
    covered: dict[bool, list[bool]] = {True: [], False: []}
    for name, noise in load_noise().items():
        measure = InNoise(noise, applications)
        coverages = measure_coverage(n_runs, applications, rules, measure)
        _print_coverage(f"recorded noise, {name}", coverages)
        print(f"processes a candidate, on average: {np.mean(measure.n_processes):.1f}")
        in_noise += coverages.values()
        for was_screened, inside in measure.covered.items():
            covered[was_screened] += inside
    return {
        "best_held_normal": min(coverage.best for coverage in normal.values()),
        "best_held": min(coverage.best for coverage in in_noise),
        "tied_with_winner": float(np.mean([coverage.tied for coverage in in_noise])),
        "best_held_equal": min(coverage.best for coverage in equal.values()),
        "interval_covers_screened": float(np.mean(covered[True])),
        "interval_covers": float(np.mean(covered[False])),
    }


def _print_coverage(condition: str, coverages: dict[str, Coverage]) -> None:
    for name, coverage in coverages.items():
        print(
            f"{condition}, {name}: the best is among {coverage.tied:.2f} in {coverage.best:.3f}",
            flush=True,
        )


def check_bias(
    n_studies: int, applications: ApplicationsParams, rules: RankingRules
) -> dict[str, float]:
    """Check the corrected quality of winners, by test rows and candidates."""
    cells = {}
    for n_rows, n_candidates in itertools.product(TEST_ROWS, CANDIDATES):
        judged = judge_winners(n_studies, n_rows, n_candidates, applications, rules)
        cells[n_rows, n_candidates] = judged
        print(
            f"winners of {n_candidates} chosen by {n_rows:,} rows: measured too high by "
            f"{judged.optimism:+.4f}, corrected {judged.bias:+.4f} with standard error "
            f"{judged.bias_error:.4f}; interval covers in {judged.covers:.3f}",
            flush=True,
        )
    return {
        "selection_bias": max(abs(judged.optimism) for judged in cells.values()),
        "corrected_bias": max(abs(judged.bias) for judged in cells.values()),
        "corrected_covers": min(judged.covers for judged in cells.values()),
    }


def check_chances(
    n_studies: int, applications: ApplicationsParams, rules: RankingRules
) -> dict[str, float]:
    """Check whether winners are practically the best as often as is told."""
    told = judge_chances(n_studies, applications, rules)
    for crowding in CROWDINGS_OF_CHANCES:
        _print_chances(f"crowding {crowding:g}", told[told[:, 2] == crowding])
    gaps, sizes = zip(*_print_chances("all studies", told), strict=True)
    return {"chance_error": float(np.average(gaps, weights=sizes))}


def _print_chances(studies: str, told: npt.NDArray[np.float64]) -> list[tuple[float, int]]:
    """Print the classes of the chance; return by how much each is wrong, and its size."""
    gaps = []
    for low, high in itertools.pairwise(CHANCES):
        within = told[(told[:, 0] >= low) & (told[:, 0] < high)]
        if len(within) == 0:
            continue
        chance, share, _ = within.mean(axis=0)
        error = math.sqrt(share * (1 - share) / len(within))
        print(
            f"{studies}, chance of best {low:.2f} to {min(high, 1):.2f}: {len(within)} winners, "
            f"told {chance:.3f} on average, right {share:.3f} (standard error {error:.3f})",
            flush=True,
        )
        gaps.append((abs(chance - share), len(within)))
    return gaps


def read_parameters() -> tuple[ApplicationsParams, RankingRules]:
    """Read the shipped applications and rules."""
    file = CONF / "parameters_applications.yml"
    raw = complete_parameters(yaml.safe_load(file.read_text(encoding="utf-8")))
    return (
        ApplicationsParams.model_validate(raw["applications"]),
        RankingRules.model_validate(raw["ranking"]),
    )


def repeat_applications(applications: ApplicationsParams) -> ApplicationsParams:
    """Repeat the shipped applications under new names until there are ten."""
    shipped = list(applications.items())
    return ApplicationsParams(
        {
            shipped[i][0] if i < len(shipped) else f"{shipped[i % len(shipped)][0]}_{i}": shipped[
                i % len(shipped)
            ][1]
            for i in range(N_APPLICATIONS)
        }
    )


def time_ranking(n: int, applications: ApplicationsParams, rules: RankingRules) -> float:
    """Return the seconds it takes to rank so many profiles for ten applications."""
    truth = simulate_truth(n, np.random.default_rng(0), crowding=1)
    profiles = make_profiles(truth, n_configurations=N_CONFIGURATIONS, n_datasets=3)
    ten = repeat_applications(applications)
    timings = []
    for _ in range(3):
        started_s = time.perf_counter()
        table = read_profiles(profiles)
        check_columns(table, ten, rules)
        rank_applications(table, ten, rules)
        timings.append(time.perf_counter() - started_s)
    return min(timings)


def time_weight_space(applications: ApplicationsParams, rules: RankingRules) -> float:
    """Return the seconds it takes to share the weight space among 100 candidates."""
    n = 100 * N_CONFIGURATIONS
    truth = simulate_truth(n, np.random.default_rng(0), crowding=1)
    profiles = make_profiles(truth, n_configurations=N_CONFIGURATIONS, n_datasets=1)
    ranked = rank_applications(read_profiles(profiles), applications, rules)
    started_s = time.perf_counter()
    for one in ranked:
        share_weight_space(one.assessment)
    return time.perf_counter() - started_s


if __name__ == "__main__":
    main()
