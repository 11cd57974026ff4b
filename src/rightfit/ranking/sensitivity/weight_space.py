"""Weight space: how much of it each candidate wins.

"Stochastic multicriteria acceptability analysis" (Lahdelma, Hokkanen, Salminen 1998): weightings
are drawn uniformly from the simplex; 9,604 draws place a share within 1 point at 95 %. Profiles
count as measured, and each candidate with the serving configuration that suits the weighting best.

Table ``win_shares``: one row per feasible candidate: ``application``, ``dataset``, ``model``,
``candidate``, ``win_share`` in [0, 1] and ``central_weights``, the mean of the weightings under
which it wins (list of structs of ``metric`` and ``weight``, which sum to 1; null if it never wins).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from rightfit.ranking.applications.utility import Floats
from rightfit.ranking.contest.contest import Contest, describe_chosen
from rightfit.ranking.rank_candidates import Ranked
from rightfit.ranking.sensitivity.contenders import Contenders, find_contenders

_UTILITIES_AT_ONCE = 4_000_000


def tabulate_win_shares(ranked: list[Ranked]) -> pl.DataFrame:
    """Estimate in which share of weight space each feasible candidate wins."""
    return pl.concat([_tabulate(one.contest) for one in ranked])


def share_weight_space(contest: Contest) -> tuple[Floats, Floats]:
    """Share the weight space of every dataset among its candidates.

    Returns:
        The shares, shape (n_candidates,), summing to 1 in each dataset with a feasible candidate;
        and the mean weightings under which each wins, shape (n_candidates, n_objectives), NaN for
        one that never does.
    """
    n, n_objectives = len(contest.chosen), len(contest.application.weighted())
    wins, weights = np.zeros(n), np.zeros((n, n_objectives))
    for position in range(len(contest.table.datasets)):
        contenders = find_contenders(contest, position)
        if len(contenders.candidate):
            rng = np.random.default_rng([contest.rules.seed, position])
            _add_wins(contenders, contest.rules.n_weight_draws, rng, wins=wins, weights=weights)
    with np.errstate(invalid="ignore"):
        return wins / contest.rules.n_weight_draws, weights / wins[:, None]


def _add_wins(
    contenders: Contenders,
    n_draws: int,
    rng: np.random.Generator,
    *,
    wins: Floats,
    weights: Floats,
) -> None:
    """Add up in place the wins of each candidate and the weightings under which it wins."""
    n_objectives, n_profiles = contenders.worth.shape
    candidates, starts = np.unique(contenders.candidate, return_index=True)
    step = max(1, _UTILITIES_AT_ONCE // n_profiles)
    for start in range(0, n_draws, step):
        drawn = rng.dirichlet(np.ones(n_objectives), size=min(step, n_draws - start))
        utility = np.maximum.reduceat(drawn @ contenders.worth, starts, axis=1)
        is_best = np.isclose(utility, utility.max(axis=1, keepdims=True), rtol=0, atol=1e-12)
        won = is_best / is_best.sum(axis=1, keepdims=True)
        wins[candidates] += won.sum(axis=0)
        weights[candidates] += won.T @ drawn


def _tabulate(contest: Contest) -> pl.DataFrame:
    shares, weights = share_weight_space(contest)
    metrics = list(contest.application.weighted())
    central = pl.DataFrame(dict(zip(metrics, weights.T, strict=True))).select(
        pl.concat_list(
            pl.struct(pl.lit(metric).alias("metric"), pl.col(metric).alias("weight"))
            for metric in metrics
        )
    )
    return (
        describe_chosen(contest)
        .select("application", "dataset", "model", "candidate")
        .with_columns(win_share=pl.Series(shares), central_weights=central.to_series())
        .with_columns(
            pl.when(pl.col("win_share") > 0).then("central_weights").alias("central_weights")
        )
        .filter(pl.Series(contest.feasible))
    )
