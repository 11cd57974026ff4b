"""Benchmark of the ranking: time and memory at 10^4 to 10^6 profiles, weight space, coverage, bias.

Run from the repository's root: ``python benchmarks/ranking/ranking.py``. Profiles are simulated,
the applications are the shipped ones. The last line is JSON:

- ``rank_1e4_s`` … ``rank_1e6_s``: reading and ranking so many profiles (four serving
  configurations a candidate, three datasets) for ten applications: utilities, limits, choice of
  the configuration, order, ranks and Pareto front; best of three, in seconds;
- ``peak_gib``: peak resident memory of this process, in GiB, profiles included;
- ``smaa_s``: shares of weight space of 100 candidates for four applications, in seconds;
- ``coverage``: share of simulated measurements of a known truth in which the rank intervals of all
  candidates contain their true ranks; the least of the four applications;
- ``coverage_unpaired``: the same when the candidates' errors count as independent;
- ``best_held``: share of runs in which the candidates tied with the winner include the true best,
  the least of all applications; ``tied_with_winner``: how many they are on average;
  ``best_held_equal``: as ``best_held``, of candidates as good as equal;
- ``ties_resolved``: share of the pairs tied unpaired that pairing puts in order, of the
  application that sees quality alone;
- ``selection_optimism``, ``final_bias``: mean error of the winners' quality on the rows that chose
  them, and of the one reported from rows that were held out; ``nested_optimism``, ``nested_bias``:
  the same for a small test set, reported by nested resampling. ``final_covers`` and
  ``nested_covers``: share of its intervals that contain the truth.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import yaml
from rank_coverage import Coverage, measure_coverage
from simulated_studies import DIVIDED, UNDIVIDED, judge_winners, make_profiles, simulate_truth

from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.defaults import complete_parameters
from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import check_columns, read_profiles
from rightfit.ranking.sensitivity.weights import share_weight_space

CONF = Path(__file__).parents[2] / "conf" / "base"
N_APPLICATIONS = 10
N_CONFIGURATIONS = 4
KIB_PER_GIB = 2**20
NEARLY_EQUAL = 1e4


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
    """Check rank intervals under normal errors."""
    ways = ("paired", "unpaired")
    normal = measure_coverage(n_runs, applications, rules, ways=ways)
    _print_coverage("candidates apart and crowded", normal)
    equal = measure_coverage(n_runs, applications, rules, crowdings=(NEARLY_EQUAL,))
    _print_coverage("candidates as good as equal", equal)
    least = {way: min(one.joint for one in by_name.values()) for way, by_name in normal.items()}
    by_quality = {way: by_name["accuracy_first"].width for way, by_name in normal.items()}
    paired = normal["paired"].values()
    return {
        "coverage": least["paired"],
        "coverage_unpaired": least["unpaired"],
        "best_held": min(coverage.best for coverage in paired),
        "tied_with_winner": float(np.mean([coverage.tied for coverage in paired])),
        "best_held_equal": min(coverage.best for coverage in equal["paired"].values()),
        "ties_resolved": 1 - by_quality["paired"] / by_quality["unpaired"],
    }


def _print_coverage(study: str, by_way: dict[str, dict[str, Coverage]]) -> None:
    for way, coverages in by_way.items():
        for name, coverage in coverages.items():
            print(
                f"coverage, {study}, {way} {name}: all ranks of a run {coverage.joint:.3f}, a "
                f"single rank {coverage.single:.4f}; tied with {coverage.width:.2f} on average; "
                f"the best is among {coverage.tied:.2f} in {coverage.best:.3f}",
                flush=True,
            )


def check_bias(
    n_studies: int, applications: ApplicationsParams, rules: RankingRules
) -> dict[str, float]:
    """Check the reported quality of winners, on held-out rows and by nested resampling."""
    figures: dict[str, float] = {}
    for rows, names in ((DIVIDED, ("selection", "final")), (UNDIVIDED, ("nested", "nested"))):
        found = judge_winners(n_studies, rows, applications, rules)
        print(
            f"winners chosen by {rows[0]} rows, {found.how}: optimism {found.optimism:+.4f}, bias "
            f"{found.bias:+.4f} with standard error {found.bias_error:.4f}; interval covers in "
            f"{found.covers:.3f}",
            flush=True,
        )
        figures |= {f"{names[0]}_optimism": found.optimism, f"{names[1]}_bias": found.bias}
        figures[f"{names[1]}_covers"] = found.covers
    return figures


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
