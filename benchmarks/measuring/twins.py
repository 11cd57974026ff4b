"""Are copies of one model told the same? ``make bench-twins``.

Each of eight models is copied six times and the copies are compared as a user compares models
(``rightfit.compare``), in both runtimes, with one and with two threads. Their figures differ by
chance alone. Copies are a cost class, whose samples are shared; here they are not, or the check
would prove nothing. With ``--busy`` a loop takes one core meanwhile. Figures, the largest over
models, runtimes and threads:

- ``spread_p50``, ``spread_p95``, ``spread_memory``: standard deviation of a figure's logarithm over
  the copies;
- ``spread_throughput``, ``spread_throughput_2``: the same with one and with two threads;

and over all pairs of copies and these metrics:

- ``apart``: share of pairs whose 95 % intervals exclude each other;
- ``told_apart``: share of pairs that a ranking by the metric alone does not call practically equal:
  the second one's chance of being practically the best is below 5 %. Practical equality is a
  hundredth of a scale of two decades, that is 4.7 %.

Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import multiprocessing
import statistics
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import log
from typing import Any

import numpy as np
import polars as pl

import rightfit as rf
from rightfit.measuring.profiles import candidate_profiles

N_COPIES = 6
CLEARLY_WORSE = 0.05  # chance of being practically the best
METRICS = {
    "p50": "latency_p50_ms",
    "p95": "latency_p95_ms",
    "throughput": "throughput_rows_per_s",
    "memory": "peak_memory_mib",
}


def make_models() -> dict[str, tuple[Any, Any]]:
    """Return fitted models by name, each with test rows; targets are ``TARGETS``."""
    from lightgbm import LGBMClassifier
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from sklearn.svm import SVC

    train, test, targets = read_rows()
    models: dict[str, Any] = {
        "linear": LogisticRegression(max_iter=200),
        "forest": RandomForestClassifier(100, random_state=0),
        "boosting": HistGradientBoostingClassifier(max_iter=30),
        "lightgbm": LGBMClassifier(n_estimators=30, verbose=-1, n_jobs=1),
        "net": MLPClassifier((64,), max_iter=40, random_state=0),
        "svm": SVC(probability=False),
        "knn": KNeighborsClassifier(),
    }
    fitted: dict[str, tuple[Any, Any]] = {
        name: (model.fit(train, targets), test) for name, model in models.items()
    }
    named_train, named_test = (
        pl.DataFrame(rows, schema=[f"pixel_{i}" for i in range(rows.shape[1])])
        for rows in (train, test)
    )
    halves = named_train.columns[:32], named_train.columns[32:]
    columns = ColumnTransformer(
        [("scaled", StandardScaler(), halves[0]), ("placed", MinMaxScaler(), halves[1])]
    )
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=200))
    fitted["pipeline"] = (pipeline.fit(named_train, targets), named_test)
    return fitted


def read_rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows to train with and to test with, and the targets of the first."""
    from sklearn.datasets import load_digits

    rows, targets = load_digits(return_X_y=True)
    rows = rows.astype(np.float32)
    return rows[:1_200], rows[1_200:], targets[:1_200]


def compare_copies(model: Any, rows: Any, n_threads: int) -> rf.Profiles:
    """Measure copies of a model in both runtimes."""
    from sklearn.datasets import load_digits

    targets = load_digits(return_X_y=True)[1][1_200:]
    copies = {f"copy-{number}": copy.deepcopy(model) for number in range(N_COPIES)}
    return rf.compare(copies, rows, targets, n_threads=[n_threads], verbose=0)


def hold_together(table: pl.DataFrame, label: str) -> dict[str, Any]:
    """Return the spread of each metric, and of each pair whether it is told apart.

    Args:
        table: Profiles of the copies in one runtime.
        label: For what was not measured.
    """
    profiles = list(rf.Profiles(table))
    found: dict[str, Any] = {"apart": [], "told_apart": []}
    for name, column in METRICS.items():
        figures = [profile[column] for profile in profiles]
        if any(figure.value is None for figure in figures):
            print(f"{label}: {column} was not measured", flush=True)
            continue
        found[name] = statistics.stdev(log(figure.value) for figure in figures if figure.value)
        middle = statistics.median(float(figure) for figure in figures)
        ends = [middle / 10, middle * 10]
        worst, best = sorted(ends, reverse=column != METRICS["throughput"])
        goal = {"weight": 1, "worst": worst, "best": best, "scale": "log"}
        application = {"alone": {"objectives": {column: goal}}}
        for first, second in itertools.combinations(profiles, 2):
            found["apart"].append(excludes(first[column], second[column]))
            pair = table.filter(pl.col("candidate").is_in([first.candidate, second.candidate]))
            ranked = rf.rank(rf.Profiles(pair), application).table
            found["told_apart"].append(bool(ranked["p_best"].to_numpy().min() < CLEARLY_WORSE))
    return found


def excludes(first: rf.Figure, second: rf.Figure) -> bool:
    """Tell whether two intervals have nothing in common."""
    lower, upper = sorted((first, second), key=float)
    return lower.high is not None and upper.low is not None and lower.high < upper.low


@contextmanager
def busy_core() -> Iterator[None]:
    """Take a core."""
    process = multiprocessing.get_context("spawn").Process(target=burn, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def burn() -> None:
    """Compute for ever."""
    while True:
        sum(range(10_000))


def main() -> None:
    """Compare the copies and print what is told of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--models", nargs="+")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if hasattr(candidate_profiles, "find_structure"):  # an earlier version has no classes
        candidate_profiles.find_structure = lambda *_: None
    largest: dict[str, float] = {}
    pairs: dict[str, list[bool]] = {"apart": [], "told_apart": []}
    for name, (model, rows) in make_models().items():
        for n_threads in options.threads if name in (options.models or [name]) else ():
            with busy_core() if options.busy else nullcontext():
                profiles = compare_copies(model, rows, n_threads)
            for runtime in ("onnx", "native"):
                served = profiles.to_polars().filter(pl.col("runtime") == runtime)
                label = f"{name}, {runtime} x {n_threads}"
                if served.height < 2:
                    print(f"{label}: not served", flush=True)
                    continue
                found = hold_together(served, label)
                for key, shares in pairs.items():
                    shares += found[key]
                n_apart, n_told = (sum(found[key]) for key in pairs)
                spreads: dict[str, float] = {
                    metric: found[metric] for metric in METRICS if metric in found
                }
                sizes = served["best_batch_size"].sort().to_list()
                disturbed = served["disturbed"].sum()
                print(
                    f"{label}: {', '.join(f'{key} {value:.4f}' for key, value in spreads.items())};"
                    f" {n_apart} and {n_told} of {len(found['apart'])} pairs apart and told apart;"
                    f" batch sizes {sizes}; {disturbed} disturbed",
                    flush=True,
                )
                for metric, value in spreads.items():
                    key = f"spread_{metric}" + "_2" * (metric == "throughput" and n_threads == 2)
                    largest[key] = max(largest.get(key, 0.0), value)
    largest |= {key: sum(told) / len(told) for key, told in pairs.items()}
    print(json.dumps({key: round(value, 4) for key, value in largest.items()}))


if __name__ == "__main__":
    main()
