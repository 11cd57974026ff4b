"""Does halving find the best serving configuration? ``python benchmarks/serving_tuning.py``.

Ten fitted models are tuned for two applications, the median latency and the throughput, both at
most one percent less accurate than the model's best configuration. All configurations of a model
are open in one process. Halving times them as ``rightfit.tune_serving`` does; then all are timed
anew, in turns, until each has ``N_SLICES`` slices: the full grid, which tells the truth.

Ends with one line of JSON:

- ``n_choices``: models times applications;
- ``loss_median``, ``loss_max``: how much worse the configuration that halving puts first is than
  the best of the grid, as a share, both by the grid's figures;
- ``n_within_2_pct``: choices that lose at most 2 %;
- ``slices_share``: slices that halving took / slices of the full grid.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
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
from rightfit.api.serving_tuning import N_FINALISTS, open_graphs, select_trials, shorten_model
from rightfit.measuring.serving_trials import N_SINGLES, ServingTrial, halve_trials, tabulate_trials
from rightfit.models.runtimes import ONNX

N_SLICES = 60
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
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows, targets = load_digits(return_X_y=True)
    parts = train_test_split(rows.astype(np.float32), targets, random_state=0)
    losses: list[float] = []
    n_halving = n_grid = 0
    for name, model in MODELS.items():
        model.fit(parts[0], parts[2])
        lost, slices, grid = tune(name, model, parts[1], parts[3], seed=options.seed)
        losses += lost
        n_halving, n_grid = n_halving + slices, n_grid + grid
    print(
        json.dumps(
            {
                "n_choices": len(losses),
                "loss_median": round(statistics.median(losses), 4),
                "loss_max": round(max(losses), 4),
                "n_within_2_pct": sum(loss <= MAX_LOSS for loss in losses),
                "slices_share": round(n_halving / n_grid, 3),
            }
        )
    )


def tune(
    name: str, model: Any, rows: Any, targets: Any, *, seed: int
) -> tuple[list[float], int, int]:
    """Return the loss for each application, and the slices of halving and of the full grid."""
    plan = MeasuringPlan((ONNX,), (1, "all"), ("cpu",), "quick")
    models = {name: model} | shorten_model(model, name)
    with prepare_models(
        models, rows, targets, plan, dataset="digits", quality=None, trust=False
    ) as prepared:
        trials, _ = open_graphs(prepared)
        finalists = halve_trials(
            trials,
            lambda alive, quota: select_trials(alive, quota, prepared, [*APPLICATIONS.values()]),
            n_finalists=N_FINALISTS,
            seed=seed,
        )
        firsts = [
            finalists[select_trials(finalists, 1, prepared, [application])[0]]
            for application in APPLICATIONS.values()
        ]
        n_halving = sum(len(trial.row_s) for trial in trials)
        complete_grid(trials, seed=seed)
        table = tabulate_trials(trials, prepared.candidates)
    qualities = table["quality_raw"].to_numpy()
    is_good = qualities >= qualities.max() - 0.01 - 1e-9
    losses = []
    for metric, first in zip(APPLICATIONS, firsts, strict=True):
        costs = table[metric].to_numpy()
        costs = 1 / costs if metric == "throughput_rows_per_s" else costs
        position = next(i for i, trial in enumerate(trials) if trial is first)
        losses.append(float(costs[position] / costs[is_good].min()) - 1)
    shown = ", ".join(
        f"{metric} loses {loss:.1%}" for metric, loss in zip(APPLICATIONS, losses, strict=True)
    )
    print(f"{name}: {len(trials)} configurations, {len(finalists)} finalists, {shown}", flush=True)
    return losses, n_halving, len(trials) * N_SLICES


def complete_grid(trials: Sequence[ServingTrial], *, seed: int) -> None:
    """Time all trials anew, in turns, until each has its slices."""
    chance = random.Random(seed + 1)  # noqa: S311 - an order of turns
    for trial in trials:
        trial.row_s.clear()
        trial.batch_s.clear()
    for _ in range(N_SLICES):
        first = chance.randrange(N_SINGLES)
        for trial in chance.sample(trials, len(trials)):
            trial.run_slices(first)


if __name__ == "__main__":
    main()
