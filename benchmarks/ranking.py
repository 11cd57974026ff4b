"""Benchmark of the ranking: time and memory at 10^4 to 10^6 profiles, weight space, coverage.

Run from the repository's root: ``python benchmarks/ranking.py``. Profiles are simulated, the
applications are the shipped ones. The last line is JSON:

- ``rank_1e4_s`` … ``rank_1e6_s``: reading and ranking so many profiles (four serving
  configurations a candidate, three datasets) for ten applications: utilities, limits, choice of
  the configuration, order, ranks and Pareto front; best of three, in seconds;
- ``peak_gib``: peak resident memory of this process, in GiB, profiles included;
- ``smaa_s``: shares of weight space of 100 candidates for four applications, in seconds;
- ``coverage``: share of simulated measurements of a known truth in which the rank intervals of all
  candidates contain their true ranks; the least of the four applications. The candidates answer
  the same test rows, some of which are hard for all of them;
- ``coverage_unpaired``: the same when the candidates' errors count as independent;
- ``ties_resolved``: share of the pairs tied unpaired that pairing puts in order, of the
  application that sees quality alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from omegaconf import OmegaConf
from scipy.stats import norm

from rightfit.parameters.applications import ApplicationsParams
from rightfit.parameters.ranking import RankingParams
from rightfit.quality.deviations import pack_deviations
from rightfit.ranking.contest.profile_table import ProfileTable, check_columns, read_profiles
from rightfit.ranking.rank_candidates import rank_applications
from rightfit.ranking.sensitivity.weight_space import share_weight_space

Floats = npt.NDArray[np.float64]

CONF = Path(__file__).parents[1] / "conf" / "base"
N_APPLICATIONS = 10
N_CONFIGURATIONS = 4
N_CANDIDATES_PER_RUN = 20
CROWDINGS = (1.0, 10.0)  # every other run is hard: candidates differ by less than they err
N_TEST_ROWS = 2_000
ROW_CORRELATION = 0.8  # of how hard a row is for two candidates, on the probit scale
Z_95 = 1.959963984540054
KIB_PER_GIB = 2**20

# median and spread (standard deviation of the logarithm) of the simulated candidates' metrics, and
# the relative error of measuring each
COSTS = {
    "latency_p50_ms": (0.3, 1.0, 0.02),
    "latency_p95_ms": (0.5, 1.0, 0.08),
    "latency_p99_ms": (0.8, 1.0, 0.10),
    "throughput_rows_per_s": (3e5, 1.5, 0.03),
    "peak_memory_mib": (150.0, 0.5, 0.002),
    "peak_memory_one_row_mib": (110.0, 0.4, 0.002),
    "model_size_mib": (2.0, 1.5, 0.0),
    "cpu_cores": (1.1, 0.15, 0.02),
}


def main() -> None:
    """Run all parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=500, help="simulated measurements")
    parser.add_argument(
        "--exponents", type=int, nargs="+", default=[4, 5, 6], help="of 10: profiles to rank"
    )
    options = parser.parse_args()
    n_runs = options.runs
    applications, rules = read_parameters()
    figures: dict[str, float] = {}
    for exponent in options.exponents:
        key = f"rank_1e{exponent}_s"
        figures[key] = time_ranking(10**exponent, applications, rules)
        print(f"10^{exponent} profiles x {N_APPLICATIONS} applications: {figures[key]:.3f} s")
    figures["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_GIB
    figures["smaa_s"] = time_weight_space(applications, rules)
    print(f"peak memory {figures['peak_gib']:.2f} GiB, weight space {figures['smaa_s']:.3f} s")
    paired, unpaired = measure_coverage(n_runs, applications, rules)
    for how, coverages in {"paired": paired, "unpaired": unpaired}.items():
        for name, found in coverages.items():
            print(
                f"coverage {how} {name}: all ranks of a run {found.joint:.3f}, a single rank "
                f"{found.single:.4f}; width of a rank interval {found.width:.2f}"
            )
    figures["coverage"] = min(found.joint for found in paired.values())
    figures["coverage_unpaired"] = min(found.joint for found in unpaired.values())
    by_quality = (one["accuracy_first"].width for one in (paired, unpaired))
    figures["ties_resolved"] = 1 - next(by_quality) / next(by_quality)
    print(json.dumps({key: round(value, 4) for key, value in figures.items()}))


def read_parameters() -> tuple[ApplicationsParams, RankingParams]:
    """Read the shipped applications and rules."""
    raw = [
        OmegaConf.to_container(OmegaConf.load(CONF / f"parameters_{name}.yml"))
        for name in ("applications", "ranking")
    ]
    return (
        ApplicationsParams.model_validate(raw[0]["applications"]),  # type: ignore[call-overload,index]
        RankingParams.model_validate(raw[1]["ranking"]),  # type: ignore[call-overload,index]
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


def simulate_truth(n: int, rng: np.random.Generator, *, crowding: float) -> dict[str, Floats]:
    """Draw true metrics of so many profiles; crowded ones lie that many times nearer together."""
    costs = {
        metric: median * np.exp(spread / crowding * rng.standard_normal(n))
        for metric, (median, spread, _) in COSTS.items()
    }
    return {"quality": 0.81 + rng.uniform(-0.11, 0.11, n) / crowding, **costs}


def make_profiles(
    metrics: dict[str, Any], *, n_configurations: int, n_datasets: int
) -> pl.DataFrame:
    """Give metrics the keys of resource profiles."""
    n = len(metrics["quality"])
    row = np.arange(n)
    candidate = row // n_configurations
    keys = pl.DataFrame(
        {
            "dataset": candidate % n_datasets,
            "model": candidate % 3,
            "candidate": candidate,
            "runtime": row % 2,
            "n_threads": row // 2 % 2 + 1,
        }
    ).with_columns(
        pl.format("dataset_{}", "dataset").alias("dataset"),
        pl.format("family_{}", "model").alias("model"),
        pl.format("candidate-{}", "candidate").alias("candidate"),
        pl.format("runtime_{}", "runtime").alias("runtime"),
        pl.lit("cpu").alias("device"),
        pl.lit(1.0).alias("min_hardware_tier"),
    )
    return keys.with_columns(
        **{
            name: pl.Series(list(values) if np.ndim(values) > 1 else values)
            for name, values in metrics.items()
        }
    )


def time_ranking(n: int, applications: ApplicationsParams, rules: RankingParams) -> float:
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


def time_weight_space(applications: ApplicationsParams, rules: RankingParams) -> float:
    """Return the seconds it takes to share the weight space among 100 candidates."""
    n = 100 * N_CONFIGURATIONS
    truth = simulate_truth(n, np.random.default_rng(0), crowding=1)
    profiles = make_profiles(truth, n_configurations=N_CONFIGURATIONS, n_datasets=1)
    ranked = rank_applications(read_profiles(profiles), applications, rules)
    started_s = time.perf_counter()
    for one in ranked:
        share_weight_space(one.contest)
    return time.perf_counter() - started_s


@dataclass(frozen=True)
class Coverage:
    """How well rank intervals hold.

    Args:
        joint: Share of runs in which the intervals of all candidates contain their true ranks.
        single: Share of intervals that do.
        width: Mean number of candidates that a candidate is tied with.
    """

    joint: float
    single: float
    width: float


def measure_coverage(
    n_runs: int, applications: ApplicationsParams, rules: RankingParams
) -> tuple[dict[str, Coverage], dict[str, Coverage]]:
    """Measure how often the rank intervals contain the true ranks.

    Returns:
        By application, with qualities paired and without.
    """
    rng = np.random.default_rng(1)
    seen: dict[bool, dict[str, list[tuple[float, float]]]] = {True: {}, False: {}}
    for run in range(n_runs):
        truth = simulate_truth(N_CANDIDATES_PER_RUN, rng, crowding=CROWDINGS[run % len(CROWDINGS)])
        true_ranks = rank_applications(_table(truth), applications, rules)
        measured = measure(truth, rng)
        profiles = make_profiles(measured, n_configurations=1, n_datasets=1)
        for paired, frame in ((True, profiles), (False, profiles.drop("quality_deviations"))):
            for true, one in zip(
                true_ranks,
                rank_applications(read_profiles(frame), applications, rules),
                strict=True,
            ):
                inside = (one.rank_low <= true.rank) & (true.rank <= one.rank_high)
                width = float((one.rank_high - one.rank_low).mean())
                seen[paired].setdefault(true.contest.name, []).append((float(inside.mean()), width))
    return _summarise(seen[True]), _summarise(seen[False])


def _summarise(seen: dict[str, list[tuple[float, float]]]) -> dict[str, Coverage]:
    coverages = {}
    for name, runs in seen.items():
        shares, widths = np.array(runs).T
        coverages[name] = Coverage(float((shares == 1).mean()), shares.mean(), widths.mean())
    return coverages


def measure(truth: dict[str, Floats], rng: np.random.Generator) -> dict[str, Any]:
    """Simulate measuring: a finite test set, relative errors of the costs, 95 % intervals."""
    n = len(truth["quality"])
    common = rng.standard_normal(N_TEST_ROWS)
    own = rng.standard_normal((n, N_TEST_ROWS))
    ease = np.sqrt(ROW_CORRELATION) * common + np.sqrt(1 - ROW_CORRELATION) * own
    hits = ease < norm.ppf(truth["quality"])[:, None]
    quality = hits.mean(axis=1)
    reach = Z_95 * np.sqrt(quality * (1 - quality) / N_TEST_ROWS)
    seen = {"quality": quality, "quality_low": quality - reach, "quality_high": quality + reach}
    for metric, (_, _, error) in COSTS.items():
        seen[metric] = truth[metric] * np.exp(error * rng.standard_normal(n))
        if error:
            seen[f"{metric}_low"] = seen[metric] * np.exp(-Z_95 * error)
            seen[f"{metric}_high"] = seen[metric] * np.exp(Z_95 * error)
    return seen | {"quality_deviations": [pack_deviations(one - one.mean()) for one in hits]}


def _table(metrics: dict[str, Any]) -> ProfileTable:
    return read_profiles(make_profiles(metrics, n_configurations=1, n_datasets=1))


if __name__ == "__main__":
    main()
