"""Which values of a setting the search spaces hold: trainings that differ in that setting alone.

``python benchmarks/constants/compared_settings.py linear`` (or ``lightgbm``) trains the family on
tables of ``LEARNT_ON``. A line per table and setting: mean quality on
validation and test rows, its range over seeds, and the CPU seconds of a training.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import polars as pl
from tables import LEARNT_ON, read_tables

from rightfit.params.defaults import read_default
from rightfit_search.families.family import TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.setting_up import make_data, make_labelled_rows
from rightfit_search.searching.training_params import SEARCH

TABLES = (
    *("attrition", "cells", "churn", "credit", "jobs", "leaves", "remote", "vehicle", "vowel"),
    *("wa_churn", "ames", "concrete", "trains", "wages"),
)
COMPARED: dict[str, list[dict[str, Any]]] = {
    "linear": [
        {"alpha": alpha, "solver": solver}
        for alpha in (1e-5, 1e-4, 6.7e-4, 3e-3)
        for solver in ("sgd", "lbfgs")
    ],
    "lightgbm": [{"extra_trees": False}, {"extra_trees": True}],
}
N_SEEDS = {"linear": 6, "lightgbm": 2}


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(COMPARED))
    name = parser.parse_args().family
    block = read_default("models", SEARCH)[name]
    family = get_family(block["family"])
    for table, prepared in read_tables({table: LEARNT_ON[table] for table in TABLES}):
        card = prepared.data_card
        if name == "linear" and card.task == "regression":  # which takes no solver
            continue
        train = make_data(prepared.encode("train"), card.input_schema)
        judges = pl.concat([prepared.encode(part) for part in ("validation", "test")])
        rows = make_labelled_rows(judges, card.input_schema)
        for settings in COMPARED[name]:
            configuration = block["fixed"] | block["default"] | settings
            begun_s, qualities = time.process_time(), []
            for seed in range(N_SEEDS[name]):
                run = TrainingRun(configuration, train, n_checkpoints=1, seed=seed)
                *_, last = family.train(run)
                predicted = family.predict(last.model, rows.rows)
                if card.task == "regression":
                    error = np.mean((predicted[:, 0] - rows.labels) ** 2)
                    qualities.append(1 - error / rows.labels.var())
                else:
                    qualities.append(np.mean(predicted.argmax(axis=1) == rows.labels))
            cpu_s = (time.process_time() - begun_s) / N_SEEDS[name]
            print(
                f"{table}, {settings}: {np.mean(qualities):.3f}, "
                f"range {np.ptp(qualities):.3f}, {cpu_s:.3f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
