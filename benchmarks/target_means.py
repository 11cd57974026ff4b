"""What target means bring: none, those of the same rows, and those of other folds.

``python benchmarks/target_means.py TABLE.parquet:TARGET …``; without tables, one that is made here:
two columns of identifiers, and noise. LightGBM and a ridge (of two classes: a logistic regression)
learn two thirds of at most 15,000 rows, three splits; printed is the mean of R² or ROC AUC over the
last third.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score

from rightfit.data.description import DatasetBlock
from rightfit.data.encoding import apply_encoder
from rightfit.data.prepared import encode_new_rows, prepare_dataset

MAX_ROWS = 15_000
SEEDS = (0, 1, 2)
VARIANTS = ("none", "same rows", "other folds")
TREES: dict[str, Any] = {"n_estimators": 200, "learning_rate": 0.05, "verbose": -1, "n_jobs": 1}


def make_identifiers() -> pl.DataFrame:
    """Return 15,000 rows of 3,000 and 1,000 identifiers; their levels hold 14 % of the variance."""
    rng = np.random.default_rng(0)
    pupils, teachers = (rng.integers(n, size=MAX_ROWS) for n in (3_000, 1_000))
    levels = 0.2 * rng.normal(size=3_000)[pupils] + 0.35 * rng.normal(size=1_000)[teachers]
    return pl.DataFrame(
        {
            "pupil": [f"p{i}" for i in pupils],
            "teacher": [f"t{i}" for i in teachers],
            "target": levels + rng.normal(size=MAX_ROWS),
        }
    )


def score(table: pl.DataFrame, target: str, variant: str, seed: int) -> list[float]:
    """Return how well LightGBM and a linear model predict the last third of shuffled rows."""
    rows = table.sample(fraction=1.0, shuffle=True, seed=seed).head(MAX_ROWS)
    n_train = 2 * rows.height // 3
    kinds = {name: ["*"] for name in ("numeric", "categorical", "indicate_missing", "text")}
    block = {
        "tables": ["table"],
        "target": {"column": target},
        "features": {**kinds, "target_means": variant != "none"},
        "task": "regression" if table[target].dtype.is_float() else None,
    }
    prepared = prepare_dataset(
        "table", DatasetBlock.model_validate(block), {"table": rows.head(n_train)}
    )
    encoder, parts = prepared.encode_for_all()
    labels = pl.concat(parts.values())["label"].to_numpy()
    encoded = pl.concat(parts.values()).drop("label").to_numpy()
    if variant == "same rows":
        encoded = apply_encoder(
            encoder, pl.concat(prepared.take(part) for part in parts)
        ).to_numpy()
    test = rows.tail(-n_train)
    new = encode_new_rows(prepared.spec, encoder, test).to_numpy()
    if prepared.spec.task == "regression":
        values = test[target].cast(pl.Float64).to_numpy()
        models = (LGBMRegressor(**TREES), Ridge())
        return [float(r2_score(values, m.fit(encoded, labels).predict(new))) for m in models]
    is_second = (test[target].cast(pl.String) == prepared.spec.target.classes[1]).to_numpy()
    classifiers = (LGBMClassifier(**TREES), LogisticRegression(max_iter=200))
    shares = [np.asarray(m.fit(encoded, labels).predict_proba(new))[:, 1] for m in classifiers]
    return [float(roc_auc_score(is_second, share)) for share in shares]


def main() -> None:
    """Print a line per table and variant."""
    warnings.simplefilter("ignore")
    tables = {"made": (make_identifiers(), "target")}
    if sys.argv[1:]:
        named = (argument.rsplit(":", 1) for argument in sys.argv[1:])
        tables = {Path(file).stem: (pl.read_parquet(file), target) for file, target in named}
    for name, (table, target) in tables.items():
        for variant in VARIANTS:
            scores = [score(table.drop_nulls(target), target, variant, seed) for seed in SEEDS]
            trees, linear = np.mean(scores, axis=0)
            print(f"{name}, {variant}: LightGBM {trees:.4f}, linear {linear:.4f}", flush=True)


if __name__ == "__main__":
    main()
