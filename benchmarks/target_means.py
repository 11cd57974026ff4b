"""What the target's means by category bring to regressions: ``features.target_means``.

Run from the repository's root: ``PYTHONPATH=benchmarks/portfolios python
benchmarks/target_means.py``. The tables have a column of six categories or more, and come from R
packages of Debian: those of ``tables.py`` and ``apt-get install r-cran-{aer,dslabs,plm}``. None is
a table of ``make bench-peers``. ``rf.search`` chooses by quality alone within 15 CPU seconds,
without and with the means; a third of the rows, drawn anew by each seed, judges. Printed is R², and
the gain with its standard error over these rows; then each table's mean gain in such errors, and
the mean of the tables with its standard error.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections import defaultdict

import numpy as np
import polars as pl
from tables import LEARNT_ON, TableSource, read_frames

import rightfit as rf

MAX_ROWS = 10_000
BUDGET_CPU_S = 15.0
KINDS = {"numeric": ["*"], "indicate_missing": ["*"], "categorical": ["*"]}
TABLES = {
    **{name: LEARNT_ON[name] for name in ("ames", "hotels", "deliveries")},
    "lending": TableSource("modeldata", "lending_club", "int_rate", ("sub_grade",)),
    "sacramento": TableSource("modeldata", "Sacramento", "price"),
    "towns": TableSource("ggplot2", "txhousing", "median"),
    "guns": TableSource("AER", "Guns", "violent", ("murder", "robbery")),
    "unemployment": TableSource("plm", "Produc", "unemp"),
    "rice": TableSource("plm", "RiceFarms", "goutput", ("noutput",)),
    "belts": TableSource("AER", "USSeatBelts", "fatalities"),
    "diseases": TableSource("dslabs", "us_contagious_diseases", "count"),
    "gapminder": TableSource("dslabs", "gapminder", "life_expectancy"),
    "midwest": TableSource("ggplot2", "midwest", "percollege", ("county", "percprof")),
    "fatalities": TableSource(
        "AER",
        "Fatalities",
        "fatal",
        (
            *("sfatal", "afatal", "nfatal", "fatal1517", "nfatal1517"),
            *("fatal1820", "nfatal1820", "fatal2124", "nfatal2124"),
        ),
    ),
}


def search(
    train: pl.DataFrame, test: pl.DataFrame, target: str, *, seed: int, target_means: bool
) -> np.ndarray:
    """Return what each test row adds to R² of the model that a search chooses."""
    found = rf.search(
        train,
        target,
        task="regression",
        quality="r2",
        dataset={"features": {**KINDS, "target_means": target_means}, "seed": seed},
        budget_cpu_s=BUDGET_CPU_S,
        n_workers=1,
        seed=seed,
    )
    values = test[target].cast(pl.Float64).to_numpy()
    answers = np.asarray(found.best().predict(test.drop(target)), dtype=np.float64)
    shares: np.ndarray = 1 - (answers - values) ** 2 / values.var()
    return shares


def main() -> None:
    """Print gains per table and seed, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    in_errors: dict[str, list[float]] = defaultdict(list)
    for seed in asked.seeds:
        for name, source, frame in read_frames({one: TABLES[one] for one in asked.tables}):
            rows = frame.drop(source.left_out).sample(fraction=1.0, shuffle=True, seed=seed)
            rows = rows.head(MAX_ROWS)
            n_train = 2 * rows.height // 3
            train, test = rows.head(n_train), rows.tail(-n_train)
            without, with_means = (
                search(train, test, source.target, seed=seed, target_means=has_means)
                for has_means in (False, True)
            )
            gains = with_means - without
            error = float(gains.std()) / math.sqrt(len(gains))
            in_errors[name].append(float(gains.mean()) / error if error else 0.0)
            gained = f"{gains.mean():+.4f} ± {error:.4f}"
            print(f"{seed}, {name}: {without.mean():.4f}, {gained}", flush=True)
    means = {name: float(np.mean(found)) for name, found in in_errors.items()}
    print(", ".join(f"{name} {mean:+.2f}" for name, mean in means.items()))
    spread = np.std(list(means.values()), ddof=1) / math.sqrt(len(means))
    print(f"mean of the tables: {np.mean(list(means.values())):+.2f} ± {spread:.2f} errors")


if __name__ == "__main__":
    main()
