"""Fit FLAML, AutoGluon or LightGBM's default: a child process in the peers' environment.

``python peer_fit.py SETTINGS.json``. Their clock is the CPU clock of this process, so that other
work on the machine takes nothing from their budgets: all of them train in one process here.
"""

from __future__ import annotations

import json
import pickle
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BEGAN_S = time.time()
PARTS = ("train", "test")
TREES = ("LightGBM", "XGBoost", "CatBoost", "RandomForest", "ExtraTrees")  # that ONNX may hold
N_ROUNDS, PATIENCE = 1_000, 300
LIGHTGBM_TUNED: tuple[dict[str, Any], ...] = (  # of classes, of values
    {"learning_rate": 0.04, "num_leaves": 50, "subsample": 0.75, "min_child_samples": 40},
    {"learning_rate": 0.05, "num_leaves": 100, "subsample": 0.7, "min_child_samples": 3},
)
CATBOOST_TUNED: tuple[dict[str, Any], ...] = (
    {"learning_rate": 0.08, "depth": 7, "bootstrap_type": "Bernoulli", "subsample": 0.9},
    {"learning_rate": 0.09, "depth": 9, "bootstrap_type": "Bernoulli", "subsample": 0.9},
)


def use_cpu_clock() -> None:
    """Let ``time.time`` and ``time.perf_counter`` advance by CPU seconds of this process."""
    time.time = lambda: BEGAN_S + time.process_time()
    time.perf_counter = time.process_time


def fit_flaml(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Search with FLAML's default learners; its latency limit is for a row of a batch."""
    from flaml import AutoML

    train, test, targets = _read(asked)
    automl = AutoML()
    limit_s = asked["latency_limit_s"]
    structure = {"split_type": "time"} if asked["time"] else {}
    if group := asked["group"]:
        structure = {"split_type": "group", "groups": train.pop(group)}
        test = test.drop(columns=group)
    automl.fit(
        X_train=train,
        y_train=targets,
        task=asked["task"],
        metric=asked["metric"],
        time_budget=asked["budget_cpu_s"],
        n_jobs=1,
        seed=asked["seed"],
        verbose=0,
        **structure,
        **({} if limit_s is None else {"pred_time_limit": limit_s}),
    )
    if automl.model is None:
        raise RuntimeError("FLAML has trained no model")
    (folder / "delivered").mkdir()
    with (folder / "delivered" / "automl.pickle").open("wb") as file:
        pickle.dump(automl, file)
    encoded = automl._state.task.preprocess(test, automl._transformer)
    _keep_bare(automl.model.estimator, automl.model._preprocess(encoded), folder)
    predicted = automl.predict(test)
    return {
        "delivered": predicted,
        "bare": predicted,
        "what": f"{automl.best_estimator} {automl.best_config}",
    }


def fit_autogluon(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fit a preset; its latency limit is for one row alone, and what has one is compiled.

    Of bagged models the one is taken that was refitted on all rows.
    """
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    train, test, targets = _read(asked)
    limit_s = asked["latency_limit_s"]
    limits = {} if limit_s is None else {"infer_limit": limit_s, "infer_limit_batch_size": 1}
    columns = {"time_on": asked["time"], "group_on": asked["group"]}
    structure = {kind: column for kind, column in columns.items() if column}
    predictor = TabularPredictor(
        label=asked["target"],
        eval_metric=asked["metric"],
        problem_type="regression" if asked["task"] == "regression" else None,
        path=str(folder / "predictor"),
        verbosity=2,
    )
    predictor.fit(
        pd.concat([train, targets], axis=1),
        presets=asked["preset"],
        time_limit=asked["budget_cpu_s"],
        num_cpus=1,
        num_gpus=0,
        **({"validation_structure": structure} if structure else {}),
        **limits,
    )
    if limits:
        predictor.compile()
    predictor.clone_for_deployment(str(folder / "delivered"))
    board = predictor.leaderboard(display=False)
    refitted = predictor.model_refit_map()
    trainer = predictor._trainer
    found = {"delivered": predictor.predict(test), "what": f"{predictor.model_best} of"}
    found["what"] += f" {sorted(trainer.get_minimum_model_set(predictor.model_best))}"
    singles = [
        refitted.get(name, name)
        for name in board["model"]
        if name.startswith(TREES) and len(trainer.get_minimum_model_set(name)) == 1
    ]
    if singles:
        single = trainer.load_model(singles[0])
        if refitted:
            single = single.load_child(single.models[0])
        found["bare"] = predictor.predict(test, model=singles[0])
        found["what"] += f"; best trees {singles[0]}"
        try:
            features = single.preprocess(predictor.transform_features(test))
            _keep_bare(single.model, features, folder)
        except Exception as err:  # AutoGluon's own wrappers of models need not be unwrappable
            found["bare_refused"] = f"{type(err).__name__}: {err}"
    shutil.rmtree(folder / "predictor")
    return found


def fit_lightgbm(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Fit LightGBM as it is, texts as its categories."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    train, test, targets = _read(asked)
    texts = train.select_dtypes("object").columns
    categories = {name: train[name].astype("category").dtype for name in texts}
    estimator = LGBMRegressor if asked["task"] == "regression" else LGBMClassifier
    model = estimator(verbose=-1, n_jobs=1).fit(train.astype(categories), targets)
    (folder / "delivered").mkdir()
    with (folder / "delivered" / "model.pickle").open("wb") as file:
        pickle.dump((model, categories), file)
    _keep_bare(model, test.astype(categories), folder)
    predicted = model.predict(test.astype(categories))
    return {"delivered": predicted, "bare": predicted, "what": "LightGBM's default"}


def fit_tuned(asked: dict[str, Any], _: Path) -> dict[str, Any]:
    """Fit tuned defaults (Holzmüller et al. 2024, arXiv:2407.04491), texts as categories.

    A fifth of the rows, the last ones of a table with times or groups, ends the rounds; then all
    rows are trained on for so many. A time is its seconds.
    """
    from sklearn.model_selection import train_test_split

    train, test, targets = _read(asked)
    if time_column := asked["time"]:
        for rows in (train, test):
            rows[time_column] = rows[time_column].astype("int64") / 1e6
    if asked["group"]:
        train, test = (rows.drop(columns=asked["group"]) for rows in (train, test))
    texts = list(train.select_dtypes("object").columns)
    is_value = asked["task"] == "regression"
    if asked["library"] == "lightgbm_tuned":
        import lightgbm

        categories = {name: train[name].astype("category").dtype for name in texts}
        train, test = train.astype(categories), test.astype(categories)
        estimator = lightgbm.LGBMRegressor if is_value else lightgbm.LGBMClassifier
        fixed = {"verbose": -1, "n_jobs": 1, "subsample_freq": 1} | LIGHTGBM_TUNED[is_value]
        stopping: dict[str, Any] = {"callbacks": [lightgbm.early_stopping(PATIENCE, verbose=False)]}
    else:
        import catboost

        train[texts], test[texts] = train[texts].astype(str), test[texts].astype(str)
        estimator = catboost.CatBoostRegressor if is_value else catboost.CatBoostClassifier
        fixed = {
            "verbose": 0,
            "thread_count": 1,
            "allow_writing_files": False,
            "cat_features": texts,
        }
        fixed |= CATBOOST_TUNED[is_value]
        stopping = {"early_stopping_rounds": PATIENCE}
    shuffles = not (asked["time"] or asked["group"])
    x, x_stop, y, y_stop = train_test_split(
        *(train, targets),
        test_size=0.2,
        random_state=asked["seed"] if shuffles else None,
        shuffle=shuffles,
        stratify=targets if shuffles and not is_value else None,
    )
    stopped = estimator(n_estimators=N_ROUNDS, **fixed).fit(
        x, y, eval_set=[(x_stop, y_stop)], **stopping
    )
    best = stopped.best_iteration_
    n_rounds = N_ROUNDS if best is None else best + (asked["library"] == "catboost_tuned")
    model = estimator(n_estimators=n_rounds, **fixed).fit(train, targets)
    return {
        "delivered": np.asarray(model.predict(test)).ravel(),
        "what": f"{asked['library']}, {n_rounds} rounds",
    }


FITS: dict[str, Callable[[dict[str, Any], Path], dict[str, Any]]] = {
    "flaml": fit_flaml,
    "autogluon": fit_autogluon,
    "lightgbm": fit_lightgbm,
    "lightgbm_tuned": fit_tuned,
    "catboost_tuned": fit_tuned,
}


def _read(asked: dict[str, Any]) -> tuple[Any, Any, Any]:
    import pandas as pd

    train, test = (pd.read_parquet(Path(asked["rows"]) / f"{one}.parquet") for one in PARTS)
    targets = train.pop(asked["target"])
    return train, test.drop(columns=asked["target"]), targets


def _keep_bare(model: Any, encoded: Any, folder: Path) -> None:
    """Keep a single model without its wrapper, with test rows as it reads them."""
    with (folder / "bare.pickle").open("wb") as file:
        pickle.dump((model, encoded), file)


def main() -> None:
    """Fit and write the model, its predictions and what it is."""
    use_cpu_clock()
    settings = Path(sys.argv[1])
    folder = settings.parent
    asked = json.loads(settings.read_text(encoding="utf-8"))
    found = FITS[asked["library"]](asked, folder)
    import pandas as pd

    predicted = {name: found.pop(name) for name in ("delivered", "bare") if name in found}
    frame = pd.DataFrame({name: list(values) for name, values in predicted.items()})
    frame.to_parquet(folder / "predictions.parquet")
    models = [{"model": name, "what": found["what"], "note": ""} for name in predicted]
    for model in models:
        if model["model"] == "bare" and "bare_refused" in found:
            model["note"] = found["bare_refused"]
    (folder / "models.json").write_text(json.dumps(models), encoding="utf-8")


if __name__ == "__main__":
    main()
