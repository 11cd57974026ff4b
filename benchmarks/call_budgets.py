"""Does a call of ``rightfit.search`` keep its budget, at every size of table?

``python benchmarks/call_budgets.py`` searches made regressions of 1,732, 10,000 and 300,000 rows
and 48 columns, each in a process of its own, by quality alone. A line per table; the last is JSON:

- ``overrun_max``: CPU seconds of that process and all that it has started, imports included, as
  shares of the budget: the highest;
- ``behind_max``: by how much R² on rows kept aside is below that of LightGBM without any argument,
  trained on the same rows: the highest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from process_trees import count_cpu_s

SIZES = (1_732, 10_000, 300_000)
N_COLUMNS = 48
N_ASIDE = 20_000

Floats = npt.NDArray[np.float64]


def make_table(n_rows: int) -> pl.DataFrame:
    """Make a regression with interactions, thresholds and noise; ``y`` is its target."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_rows, N_COLUMNS), dtype=np.float32)
    weights = 0.7 * rng.standard_normal(10)
    y = 3 * np.sin(1.5 * x[:, 0]) + x[:, 1] * x[:, 2] + 2 * np.abs(x[:, 3])
    y += 2 * (x[:, 4] > 0.5) * x[:, 5] + x[:, 6:16] @ weights + 0.6 * rng.standard_normal(n_rows)
    return pl.DataFrame(x, schema=[f"x{i}" for i in range(N_COLUMNS)]).with_columns(y=pl.Series(y))


def score(predicted: Any, y: pl.Series) -> float:
    """Return R²."""
    targets = y.to_numpy()
    return float(1 - np.mean((np.asarray(predicted) - targets) ** 2) / targets.var())


def call(n_rows: int, budget_cpu_s: float) -> None:
    """Search a table and print R² on the rows kept aside: what a child process does."""
    import rightfit as rf

    table = make_table(n_rows + N_ASIDE)
    found = rf.search(table.head(n_rows), "y", budget_cpu_s=budget_cpu_s)
    aside = table.tail(N_ASIDE)
    model = found.best()
    if model is None:
        raise RuntimeError("no model was trained within the budget")
    print(json.dumps({"model": str(model), "r2": score(model.predict(aside), aside["y"])}))


def judge_default(n_rows: int) -> float:
    """Return R² of LightGBM without any argument on the rows kept aside."""
    import lightgbm

    table = make_table(n_rows + N_ASIDE)
    train, aside = table.head(n_rows), table.tail(N_ASIDE)
    model = lightgbm.LGBMRegressor(verbose=-1, n_jobs=1)
    model.fit(train.drop("y").to_numpy(), train["y"].to_numpy())
    return score(model.predict(aside.drop("y").to_numpy()), aside["y"])


def main() -> None:
    """Search, count and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--budget-cpu-s", type=float, default=60)
    parser.add_argument("--call", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.call:
        call(asked.rows[0], asked.budget_cpu_s)
        return
    overruns, behind = [], []
    for n_rows in asked.rows:
        options = ["--call", "--rows", str(n_rows), "--budget-cpu-s", str(asked.budget_cpu_s)]
        command = [sys.executable, __file__, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
        cpu_s = count_cpu_s(process)
        printed, _ = process.communicate()
        found, default = json.loads(printed.splitlines()[-1]), judge_default(n_rows)
        overruns.append(cpu_s / asked.budget_cpu_s)
        behind.append(default - found["r2"])
        print(
            f"{n_rows:,} rows: {cpu_s:.1f} of {asked.budget_cpu_s:g} CPU seconds, "
            f"R² {found['r2']:.4f}, LightGBM's default {default:.4f}: {found['model']}",
            flush=True,
        )
    print(json.dumps({"overrun_max": round(max(overruns), 2), "behind_max": round(max(behind), 4)}))


if __name__ == "__main__":
    main()
