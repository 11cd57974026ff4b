"""How far from its forecast is the CPU time of a training on many rows?

Run from the repository's root: ``python benchmarks/constants/learn_row_costs.py COSTS.jsonl``.
Each family's default is trained on a sample of simulated tables, then on all train rows, and the
CPU seconds of that are compared with what :func:`forecast_cpu_s` foretold. Trainings that the file
already holds are kept. A line per family is printed: the lowest and the highest measured share of
the forecast, and how many lie within the forecast's interval.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import astuple
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from learn_row_curves import MAKERS, SEED

import rightfit as rf
from rightfit_search.families import net

sys.path.append(str(Path(__file__).parents[1]))
from large import record_costs_s

N_SAMPLED = 50_000


def measure(table: str, family: str, n_rows: int, n_epochs: int | None) -> dict[str, Any]:
    """Train on a sample and on all rows; return costs and qualities with their forecasts."""
    x, y = MAKERS[table](np.random.default_rng(SEED), n_rows)
    frame = pl.DataFrame(x.astype(np.float32), schema=[f"x{i}" for i in range(x.shape[1])])
    costs_s = record_costs_s(logging.getLogger("rightfit_search.searching.parallel.all_rows"))
    if n_epochs is not None:  # a setting of so few would hold on the sample too
        net._MIN_EPOCHS, net._MOST_PASSED_ROWS = n_epochs, n_epochs * n_rows
    result = rf.search(
        frame.with_columns(y=pl.Series(y)),
        "y",
        families=[family],
        n_trials=1,
        budget_cpu_s=None,
        n_jobs=1,
        train_rows="all",
        refit=False,
        dataset={"max_train_rows": N_SAMPLED, "max_test_rows": 4 * N_SAMPLED},
    )
    [(name, forecast)] = result.row_forecasts.items()
    [profile, *_] = result.profiles.select(candidate=name)
    return {
        "table": table,
        "family": family,
        "n_rows": n_rows,
        "n_epochs": n_epochs,
        "cpu_s": costs_s[name],
        "foretold_cpu_s": astuple(forecast.cpu_s),
        "quality": profile["quality_raw"].value,
        "foretold_gain": astuple(forecast.gain),
    }


def main() -> None:
    """Measure trainings that the file lacks, and compare all with their forecasts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--families", nargs="+", default=["lightgbm", "xgboost", "linear", "net"])
    parser.add_argument("--tables", nargs="+", default=["bench", "mixture", "logistic"])
    parser.add_argument("--rows", nargs="+", type=int, default=[250_000, 1_000_000, 3_000_000])
    parser.add_argument("--epochs", type=int, help="of a net, if other than its recipe's")
    asked = parser.parse_args()
    logging.getLogger("rightfit_search.searching.parallel.all_rows").setLevel(logging.INFO)
    lines = asked.file.read_text().splitlines() if asked.file.exists() else []
    trainings = list(map(json.loads, lines))
    keys = {(t["table"], t["family"], t["n_rows"], t["n_epochs"]) for t in trainings}
    for n_rows, table, family in product(asked.rows, asked.tables, asked.families):
        if (table, family, n_rows, asked.epochs) not in keys:
            trainings.append(measure(table, family, n_rows, asked.epochs))
            with asked.file.open("a") as file:
                file.write(json.dumps(trainings[-1]) + "\n")
    for family in dict.fromkeys(training["family"] for training in trainings):
        shares, holds = [], []
        for training in trainings:
            if training["family"] == family:
                value, low, high = training["foretold_cpu_s"]
                shares.append(training["cpu_s"] / value)
                holds.append(low <= training["cpu_s"] <= high)
        print(
            f"{family}: {len(shares)} trainings, {min(shares):.2f} to {max(shares):.2f} of the "
            f"forecast, {sum(holds)} within its interval"
        )


if __name__ == "__main__":
    main()
