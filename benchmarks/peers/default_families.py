"""Which families ``rf.search`` should search when a call names none: sets of them side by side.

Run from the repository's root: ``PYTHONPATH=benchmarks/portfolios python
benchmarks/peers/default_families.py``. Each set searches the same rows for 30 CPU seconds, shared
evenly by its families, and quality alone decides; judged by accuracy or R² on rows that no search
sees. The tables are those that portfolios were learnt on: none of them is a table of ``make
bench-peers``. A line per table and set; then the mean gain over the first set, in standard errors
of its quality.
"""

from __future__ import annotations

import argparse
import math
import warnings

import numpy as np
import polars as pl
from peer_judging import score
from peer_rows import MAX_TEST_ROWS, MAX_TRAIN_ROWS, METRICS, TEST_SHARE
from tables import LEARNT_ON, read_frames

import rightfit as rf
from rightfit.preparation.inference import complete_quality
from rightfit.quality.metric import QualityBlock

SETS = {
    "four": ("linear", "forest", "boosting", "lightgbm"),
    "net": ("linear", "forest", "boosting", "lightgbm", "net"),
    "catboost": ("linear", "forest", "boosting", "lightgbm", "catboost"),
    "svm": ("linear", "forest", "boosting", "lightgbm", "catboost", "svm"),
    "six": ("linear", "forest", "boosting", "lightgbm", "net", "catboost"),
}
TABLES = ("leaves", "ames", "wages", "spam", "income", "jobs", "vowel", "hotels", "cells", "tips")


def main() -> None:
    """Print quality per table and set, and the gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--budget-cpu-s", type=float, default=30.0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    gains: dict[str, list[float]] = {name: [] for name in asked.sets}
    for name, source, frame in read_frames({one: LEARNT_ON[one] for one in asked.tables}):
        frame = frame.drop(source.left_out)
        n_test = min(MAX_TEST_ROWS, int(TEST_SHARE * frame.height))
        test, train = frame[:n_test], frame[n_test : n_test + MAX_TRAIN_ROWS]
        qualities = {}
        for chosen in asked.sets:
            found = rf.search(
                train,
                source.target,
                families=SETS[chosen],
                budget_cpu_s=asked.budget_cpu_s,
                n_workers=1,
            )
            best, known = found.best(), test[source.target]
            answers = pl.Series(best.predict(test.drop(source.target)), strict=False)
            task = found.data_card.task
            metric = complete_quality(QualityBlock(name=METRICS[task]), train[source.target], task)
            quality, error = score(known, answers, metric, task)
            qualities[chosen] = quality
            gains[chosen].append((quality - qualities[asked.sets[0]]) / error)
            print(f"{name}, {chosen}: {quality:.4f} ± {error:.4f}, {best.candidate}", flush=True)
    for chosen, found_gains in gains.items():
        mean, spread = float(np.mean(found_gains)), float(np.std(found_gains, ddof=1))
        error = spread / math.sqrt(len(found_gains))
        print(f"{chosen}: {mean:+.2f} ± {error:.2f} standard errors")


if __name__ == "__main__":
    main()
