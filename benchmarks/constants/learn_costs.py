"""Learn what training costs from timed trainings: ``src/…/pausing/training_costs.json``.

``python benchmarks/constants/learn_costs.py record --root FOLDER`` trains every family on parts of
several tables and of synthetic ones with many classes and columns, one thread each, and writes
``benchmarks/recorded/trainings.parquet``; ``fit`` fits a line per family to it and prints how far
the lines miss on tables that they did not see. ``FOLDER`` is a data root in which ``kedro run
--pipelines data_engineering --env full`` has prepared its datasets. The last line that ``fit``
prints is JSON: ``moved_max``, the highest factor by which a line differs from the shipped one.

The stored recording was made in parts, two at a time on two cores: two configurations were drawn
for each family, but four of LightGBM's, eight linear ones, and four of all for the last three
tables. Its nets were trained by an earlier recipe and looked at after other shares of a training,
so ``fit`` leaves the line of nets as it is, from commit ``35cc2821``: on diamonds, landsat and DNA
it predicts 0.83, 1.21 and 1.25 of what today's nets take, a line fitted today 0.96, 1.37 and 1.37.
Its support vector machines do not tell their solver's iterations, so their line stays, too: its
``iterated_rows`` was fitted elsewhere, see ``docs/decisions/0023-budgets-of-work.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from kedro.framework.startup import bootstrap_project
from record_portfolios import read_block
from scipy.optimize import least_squares, nnls
from sklearn.datasets import make_classification, make_regression

import rightfit_search.searching.pausing
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import InputSchema
from rightfit_kedro.stored_results import ProjectLocation
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.families.training_work import TrainingSize
from rightfit_search.searching.cell import Cell
from rightfit_search.searching.learning_curve import follow_training
from rightfit_search.searching.pausing.costs import TRAINING_COSTS, CostLine, predict_cpu_s
from rightfit_search.searching.setting_up import make_data
from rightfit_study.early_stopping.recording import draw_configuration

PROJECT = Path(__file__).resolve().parents[2]
RECORDED = PROJECT / "benchmarks" / "recorded" / "trainings.parquet"
OUTDATED = ("net", "convnet", "svm")  # recorded before today's recipe and counts
SHIPPED = Path(rightfit_search.searching.pausing.__path__[0]) / TRAINING_COSTS
FAMILIES = (
    *("linear", "forest", "boosting", "lightgbm", "xgboost", "catboost"),
    *("svm", "knn", "net", "convnet"),
)
DATASETS = ("landsat", "fashion_mnist", "flights", "shuttle", "flight_delay")
SYNTHETIC = (
    *((300, 10, 2), (3_000, 60, 26), (12_000, 20, 10), (8_000, 12, 0), (20_000, 100, 3)),
    *((900, 10, 11), (600, 35, 19), (400, 8, 0)),
)  # rows, columns and classes; 0 for a regression
SHARES = (0.15, 1.0)  # of a dataset's rows
MAX_ROWS = 16_000
LIMIT_S = 5.0  # of one training
N_CHECKPOINTS = 6
SHORT_S = 0.05  # a look that counts less


def make_tables(root: Path) -> Iterator[tuple[str, TrainingData, TrainingData, QualityMetric]]:
    """Yield name, train rows, validation rows and metric of each table."""
    bootstrap_project(PROJECT)
    results = ProjectLocation(str(root.resolve()), "full", folder=PROJECT).open_results()
    for dataset in DATASETS:
        read = {
            name: results.load_newest(f"{dataset}.{name}")
            for name in ("train", "validation", "data_card")
        }
        schema, metric = read["data_card"].input_schema, read["data_card"].quality
        whole = [make_data(read[name], schema) for name in ("train", "validation")]
        for share in SHARES:
            parts = [_take(data, min(int(share * len(data.labels)), MAX_ROWS)) for data in whole]
            yield f"{dataset}/{share}", parts[0], parts[1], metric
    for n_rows, n_features, n_classes in SYNTHETIC:
        schema = InputSchema(
            features=tuple(f"x{i}" for i in range(n_features)),
            classes=tuple(str(i) for i in range(n_classes)),
            image_shape=None,
        )
        n_informative = max(2, int(np.ceil(np.log2(max(n_classes, 2) * 2))), n_features // 2)
        rows, labels = (
            make_classification(
                n_rows,
                n_features,
                n_informative=n_informative,
                n_redundant=0,
                n_classes=n_classes,
                n_clusters_per_class=1,
                flip_y=0.1,
                random_state=0,
            )
            if n_classes
            else make_regression(n_rows, n_features, noise=10.0, random_state=0)
        )
        cut = int(0.8 * n_rows)
        parts = [
            TrainingData(rows[part].astype(np.float32), schema.cast_labels(labels[part]), schema)
            for part in (slice(cut), slice(cut, None))
        ]
        name = "accuracy" if n_classes else "r2"
        table = f"synthetic_{n_rows}_{n_features}_{n_classes}"
        yield table, parts[0], parts[1], QualityMetric(name=name, worst=0.0, best=1.0)


def _take(data: TrainingData, n_rows: int) -> TrainingData:
    chosen = np.random.default_rng(0).permutation(len(data.labels))[:n_rows]
    try:
        return TrainingData(data.rows[chosen], data.labels[chosen], data.schema)
    except ValueError:  # a class is missing
        return data


def record(root: Path, families: list[str], n_drawn: int) -> None:
    """Train and write what each look took."""
    rows: list[dict[str, Any]] = []
    for name, train, validation, metric in make_tables(root):
        for model in families:
            block = read_block(model)
            if model == "convnet" and train.schema.image_shape is None:
                continue
            if model in ("svm", "knn") and train.schema.task == "regression":
                continue
            cell = Cell(
                f"{name}.{model}", block.family, block.params, train, validation, metric, "0"
            )
            get_family(cell.family).load_libraries()
            configurations = [cell.default()] + [
                draw_configuration(cell.params, seed=1, index=index) for index in range(n_drawn)
            ]
            for number, configuration in enumerate(configurations):
                if configuration is None:
                    continue
                if number == 0:
                    configuration = {**cell.params.fixed, **configuration}
                try:
                    rows += _train(cell, configuration, number)
                except Exception as err:
                    print(f"{cell.name}: {type(err).__name__}: {err}", file=sys.stderr)
            print(cell.name, len(rows), file=sys.stderr, flush=True)
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(RECORDED)


def _train(cell: Cell, configuration: Any, number: int) -> Iterator[dict[str, Any]]:
    train, schema = cell.train, cell.train.schema
    run = TrainingRun(configuration, train, N_CHECKPOINTS, seed=1)
    for look in follow_training(cell, run):
        spent_s = look.point["fit_cpu_s"] + look.point["validate_cpu_s"]
        yield {
            "table": cell.name.rpartition(".")[0],
            "model": cell.model,
            "configuration": json.dumps(dict(configuration)),
            "number": number,
            "n_rows": len(train.labels),
            "n_judged": len(cell.validation.labels),
            "n_features": schema.n_features,
            "n_outputs": schema.n_outputs,
            "checkpoint": look.point["checkpoint"],
            "n_steps": look.point["n_steps"],
            "fit_cpu_s": look.point["fit_cpu_s"],
            "validate_cpu_s": look.point["validate_cpu_s"],
            "structure": json.dumps(look.point["structure"]),
        }
        if spent_s > LIMIT_S:
            return


def fit(target: Path) -> None:
    """Fit a line per family and write it; print by how much it misses tables left out."""
    recorded = pl.read_parquet(RECORDED).filter(~pl.col("model").is_in(OUTDATED))
    fitted, moved = {}, []
    for model in recorded["model"].unique(maintain_order=True):
        family = read_block(model).family
        rows = recorded.filter(model=model).to_dicts()
        tables = [row["table"] for row in rows]
        pairs = [(_count(family, row), row["fit_cpu_s"] + row["validate_cpu_s"]) for row in rows]
        fitted[family] = line = fit_logarithms(pairs)
        moved += [
            abs(np.log(line.predict(counts) / shipped_s))
            for counts, _ in pairs
            if (shipped_s := predict_cpu_s(family, counts)) is not None
        ]
        misses = list_misses(pairs, tables)
        low, middle, high = np.quantile(misses, [0.1, 0.5, 0.9])
        factor = np.exp(np.median(np.abs(np.log(misses))))
        print(
            f"{family}: predicted / taken {low:.2f}, {middle:.2f}, {high:.2f}; "
            f"median miss {factor:.2f} x; {len(pairs)} looks"
        )
    document = json.loads(SHIPPED.read_text(encoding="utf-8")) | {
        name: {
            "intercept": line.intercept,
            "slopes": {count: slope for count, slope in line.slopes.items() if slope > 0},
            "spread": line.spread,
        }
        for name, line in fitted.items()
    }
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"moved_max": round(float(np.exp(max(moved))), 3)}))


def list_misses(pairs: list[tuple[dict[str, float], float]], tables: list[str]) -> list[float]:
    """Return predicted / taken of the longer looks at each table, which the fit did not see."""
    misses = []
    for left_out in dict.fromkeys(tables):
        is_left_out = [table == left_out for table in tables]
        line = fit_logarithms([p for p, out in zip(pairs, is_left_out, strict=True) if not out])
        misses += [
            line.predict(counts) / cost
            for (counts, cost), out in zip(pairs, is_left_out, strict=True)
            if out and cost > 2 * SHORT_S
        ]
    return misses


def fit_logarithms(pairs: list[tuple[dict[str, float], float]]) -> CostLine:
    """Fit a line with coefficients of at least 0 to the logarithms of what looks took.

    Short looks count less, and single ones that are far off hardly (soft L1).
    """
    names = [name for name in sorted(pairs[0][0]) if any(counts[name] for counts, _ in pairs)]
    costs = np.array([cost for _, cost in pairs])
    design = np.array([[1.0, *(counts[name] for name in names)] for counts, _ in pairs])
    scale = design.max(axis=0)
    scaled = design / scale
    weight = np.sqrt(np.clip(costs / SHORT_S, 0.05, 1))
    first, _ = nnls(scaled / costs[:, None], np.ones(len(costs)))
    found = least_squares(
        lambda b: weight * np.log((scaled @ b + 1e-9) / costs),
        np.maximum(first, 1e-7),
        jac=lambda b: weight[:, None] * scaled / (scaled @ b + 1e-9)[:, None],
        bounds=(0, np.inf),
        loss="soft_l1",
        f_scale=0.5,
    ).x
    found[found < 1e-9] = 0.0
    misses = np.log((scaled @ found + 1e-9) / costs)
    intercept, *slopes = (found / scale).tolist()
    return CostLine(intercept, dict(zip(names, slopes, strict=True)), float(np.std(misses)))


def _count(family: str, row: dict[str, Any]) -> dict[str, float]:
    size = TrainingSize(row["n_rows"], row["n_judged"], row["n_features"], row["n_outputs"])
    return get_family(family).count_work(
        json.loads(row["configuration"]),
        size,
        json.loads(row["structure"]),
        checkpoint=row["checkpoint"],
        n_checkpoints=N_CHECKPOINTS,
    )


def main() -> None:
    """Record or fit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("record", "fit"))
    parser.add_argument("--root", type=Path)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--n-drawn", type=int, default=1, help="configurations beside the default")
    parser.add_argument("--target", type=Path, default=SHIPPED, help="where the lines are written")
    asked = parser.parse_args()
    if asked.what == "record":
        record(asked.root, asked.families, asked.n_drawn)
    else:
        fit(asked.target)


if __name__ == "__main__":
    main()
