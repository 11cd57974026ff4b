"""Does halving find the best serving configuration? ``python benchmarks/serving_tuning.py``.

Ten fitted models are tuned for two applications, the median latency and the throughput, both at
most one percent less accurate than the model's best configuration. Halving tries the graphs of a
model as ``rightfit.tune_serving`` does; then all of them are measured to the end: the full grid,
which tells the truth.

Ends with one line of JSON:

- ``n_choices``: models times applications;
- ``loss_median``, ``loss_max``: how much worse the best of the finalists is than the best of the
  grid, as a share, both by the grid's figures;
- ``n_within_2_pct``: choices that lose at most 2 %;
- ``measuring_share``: time of the processes of halving / of the full grid.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

import numpy as np
import polars as pl
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import rightfit as rf
from rightfit.api.own_models import MeasuringPlan, prepare_models
from rightfit.api.serving_tuning import N_FINALISTS, select_trials, shorten_model, try_servings
from rightfit.models.runtimes import ONNX

MAX_LOSS = 0.02
MODELS: dict[str, Any] = {
    "forest of 50": RandomForestClassifier(50, random_state=0),
    "forest of 200": RandomForestClassifier(200, random_state=0),
    "deep forest of 100": ExtraTreesClassifier(100, random_state=0),
    "forest of leaves of 5": RandomForestClassifier(100, min_samples_leaf=5, random_state=0),
    "boosting of 40": HistGradientBoostingClassifier(max_iter=40, random_state=0),
    "boosting of 100": HistGradientBoostingClassifier(max_iter=100, random_state=0),
    "boosting of scikit-learn": GradientBoostingClassifier(n_estimators=40, random_state=0),
    "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
    "net": make_pipeline(StandardScaler(), MLPClassifier((256, 256), max_iter=50, random_state=0)),
    "support vectors": make_pipeline(StandardScaler(), SVC()),
}
LIMIT = {"quality_raw": rf.Constraint(max_degradation=0.01)}
APPLICATIONS = {
    metric: rf.Application(
        description=metric,
        scenario="offline",
        objectives={metric: rf.Objective(weight=1, worst=worst, best=best, scale="log")},
        constraints=LIMIT,
    )
    for metric, worst, best in (
        ("latency_p50_ms", 1e3, 1e-4),
        ("throughput_rows_per_s", 1.0, 1e9),
    )
}


def main() -> None:
    """Tune all models and print what is lost against the full grid."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=[*MODELS])
    options = parser.parse_args()
    rows, targets = load_digits(return_X_y=True)
    parts = train_test_split(rows.astype(np.float32), targets, random_state=0)
    losses: list[float] = []
    halving_s = grid_s = 0.0
    for name in options.models:
        model = MODELS[name].fit(parts[0], parts[2])
        loss, trials_s, all_s = tune(name, model, parts[1], parts[3])
        losses += loss
        halving_s, grid_s = halving_s + trials_s, grid_s + all_s
    print(
        json.dumps(
            {
                "n_choices": len(losses),
                "loss_median": round(statistics.median(losses), 4),
                "loss_max": round(max(losses), 4),
                "n_within_2_pct": sum(loss <= MAX_LOSS for loss in losses),
                "measuring_share": round(halving_s / grid_s, 3),
            }
        )
    )


def tune(name: str, model: Any, rows: Any, targets: Any) -> tuple[list[float], float, float]:
    """Return the loss for each application, and the seconds of halving and of the full grid."""
    plan = MeasuringPlan((ONNX,), (1, "all"), ("cpu",), "quick")
    models = {name: model} | shorten_model(model, name)
    with prepare_models(
        models, rows, targets, plan, dataset="digits", quality=None, trust=False
    ) as prepared:
        trials = try_servings(prepared, name, [*APPLICATIONS.values()])
        grid = prepared.profile(prepared.bench.settings, lambda profiles: [True] * profiles.height)
    qualities = grid["quality_raw"].to_numpy()
    is_good = qualities >= qualities.max() - 0.01 - 1e-9
    losses = []
    for metric, application in APPLICATIONS.items():
        finalists = select_trials(trials, N_FINALISTS, [application])
        costs = grid[metric].to_numpy()
        costs = 1 / costs if metric == "throughput_rows_per_s" else costs
        best = min(costs[i] if is_good[i] else np.inf for i in finalists)
        losses.append(float(best / costs[is_good].min()) - 1)
    shown = ", ".join(
        f"{metric} loses {loss:.1%}" for metric, loss in zip(APPLICATIONS, losses, strict=True)
    )
    print(f"{name}: {grid.height} configurations, {shown}", flush=True)
    taken_s = pl.col("measured_how").struct.field("measured_s").sum()
    return losses, trials.select(taken_s).item(), grid.select(taken_s).item()


if __name__ == "__main__":
    main()
