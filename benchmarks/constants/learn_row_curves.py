"""How far does the last doubling of the rows bound what more rows bring?

Run from the repository's root: ``python benchmarks/constants/learn_row_curves.py CURVES.jsonl``.
Each family's default is trained on 1,000, 2,000, 4,000 … rows of simulated and real tables, and
judged on 8,000 validation rows and 30,000 test rows. Curves that the file already holds are kept.
From every sample of ``--smallest`` rows and more, :func:`forecast_gain` forecasts the gain on the
test rows with 4 times as many and more. ``DECLINE`` was chosen on the tables in ``CHOOSING``.
A line per group is printed: share of gains within the interval, mean width, mean absolute error of
the expected gain and its bias.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.standard_errors import find_deviations
from rightfit.models.schema import InputSchema
from rightfit.params.defaults import read_default
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.row_curve import RowCurve, forecast_gain
from rightfit_search.searching.space import ModelParams
from rightfit_search.searching.training_params import SEARCH

Array = np.ndarray[Any, Any]
N_VALIDATION, N_TEST, SEED = 8_000, 30_000, 100
LARGEST = {"linear": 128_000, "lightgbm": 128_000, "xgboost": 64_000}
CHOOSING = ("bench", "product", "logistic", "flights_delay", "heavy", "shuttle", "sparse")
FLIGHT_NUMBERS = [
    "month",
    "day",
    "hour",
    "minute",
    "sched_dep_time",
    "sched_arr_time",
    "flight",
    "distance",
]
FLIGHT_TEXTS = ("carrier", "origin", "dest", "tailnum")


def draw_lots(odds: Array, rng: np.random.Generator) -> Array:
    """Draw classes 0 and 1 by the logarithm of their odds."""
    return (rng.random(len(odds)) < 1 / (1 + np.exp(-odds))).astype(int)


def make_bench(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make the table of ``benchmarks/large.py``."""
    x = rng.random((n, 20))
    c = x.T
    y = 10 * np.sin(np.pi * c[0] * c[1]) + 20 * (c[2] - 0.5) ** 2 + 10 * c[3] + 5 * c[4]
    y += 5 * np.sin(2 * np.pi * c[5]) * c[6] + 5 * np.abs(c[7] - c[8]) + 4 * np.sin(9 * c[9])
    return x, y + 3 * rng.normal(size=n)


def make_friedman(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make Friedman's first problem."""
    x = rng.random((n, 10))
    c = x.T
    y = 10 * np.sin(np.pi * c[0] * c[1]) + 20 * (c[2] - 0.5) ** 2 + 10 * c[3] + 5 * c[4]
    return x, y + rng.normal(size=n)


def make_product(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make products of columns that have no effect alone: boosted trees find them by luck."""
    x = rng.normal(size=(n, 12))
    c = x.T
    y = c[0] * c[1] + 0.7 * c[2] * c[3] + 0.5 * c[4] + 0.5 * c[5] ** 2
    return x, y + rng.normal(size=n)


def make_wave(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make waves, which a linear model sees little of."""
    x = rng.random((n, 8))
    c = x.T
    y = np.sin(14 * c[0]) + np.sin(10 * (c[1] + c[2])) + 0.5 * c[3]
    return x, y + 0.5 * rng.normal(size=n)


def make_lookup(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make a random value for each pair of 60 times 60 codes."""
    values = np.random.default_rng(5).normal(size=(60, 60))
    first, second = rng.integers(60, size=(2, n))
    rest = rng.random((n, 6))
    y = values[first, second] + 2 * rest[:, 0] + rng.normal(size=n)
    return np.column_stack([first, second, rest]), y


def make_sparse(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make a linear target of 40 of 60 columns with much noise."""
    x = rng.normal(size=(n, 60))
    weights = np.random.default_rng(6).normal(size=60) * (np.arange(60) < 40)
    return x, x @ weights + 8 * rng.normal(size=n)


def make_heavy(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make noise of heavy tails."""
    x = rng.random((n, 15))
    c = x.T
    y = np.exp(2 * c[0] * c[1] + c[2]) + 2 * np.abs(c[3] - 0.5)
    return x, y + rng.standard_t(3, size=n)


def make_mixture(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make 60 clusters of three classes."""
    generator = np.random.default_rng(7)
    means = generator.normal(size=(60, 12)) * 1.2
    cluster = rng.integers(60, size=n)
    x = means[cluster] + rng.normal(size=(n, 12))
    return x, generator.integers(3, size=60)[cluster]


def make_parity(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make classes by the sign of a product of three columns, among others."""
    x = rng.normal(size=(n, 10))
    odds = np.sign(x[:, 0] * x[:, 1] * x[:, 2]) * 1.2 + x[:, 3] + 0.6 * np.sin(3 * x[:, 4])
    return x, draw_lots(odds, rng)


def make_logistic(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make a logistic model with one product."""
    x = rng.normal(size=(n, 30))
    weights = np.random.default_rng(8).normal(size=30) * 0.4
    return x, draw_lots(x @ weights + 0.8 * x[:, 0] * x[:, 1], rng)


def make_rings(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make rings of three classes, a tenth of them wrong."""
    x = rng.normal(size=(n, 6))
    ring = np.clip((np.sqrt((x[:, :4] ** 2).sum(1)) * 0.75).astype(int), 0, 2)
    is_wrong = rng.random(n) < 0.1
    return x, np.where(is_wrong, rng.integers(3, size=n), ring)


def make_steps(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Make 60 corners, each of two columns."""
    x = rng.random((n, 10))
    generator = np.random.default_rng(9)
    heights = generator.normal(size=60) * 2
    columns, ends = generator.integers(10, size=(2, 60)), generator.random((2, 60))
    corners = zip(heights, *columns, *ends, strict=True)
    y = sum(h * ((x[:, i] > a) & (x[:, j] > b)) for h, i, j, a, b in corners)
    return x, y + rng.normal(size=n)


MAKERS: dict[str, Callable[[np.random.Generator, int], tuple[Array, Array]]] = {
    name.removeprefix("make_"): make for name, make in list(globals().items()) if "make_" in name
}
REAL = ("flights_delay", "flights_late", "flights_distance", "shuttle")


def read_real(name: str) -> tuple[Array, Array]:
    """Read a table of the repository: flights by delay, by being late, by distance; shuttle."""
    if name == "shuttle":
        table = pl.read_parquet("data/01_raw/shuttle.parquet")
        label = table["label"].cast(pl.String).cast(pl.Categorical).to_physical().to_numpy()
        x = table.select(f"v{i}" for i in range(1, 10)).to_numpy()
        return x, (label == np.bincount(label).argmax()).astype(int)
    table = pl.read_parquet("data/01_raw/flights.parquet").drop_nulls("arr_delay")
    codes = pl.col(FLIGHT_TEXTS).fill_null("").rank("dense")
    columns = table.select(*FLIGHT_NUMBERS, codes).cast(pl.Float32)
    delay = table["arr_delay"].to_numpy().astype(float)
    if name == "flights_delay":
        return columns.to_numpy(), np.clip(delay, -60, 120)
    if name == "flights_late":
        return columns.to_numpy(), (delay > 15).astype(int)
    x = columns.drop("flight", "distance", "dest").to_numpy()
    return x, columns["distance"].to_numpy().astype(float)


def measure(family: str, table: str) -> dict[str, Any]:
    """Train on doubling rows and judge."""
    rng, largest = np.random.default_rng(SEED), LARGEST[family]
    n_validation, n_test = N_VALIDATION, N_TEST
    if table in MAKERS:
        x, y = MAKERS[table](rng, largest + n_validation + n_test)
    else:
        x, y = read_real(table)
        order = rng.permutation(len(y))
        x, y = x[order], y[order]
        n_validation, n_test = min(n_validation, len(y) // 8), min(n_test, len(y) // 4)
    classes = tuple(map(str, range(int(y.max()) + 1))) if y.dtype.kind == "i" else ()
    schema = InputSchema(tuple(f"x{i}" for i in range(x.shape[1])), classes, None)
    x, y = x.astype(np.float32), schema.cast_labels(y)
    parts = np.cumsum([n_validation, n_test])
    (rows_v, rows_t, rows), (y_v, y_t, y) = np.split(x, parts), np.split(y, parts)
    block = read_default("models", SEARCH)[family]
    learner = get_family(block["family"])
    params = ModelParams(**{name: value for name, value in block.items() if name != "family"})
    default = params.first(learner.list_defaults(), schema.task)
    metric = QualityMetric(name="accuracy" if classes else "r2", worst=0, best=1)
    sizes = [1_000 * 2**i for i in range(20) if 1_000 * 2**i <= min(largest, len(y))]
    curve: dict[str, Any] = {"table": table, "family": family, "sizes": sizes}
    deviations, curve["validation"], curve["test"] = [], [], []
    for n in sizes:
        run = TrainingRun(
            {**params.fixed, **(default or {})}, TrainingData(rows[:n], y[:n], schema)
        )
        *_, last = learner.train(run)
        answers = learner.predict(last.model, rows_v.copy())
        deviations.append(find_deviations(metric, y_v, answers))
        curve["validation"].append(metric.score(y_v, answers))
        curve["test"].append(metric.score(y_t, learner.predict(last.model, rows_t.copy())))
    curve["covariance"] = (np.array(deviations) @ np.array(deviations).T).tolist()
    return curve


def judge(curve: dict[str, Any], smallest: int) -> Iterator[tuple[float, float, float]]:
    """Yield whether the interval holds a gain, its width, and how far too high its value is."""
    sizes, covariance = curve["sizes"], np.array(curve["covariance"])
    for last in range(2, len(sizes)):
        part = slice(last - 2, last + 1)
        row_curve = RowCurve(
            tuple(sizes[part]),
            tuple(curve["validation"][part]),
            tuple(map(tuple, covariance[part, part])),
            (1.0,) * 3,
            (1.0,) * 3,
        )
        for larger in range(last + 2, len(sizes) if sizes[last] >= smallest else 0):
            forecast = forecast_gain(row_curve, sizes[last], sizes[larger])
            gain = curve["test"][larger] - curve["test"][last]
            holds = forecast.low <= gain <= forecast.high
            yield holds, forecast.high - forecast.low, forecast.value - gain


def main() -> None:
    """Measure curves that the file lacks, and judge the forecasts of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--families", nargs="+", default=list(LARGEST))
    parser.add_argument("--tables", nargs="+", default=[*MAKERS, *REAL])
    parser.add_argument("--smallest", type=int, default=8_000)
    asked = parser.parse_args()
    lines = asked.file.read_text().splitlines() if asked.file.exists() else []
    curves = {(curve["family"], curve["table"]): curve for curve in map(json.loads, lines)}
    for key in ((family, table) for family in asked.families for table in asked.tables):
        if key not in curves:
            curves[key] = measure(*key)
            with asked.file.open("a") as file:
                file.write(json.dumps(curves[key]) + "\n")
    judged: dict[str, list[tuple[float, float, float]]] = {}
    for (family, table), curve in curves.items():
        for group in (
            f"family {family}",
            "tables that chose" if table in CHOOSING else "other tables",
        ):
            judged.setdefault(group, []).extend(judge(curve, asked.smallest))
    for group, rows in sorted(judged.items()):
        held, width, excess = np.array(rows, float).T
        print(
            f"{group}: {len(rows)} gains, {held.mean():.3f} within, width {width.mean():.4f}, "
            f"error {np.abs(excess).mean():.4f}, bias {excess.mean():+.4f}"
        )


if __name__ == "__main__":
    main()
