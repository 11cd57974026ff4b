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

from rightfit.parameters.applications import ApplicationsParams
from rightfit.quality.standard_errors import pack_deviations
from rightfit.ranking.application_ranking import rank_applications
from rightfit.ranking.applications.applications import RankingRules
from rightfit.ranking.assessment.profile_table import FINAL, ProfileTable, read_profiles
from rightfit.ranking.explanation.final_quality import judge_winner

Floats = npt.NDArray[np.float64]

N_CANDIDATES = 20
CROWDINGS = (1.0, 10.0)
ROW_CORRELATION = 0.8  # of how hard a row is for two candidates, on the probit scale
Z_95 = 1.959963984540054
# Test rows that choose and rows that are held out of it: of 2,000 rows a third, of 600 rows none.
DIVIDED, UNDIVIDED = (1_340, 660), (600, 0)

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
    quality = hits.mean(axis=1)
    reach = Z_95 * np.sqrt(quality * (1 - quality) / n_rows)
    ends = {"": quality, "_low": quality - reach, "_high": quality + reach}
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
    """How far the figures of winners are from the truth, over all studies and applications.

    Args:
        optimism: Mean error of the quality that chose.
        bias: Mean error of the quality that is reported as not chosen by.
        bias_error: Standard error of the latter.
        covers: Share of its intervals that contain the truth.
        how: ``held_out`` or ``nested``.
    """

    optimism: float
    bias: float
    bias_error: float
    covers: float
    how: str


def judge_winners(
    n_studies: int,
    rows: tuple[int, int],
    applications: ApplicationsParams,
    rules: RankingRules,
) -> Judged:
    """Rank simulated studies and compare the winners' figures with the truth.

    What all candidates of a study err on average is subtracted from both errors: its mean is known
    to be 0, and without it a quarter of the studies do.
    """
    rng = np.random.default_rng(2)
    rules = rules.model_copy(update={"n_draws": 1})  # selection probabilities are not looked at
    found: list[tuple[float, float, bool]] = []
    how = ""
    for study in range(n_studies):
        truth = simulate_truth(N_CANDIDATES, rng, crowding=CROWDINGS[study % len(CROWDINGS)])
        choosing, held_out = (draw_hits(truth["quality"], n, rng) for n in rows)
        seen = measure_qualities(choosing) | measure_costs(truth, rng) | {"truth": truth["quality"]}
        luck = luck_of_final = seen["quality"].mean() - truth["quality"].mean()
        if rows[1]:
            final = measure_qualities(held_out)
            seen |= {f"{FINAL}{end}": final[f"quality{end}"] for end in ("", "_low", "_high")}
            luck_of_final = final["quality"].mean() - truth["quality"].mean()
        for one in rank_applications(tabulate_metrics(seen), applications, rules):
            winner = int(one.order[0])
            if not one.assessment.feasible[winner]:
                continue
            judged = judge_winner(one, winner)
            true = one.assessment.table.values("truth")[one.assessment.chosen[winner]]
            if judged is None or judged.raw_low is None or judged.raw_high is None:
                raise ValueError(f"a simulated winner was not judged: {judged}")
            covers = judged.raw_low <= true <= judged.raw_high
            found.append(
                (judged.chosen_by - luck - true, judged.raw - luck_of_final - true, covers)
            )
            how = judged.how
    optimism, bias, covers = np.array(found, dtype=np.float64).T
    # winners of one study share its rows: their errors count as one
    error = bias.std() / np.sqrt(n_studies)
    return Judged(optimism.mean(), bias.mean(), error, covers.mean(), how)
