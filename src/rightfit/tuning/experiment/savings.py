"""What stopping saves and what it loses: replays summed up, with bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.tuning.experiment.experiment import ALL, JUDGE

Floats = npt.NDArray[np.float64]

N_DRAWS = 2_000


def summarise_savings(replays: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Sum up replays by policy, and by application where a policy serves one alone.

    Args:
        replays: From ``run_experiment``.
        seed: Seed of the bootstrap, which draws orders within each cell.

    Returns:
        One row per policy and scope: ``saved`` (cost without stopping / cost, geometric mean over
        cells and orders) with ``saved_low`` and ``saved_high`` (95 %), ``saved_clairvoyant`` (where
        anything is feasible), ``regret_mean``, ``regret_p95`` (the highest of any application),
        ``n_lost``, ``n_feasible`` (replays and applications that have a feasible winner) and
        ``overhead_pct`` (the policy's own CPU time against what it spent).
    """
    rows = [
        {"policy": key[0], "scope": key[1], **_summarise(part, seed=seed)}
        for key, part in replays.group_by("policy", "scope", maintain_order=True)
    ]
    return pl.DataFrame(rows)


def summarise_cells(replays: pl.DataFrame) -> pl.DataFrame:
    """Sum up replays that serve all applications at once, by policy, cell and application."""
    log_saved = (pl.col("full_s") / pl.col("cost_s")).log()
    return (
        replays.filter(pl.col("scope") == ALL)
        .group_by("policy", "cell", "application", maintain_order=True)
        .agg(
            log_saved.mean().exp().alias("saved"),
            (pl.col("full_s") / pl.col("clairvoyant_s")).first().alias("saved_clairvoyant"),
            pl.col("regret").mean().alias("regret_mean"),
            pl.col("regret").quantile(0.95).alias("regret_p95"),
            pl.col("is_lost").sum().alias("n_lost"),
            pl.col("is_feasible").any().alias("is_feasible"),
            pl.col("n_complete").mean().alias("n_complete"),
        )
    )


def headline(summary: pl.DataFrame, replays: pl.DataFrame) -> dict[str, Any]:
    """Return the figures that decide: the judge's, for all applications and one at a time."""
    rows = {(row["policy"], row["scope"]): row for row in summary.to_dicts()}
    ours = rows[JUDGE, ALL]
    single = [
        row["saved"] for (policy, scope), row in rows.items() if policy == JUDGE and scope != ALL
    ]

    def against(policy: str) -> float | None:
        other = rows.get((policy, ALL))
        return None if other is None else ours["saved"] / other["saved"]

    return {
        "saved_all": ours["saved"],
        "regret_mean": ours["regret_mean"],
        "regret_p95": ours["regret_p95"],
        "lost_feasible": ours["n_lost"],
        "saved_one": float(np.exp(np.mean(np.log(single)))),
        "vs_median": against("optuna_median"),
        "vs_moasha": against("moasha"),
        "share_of_clairvoyant": ours["saved"] / (ours["saved_clairvoyant"] or float("inf")),
        "overhead_pct": ours["overhead_pct"],
        "n_orders": int(replays["order"].n_unique()),
        "n_cells": int(replays["cell"].n_unique()),
    }


def _summarise(part: pl.DataFrame, *, seed: int) -> dict[str, Any]:
    runs = part.unique(subset=["cell", "order"], maintain_order=True)
    logs = [
        np.log(cell["full_s"].to_numpy() / cell["cost_s"].to_numpy())
        for _, cell in runs.group_by("cell", maintain_order=True)
    ]
    low, high = _bootstrap(logs, seed=seed)
    feasible = part.filter(pl.col("is_feasible"))
    by_application = feasible.group_by("application").agg(pl.col("regret").quantile(0.95))
    with_winner = runs.filter(pl.col("clairvoyant_s") > 0)
    clairvoyant = (with_winner["full_s"] / with_winner["clairvoyant_s"]).log()
    return {
        "saved": float(np.exp(np.mean([log.mean() for log in logs]))),
        "saved_low": low,
        "saved_high": high,
        "saved_clairvoyant": float(np.exp(clairvoyant.to_numpy().mean()))
        if clairvoyant.len()
        else None,
        "regret_mean": float(feasible["regret"].to_numpy().mean()) if feasible.height else None,
        "regret_p95": float(by_application["regret"].to_numpy().max()) if feasible.height else None,
        "n_lost": int(part["is_lost"].sum()),
        "n_feasible": feasible.height,
        "overhead_pct": 100 * float(runs["overhead_s"].sum()) / float(runs["cost_s"].sum()),
    }


def _bootstrap(logs: list[Floats], *, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the geometric mean over cells."""
    rng = np.random.default_rng(seed)
    means = np.zeros(N_DRAWS)
    for log in logs:
        means += rng.choice(log, size=(N_DRAWS, len(log))).mean(axis=1) / len(logs)
    low, high = np.exp(np.quantile(means, [0.025, 0.975]))
    return float(low), float(high)
