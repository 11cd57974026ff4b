"""Studies whose truth is known: how candidates are drawn, and how measuring them is simulated.

The candidates answer the same test rows, some of which are hard for all of them. Every other study
is hard: its candidates differ by less than they err.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import norm

from rightfit.measuring.profiles.prediction_quality import share_interval
from rightfit.models.quality.standard_errors import pack_deviations
from rightfit.params.applications import ApplicationsParams
from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import ProfileTable, read_profiles
from rightfit.ranking.explanation.selection_bias import correct_winner

Floats = npt.NDArray[np.float64]

N_CANDIDATES = 20  # of the studies that rank coverage is checked on
CROWDINGS = (1.0, 10.0)
CROWDINGS_OF_CHANCES = (1.0, 3.0, 10.0)
ROW_CORRELATION = 0.8  # of how hard a row is for two candidates, on the probit scale
Z_95 = 1.959963984540054

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


def simulate_truth(n: int, rng: np.random.Generator, *, crowding: float) -> dict[str, Floats]:
    """Draw true metrics of so many profiles; crowded ones lie that many times nearer together."""
    costs = {
        metric: median * np.exp(spread / crowding * rng.standard_normal(n))
        for metric, (median, spread, _) in COSTS.items()
    }
    return {"quality": 0.81 + rng.uniform(-0.11, 0.11, n) / crowding, **costs}


def make_profiles(
    metrics: dict[str, Any], *, n_configurations: int = 1, n_datasets: int = 1
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


def tabulate_metrics(metrics: dict[str, Any]) -> ProfileTable:
    """Return metrics of one dataset's candidates as the ranking reads them."""
    return read_profiles(make_profiles(metrics))


def draw_hits(quality: Floats, n_rows: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Draw which rows each candidate answers rightly, shape (n_candidates, n_rows)."""
    common = rng.standard_normal(n_rows)
    own = rng.standard_normal((len(quality), n_rows))
    ease = np.sqrt(ROW_CORRELATION) * common + np.sqrt(1 - ROW_CORRELATION) * own
    hits: npt.NDArray[np.bool_] = ease < norm.ppf(quality)[:, None]
    return hits


def measure_qualities(hits: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return accuracies with their intervals and deviations."""
    n_rows = hits.shape[1]
    low, high = zip(*(share_interval(int(right.sum()), n_rows) for right in hits), strict=True)
    ends = {"": hits.mean(axis=1), "_low": np.array(low), "_high": np.array(high)}
    return {
        **{f"quality{end}": value for end, value in ends.items()},
        **{f"quality_raw{end}": value for end, value in ends.items()},
        "quality_deviations": [pack_deviations((one - one.mean()) / n_rows) for one in hits],
    }


def measure_costs(truth: dict[str, Floats], rng: np.random.Generator) -> dict[str, Any]:
    """Simulate measuring costs: independent relative errors, 95 % intervals."""
    seen: dict[str, Any] = {}
    for metric, (_, _, error) in COSTS.items():
        seen[metric] = truth[metric] * np.exp(error * rng.standard_normal(len(truth[metric])))
        if error:
            seen[f"{metric}_low"] = seen[metric] * np.exp(-Z_95 * error)
            seen[f"{metric}_high"] = seen[metric] * np.exp(Z_95 * error)
    return seen


@dataclass(frozen=True)
class Judged:
    """How far what is told of winners is from the truth, over all studies and applications.

    Args:
        optimism: Mean error of the measured quality.
        bias: Mean error of the corrected one.
        bias_error: Standard error of the latter.
        covers: Share of the corrected intervals that contain the truth.
    """

    optimism: float
    bias: float
    bias_error: float
    covers: float


def judge_winners(
    n_studies: int,
    n_rows: int,
    n_candidates: int,
    applications: ApplicationsParams,
    rules: RankingRules,
) -> Judged:
    """Rank simulated studies and compare the winners' qualities with the truth.

    What all candidates of a study err on average is subtracted from both errors: its mean is known
    to be 0, and without it a quarter of the studies do.

    Args:
        n_studies: Studies, half of them crowded.
        n_rows: Test rows of each.
        n_candidates: Candidates of each.
        applications: Who chooses.
        rules: Rules of ranking.
    """
    rng = np.random.default_rng([2, n_rows, n_candidates])
    rules = rules.model_copy(update={"n_draws": 1})  # selection probabilities are not looked at
    errors: list[tuple[float, float, bool]] = []
    for study in range(n_studies):
        truth = simulate_truth(n_candidates, rng, crowding=CROWDINGS[study % len(CROWDINGS)])
        hits = draw_hits(truth["quality"], n_rows, rng)
        seen = measure_qualities(hits) | measure_costs(truth, rng) | {"truth": truth["quality"]}
        luck = seen["quality"].mean() - truth["quality"].mean()
        for ranked in rank_applications(tabulate_metrics(seen), applications, rules):
            winner = int(ranked.order[0])
            if not ranked.assessment.feasible[winner]:
                continue
            corrected, selection_bias = correct_winner(ranked, winner) or (None, 0.0)
            true = ranked.assessment.table.values("truth")[ranked.assessment.chosen[winner]]
            if corrected is None or corrected.low is None or corrected.high is None:
                raise ValueError(f"a simulated winner was not judged: {corrected}")
            error = float(corrected) - luck - true
            covers = corrected.low <= true <= corrected.high
            errors.append((error + selection_bias, error, covers))
    optimism, bias, covers = np.array(errors, dtype=np.float64).T
    # winners of one study share its rows: their errors count as one
    return Judged(optimism.mean(), bias.mean(), bias.std() / np.sqrt(n_studies), covers.mean())


def judge_chances(
    n_studies: int, applications: ApplicationsParams, rules: RankingRules
) -> npt.NDArray[np.float64]:
    """Compare the winners' chances of being practically the best with the truth.

    Returns:
        Shape (n_decisions, 3): the chance that is told, whether the winner truly meets all limits
        and no other that does is better by ``equal_within`` or more, and the study's crowding.
    """
    rng = np.random.default_rng(3)
    told: list[tuple[float, bool, float]] = []
    for study in range(n_studies):
        crowding = CROWDINGS_OF_CHANCES[study % len(CROWDINGS_OF_CHANCES)]
        truth = simulate_truth(12, rng, crowding=crowding)
        true = tabulate_metrics(truth | {"quality_raw": truth["quality"]})
        hits = draw_hits(truth["quality"], (500, 2_000)[study % 2], rng)
        seen = tabulate_metrics(measure_qualities(hits) | measure_costs(truth, rng))
        for ranked, exact in zip(
            rank_applications(seen, applications, rules),
            rank_applications(true, applications, rules),
            strict=True,
        ):
            winner = int(ranked.order[0])
            if not ranked.assessment.feasible[winner]:
                continue
            feasible, utility = exact.assessment.feasible, exact.assessment.utility
            highest = utility[feasible].max(initial=-np.inf)
            is_right = feasible[winner] and utility[winner] > highest - rules.equal_within
            told.append((float(ranked.p_best[winner]), bool(is_right), crowding))
    return np.array(told, dtype=np.float64)
