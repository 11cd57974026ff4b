"""Does a search ever end below its library's default configuration?

Run from the repository's root: ``python benchmarks/family_defaults.py``. A search per dataset and
family, as the environment ``full`` describes them, with a budget and a number of rows that can be
set. Of the candidates the one is taken that is best on the test rows that choose, as a ranking by
quality does, and trained again on train and validation rows, as a run ships it; it is compared with
the library's estimator without any argument, fitted to the same rows, on all test rows. A line per
cell; the last one is JSON:

- ``n_cells``;
- ``below``: cells where the searched model's test quality is more than one standard error of the
  default's below it;
- ``worst_errors``: the smallest difference, in standard errors;
- ``overrun_max``: the largest share of its budget that a search really took, in CPU seconds;
- ``training_share``: of the searches' CPU seconds, those that trained or validated.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from kedro.framework.startup import bootstrap_project

from rightfit.families.bundle import Bundle
from rightfit.families.family import TrainingData
from rightfit.families.registry import get_family
from rightfit.profiling.profiles.final_rows import find_final_rows
from rightfit.quality.metric import QualityMetric
from rightfit.tuning.refitting.refitting import train_again
from rightfit.tuning.search.setting_up import make_data
from rightfit.verbs.stored import StoredResults, open_results

HERE = Path(__file__).parents[1]
ENV = "full"
FINAL_SHARE = 0.33  # as in parameters_evaluation.yml
SEED = 7  # as in parameters_training.yml
DEFAULTS = {  # each without any argument but silence
    "lightgbm": ("lightgbm", "LGBMClassifier", {"verbose": -1}),
    "xgboost": ("xgboost", "XGBClassifier", {}),
    "catboost": ("catboost", "CatBoostClassifier", {"verbose": 0, "allow_writing_files": False}),
    "forest": ("sklearn.ensemble", "RandomForestClassifier", {}),
    "boosting": ("sklearn.ensemble", "HistGradientBoostingClassifier", {}),
    "linear": ("sklearn.linear_model", "LogisticRegression", {}),
    "svm": ("sklearn.svm", "SVC", {}),
    "knn": ("sklearn.neighbors", "KNeighborsClassifier", {}),
}
FAMILIES = {
    "svm": "sklearn:sklearn.svm.SVC",
    "knn": "sklearn:sklearn.neighbors.KNeighborsClassifier",
}


def search(root: Path, asked: argparse.Namespace) -> None:
    """Prepare the datasets and search every cell, as the command does."""
    params = {
        "data_root": root,
        "grid.datasets": " ".join(asked.datasets),
        "grid.models": " ".join(asked.models),
        "training.budget_cpu_s": asked.budget_cpu_s,
        **{f"datasets.{name}.max_train_rows": asked.train_rows for name in asked.datasets},
        **{f"datasets.{name}.max_test_rows": asked.test_rows for name in asked.datasets},
    }
    given = ",".join(f"{key}={value}" for key, value in params.items())
    command = ("-m", "kedro", "run", "--pipelines", "data_engineering,training", "--env", ENV)
    subprocess.run(  # noqa: S603
        [sys.executable, *command, "--params", given], check=True, cwd=HERE, stdout=sys.stderr
    )


def load(results: StoredResults, name: str) -> Any:
    """Return the newest version of a result."""
    return results.load(name, results.find_version(name))


def compare(results: StoredResults, dataset: str, model: str) -> float:
    """Return by how many standard errors the searched model is better than the default one."""
    card = load(results, f"{dataset}.data_card")
    train, validation, test = (
        make_data(load(results, f"{dataset}.{part}"), card.input_schema)
        for part in ("train", "validation", "test")
    )
    metric = card.quality_metric
    whole = TrainingData(
        np.concatenate([train.rows, validation.rows]),
        np.concatenate([train.labels, validation.labels]),
        train.schema,
    )
    searched = answer_searched(results, f"{dataset}.{model}", whole, test, metric)
    default = answer_default(model, whole, test)
    scores = [metric.score(test.labels, answers) for answers in (searched, default)]
    error = metric.error(test.labels, default, raw=scores[1])
    n_errors = (scores[0] - scores[1]) / error
    print(
        f"{dataset}.{model}: {metric.name} {scores[0]:.4f}, default {scores[1]:.4f} ± {error:.4f}: "
        f"{n_errors:+.2f} standard errors",
        flush=True,
    )
    return float(n_errors)


def answer_searched(
    results: StoredResults,
    cell: str,
    whole: TrainingData,
    test: TrainingData,
    metric: QualityMetric,
) -> npt.NDArray[np.float32]:
    """Answer the test rows with the refit of the candidate that is best on those that choose."""
    model = cell.rpartition(".")[2]
    reference = FAMILIES.get(model, model)
    family = get_family(reference)
    choosing = ~find_final_rows(test.labels, share=FINAL_SHARE, min_rows=1)

    def answer(bundle: Bundle) -> npt.NDArray[np.float32]:
        weights = bundle.locate(bundle.weights_file)
        loaded = family.load_weights(weights, bundle.configuration, bundle.schema)
        return np.asarray(family.predict(loaded, test.rows), dtype=np.float32)

    bundles: list[Bundle] = list(load(results, f"{cell}.candidates").values())
    scores = [metric.score(test.labels[choosing], answer(one)[choosing]) for one in bundles]
    chosen = bundles[int(np.argmax(scores))]
    with tempfile.TemporaryDirectory(prefix="rightfit-refit-") as name:
        refitted = train_again(
            chosen, reference, whole, Path(name), seed=SEED, n_threads=1, device="cpu"
        )
        return answer(refitted)


def answer_default(model: str, train: TrainingData, test: TrainingData) -> npt.NDArray[np.float32]:
    """Answer the test rows with the library's estimator as it is."""
    module, name, silence = DEFAULTS[model]
    estimator = getattr(importlib.import_module(module), name)(**silence)
    estimator.fit(train.rows, train.labels)
    if hasattr(estimator, "predict_proba"):
        answers: npt.NDArray[np.float32] = estimator.predict_proba(test.rows).astype(np.float32)
        return answers
    scores = np.asarray(estimator.decision_function(test.rows), dtype=np.float64)
    if scores.ndim == 1:
        positive = 1 / (1 + np.exp(-scores))
        return np.column_stack([1 - positive, positive]).astype(np.float32)
    shares: npt.NDArray[np.float64] = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def main() -> None:
    """Search, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--datasets", nargs="+", default=["landsat", "flights", "shuttle"])
    parser.add_argument("--models", nargs="+", default=list(DEFAULTS), choices=list(DEFAULTS))
    parser.add_argument("--budget-cpu-s", type=float, default=20)
    parser.add_argument("--train-rows", type=int, default=12_000, help="validation included")
    parser.add_argument("--test-rows", type=int, default=6_000)
    parser.add_argument("--root", type=Path, help="data folder to use, and to keep")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rightfit-defaults-") as name:
        root = asked.root or Path(name)
        root.mkdir(exist_ok=True)
        if not (root / "01_raw").exists():
            (root / "01_raw").symlink_to(HERE / "data" / "01_raw")
        search(root, asked)
        bootstrap_project(HERE)
        results = open_results(HERE, HERE / "conf", env=ENV, data_root=str(root))
        found = [compare(results, data, model) for data in asked.datasets for model in asked.models]
        accounts = [
            load(results, f"{data}.{model}.search_audit").row(0, named=True)
            for data in asked.datasets
            for model in asked.models
        ]
    spent_s = [one["spent_s"] for one in accounts]
    figures = {
        "n_cells": len(found),
        "below": sum(n_errors < -1 for n_errors in found),
        "worst_errors": round(min(found), 2),
        "overrun_max": round(max(spent_s) / asked.budget_cpu_s, 2),
        "training_share": round(sum(one["training_s"] for one in accounts) / sum(spent_s), 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
