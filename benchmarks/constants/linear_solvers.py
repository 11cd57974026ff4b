"""Why ``linear`` is searched with ``solver: lbfgs`` alone.

``python benchmarks/constants/linear_solvers.py`` trains logistic regressions by both solvers on
small tables of ``LEARNT_ON``. A line per table and penalty: mean accuracy on validation and test
rows, its range over seeds, and the CPU seconds of a training.
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl
from tables import LEARNT_ON, read_tables

from rightfit.models.family import TrainingRun
from rightfit.models.linear import FAMILY
from rightfit.searching.setting_up import make_data, make_labelled_rows

TABLES = (
    *("attrition", "cells", "churn", "credit", "jobs"),
    *("leaves", "remote", "vehicle", "vowel", "wa_churn"),
)
PENALTIES = (1e-5, 1e-4, 6.7e-4, 3e-3)
N_SEEDS = 6


def main() -> None:
    """Train, judge and print."""
    for name, prepared in read_tables({name: LEARNT_ON[name] for name in TABLES}):
        schema = prepared.data_card.input_schema
        train = make_data(prepared.encode("train"), schema)
        judges = make_labelled_rows(
            pl.concat([prepared.encode(part) for part in ("validation", "test")]), schema
        )
        for alpha in PENALTIES:
            figures = []
            for solver in ("sgd", "lbfgs"):
                settings = {"n_epochs": 12, "learning_rate": "optimal", "eta0": 0.01}
                configuration = settings | {"alpha": alpha, "penalty": "l2", "solver": solver}
                begun_s, accuracies = time.process_time(), []
                for seed in range(N_SEEDS):
                    run = TrainingRun(configuration, train, n_checkpoints=1, seed=seed)
                    *_, last = FAMILY.train(run)
                    predicted = FAMILY.predict(last.model, judges.rows).argmax(axis=1)
                    accuracies.append(float((predicted == judges.labels).mean()))
                cpu_s = (time.process_time() - begun_s) / N_SEEDS
                figures.append(
                    f"{solver} {np.mean(accuracies):.3f}, range {np.ptp(accuracies):.3f}, "
                    f"{cpu_s:.3f} s"
                )
            print(f"{name}, alpha {alpha:g}: {'; '.join(figures)}", flush=True)


if __name__ == "__main__":
    main()
