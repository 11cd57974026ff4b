"""What a policy saves and what it loses: replays in sums, intervals and a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit.reporting.charts.palette import base_layout, marks_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Floats = npt.NDArray[np.float64]

N_DRAWS = 2_000
HEIGHT_PX = 520
POLICY = ("kind", "setting", "measuring", "n_trials", "variant")
TRADES = (
    "fewer",
    "median",
    "percentile",
    "halving",
    "hyperband",
    "promotion",
    "none",
)


def summarise_savings(replays: pl.DataFrame) -> pl.DataFrame:
    """Sum up replays by policy.

    Returns:
        One row per policy: ``saved`` (cost of training and measuring everything / cost, geometric
        mean over cells and orders), ``regret_mean``, ``regret_p95``, ``regret_test``, ``n_lost`` of
        ``n_feasible``; the same for the winner over a dataset's families (``saved_dataset``,
        ``regret_dataset``); ``overhead_pct``, the rule's own CPU time against what it spent.
    """
    rows = []
    for key, part in replays.group_by(POLICY, maintain_order=True):
        runs = part.unique(["dataset", "model", "order"], maintain_order=True)
        feasible = part.filter("is_feasible")
        rows.append(
            dict(zip(POLICY, key, strict=True))
            | {
                "saved": _geometric_mean(runs["full_s"] / runs["cost_s"]),
                "regret_mean": feasible["regret"].mean(),
                "regret_p95": feasible["regret"].quantile(0.95),
                "regret_test": feasible["regret_test"].mean(),
                "n_lost": int(part["is_lost"].sum()),
                "n_feasible": feasible.height,
                **_sum_datasets(part),
                "trained": runs["n_trained"].mean(),
                "measuring_pct": 100
                * float(np.mean((runs["measuring_s"] / runs["cost_s"]).to_numpy())),
                "overhead_pct": 100 * float(runs["overhead_s"].sum()) / float(runs["cost_s"].sum()),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def summarise_cells(replays: pl.DataFrame) -> pl.DataFrame:
    """Sum up replays by policy and cell."""
    log_saved = (pl.col("full_s") / pl.col("cost_s")).log()
    return replays.group_by("dataset", "model", *POLICY, maintain_order=True).agg(
        log_saved.mean().exp().alias("saved"),
        pl.col("regret").mean().alias("regret_mean"),
        pl.col("regret").max().alias("regret_max"),
        pl.col("is_lost").sum().alias("n_lost"),
        pl.col("n_trained").mean().alias("n_trained"),
    )


def draw_stopping(cells: pl.DataFrame) -> Figure:
    """Draw each policy's saving against its mean regret, one point per cell and setting."""
    from plotly.graph_objects import Figure, Scatter

    points = cells.filter(pl.col("variant") == "")
    figure = Figure(layout=base_layout("What stopping saves and loses, all applications at once"))
    for policy, mark in marks_of(points["kind"]).items():
        mine = points.filter(kind=policy)
        figure.add_trace(
            Scatter(
                x=mine["regret_mean"].to_list(),
                y=mine["saved"].to_list(),
                text=[
                    f"{row['dataset']}.{row['model']}, setting {row['setting']:g}, measuring "
                    f"{row['measuring']}: {row['n_lost']} winners lost"
                    for row in mine.to_dicts()
                ],
                name=policy,
                mode="markers",
                marker={"color": mark.color, "symbol": mark.symbol, "size": 10},
            )
        )
    figure.update_xaxes(title="Mean utility lost")
    figure.update_yaxes(title="Compute saved (times)", type="log")
    figure.update_layout(height=HEIGHT_PX)
    return figure


def headline(replays: pl.DataFrame, summary: pl.DataFrame, *, seed: int) -> dict[str, Any]:
    """Return the figures that decide, those of the pausing rule as configured.

    ``equal_regret_speedup`` is the compute of fewer trials, everything measured, at our mean regret
    over our compute (``equal_regret_same_measuring``: measured by our rule); ``vs_best_peer`` our
    saving over the most that any peer saves, measured by the same rule, at no more than our regret
    and losses, interpolated between its settings. ``infeasible_extra_pct`` is what an application
    that nothing satisfies adds to the compute, the higher of two kinds. Intervals are 95 %, from a
    bootstrap over datasets and their cells.
    """
    is_ours = (pl.col("kind") == "pausing") & (pl.col("variant") == "")
    ours = summary.filter(is_ours).row(0, named=True)  # as configured: the first of its kind
    runs = replays.filter(
        is_ours & (pl.col("setting") == ours["setting"]) & (pl.col("n_trials") == ours["n_trials"])
    )
    low, high = _bootstrap(runs, seed=seed)
    same_rule = summary.filter((pl.col("measuring") == "rule") & (pl.col("variant") == ""))
    reachable = {
        kind: saved
        for kind in TRADES
        if (saved := _save_at(same_rule.filter(pl.col("kind") == kind), ours)) is not None
    }
    best = max(reachable, key=lambda kind: reachable[kind], default=None)
    fewer = reachable.get("fewer")
    whole = summary.filter((pl.col("kind") == "fewer") & (pl.col("measuring") == "all"))
    plain = _save_at(whole, ours)
    figures = ("regret_mean", "regret_p95", "regret_test", "n_lost", "n_feasible")
    return {
        "saved": ours["saved"],
        "saved_low": low[0],
        "saved_high": high[0],
        "regret_low": low[1],
        "regret_high": high[1],
        **{name: ours[name] for name in (*figures, "saved_dataset", "regret_dataset")},
        "equal_regret_speedup": None if plain is None else ours["saved"] / plain,
        "equal_regret_same_measuring": None if fewer is None else ours["saved"] / fewer,
        "vs_best_peer": None if best is None else ours["saved"] / reachable[best],
        "best_peer": best,
        "infeasible_extra_pct": _infeasible_extra_pct(replays, runs),
        "overhead_pct": ours["overhead_pct"],
        "n_cells": replays.unique(["dataset", "model"]).height,
    }


def _save_at(peer: pl.DataFrame, ours: dict[str, float | int]) -> float | None:
    """Return what a peer saves at no more than our regret and share of losses.

    Between two of its settings, the logarithm of the saving is interpolated in the regret. Training
    everything loses nothing, so every peer has that as its end.
    """
    share = ours["n_lost"] / max(ours["n_feasible"], 1)
    regret = float(ours["regret_mean"])
    points = [(0.0, 0.0)]
    for row in peer.sort("regret_mean").to_dicts():
        points.append((row["regret_mean"], float(np.log(row["saved"]))))
        if row["regret_mean"] <= regret and row["n_lost"] / max(row["n_feasible"], 1) > share:
            points.pop()
    if len(points) == 1:
        return None
    front = [points[0]]
    for x, y in points[1:]:
        if y > front[-1][1]:
            front.append((x, y))
    xs, ys = zip(*front, strict=True)
    return float(np.exp(np.interp(regret, xs, ys)))


def _sum_datasets(part: pl.DataFrame) -> dict[str, float | None]:
    keys = ["dataset", "order"]
    runs = part.unique([*keys, "model"], maintain_order=True)
    cost = runs.group_by(keys, maintain_order=True).agg(pl.col("full_s", "cost_s").sum())
    won = part.group_by([*keys, "application"], maintain_order=True).agg(
        pl.col("best").max(), pl.col("reached").max().fill_null(0.0)
    )
    won = won.filter(pl.col("best").is_not_null())
    return {
        "saved_dataset": _geometric_mean(cost["full_s"] / cost["cost_s"]),
        "regret_dataset": (won["best"] - won["reached"]).mean(),  # type: ignore[dict-item]
    }


def _infeasible_extra_pct(replays: pl.DataFrame, ours: pl.DataFrame) -> float:
    keys = ["dataset", "model", "order"]
    alone = ours.unique(keys).select(*keys, pl.col("cost_s").alias("alone_s"))
    extras = []
    for variant in ("too_fast", "too_good"):
        runs = replays.filter(pl.col("variant") == variant).unique(keys).join(alone, on=keys)
        extras.append(100 * (_geometric_mean(runs["cost_s"] / runs["alone_s"]) - 1))
    return max(extras)


def _geometric_mean(values: pl.Series) -> float:
    return float(np.exp(np.log(values.to_numpy()).mean()))


def _bootstrap(runs: pl.DataFrame, *, seed: int) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % intervals of saving and mean regret.

    Datasets are drawn with replacement, then cells within each: other orders of the same trials
    tell nothing about other data.
    """
    rng = np.random.default_rng(seed)
    datasets = [
        [
            (
                float((cell["full_s"] / cell["cost_s"]).log().mean()),  # type: ignore[arg-type]
                cell["regret"].drop_nulls().to_numpy(),
            )
            for _, cell in part.group_by("model", maintain_order=True)
        ]
        for _, part in runs.group_by("dataset", maintain_order=True)
    ]
    draws = []
    for _ in range(N_DRAWS):
        logs, regrets = [], []
        for d in rng.integers(len(datasets), size=len(datasets)):
            for c in rng.integers(len(datasets[d]), size=len(datasets[d])):
                log_saved, regret = datasets[d][c]
                logs.append(log_saved)
                regrets.append(regret)
        draws.append((float(np.mean(logs)), float(np.mean(np.concatenate(regrets)))))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    return np.array([np.exp(low[0]), low[1]]), np.array([np.exp(high[0]), high[1]])
