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

BEGAN_S = time.time()
PARTS = ("train", "test")
TREES = ("LightGBM", "XGBoost", "CatBoost", "RandomForest", "ExtraTrees")  # that ONNX may hold


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
    automl.fit(
        X_train=train,
        y_train=targets,
        task=asked["task"],
        metric=asked["metric"],
        time_budget=asked["budget_cpu_s"],
        n_jobs=1,
        seed=asked["seed"],
        verbose=0,
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
    """Fit ``medium_quality``; its latency limit is for one row alone."""
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    train, test, targets = _read(asked)
    limit_s = asked["latency_limit_s"]
    limits = {} if limit_s is None else {"infer_limit": limit_s, "infer_limit_batch_size": 1}
    predictor = TabularPredictor(
        label=asked["target"],
        eval_metric=asked["metric"],
        problem_type="regression" if asked["task"] == "regression" else None,
        path=str(folder / "predictor"),
        verbosity=2,
    )
    predictor.fit(
        pd.concat([train, targets], axis=1),
        presets="medium_quality",
        time_limit=asked["budget_cpu_s"],
        num_cpus=1,
        num_gpus=0,
        **limits,
    )
    predictor.clone_for_deployment(str(folder / "delivered"))
    board = predictor.leaderboard(display=False)
    trainer = predictor._trainer
    found = {"delivered": predictor.predict(test), "what": f"{predictor.model_best} of"}
    found["what"] += f" {sorted(trainer.get_minimum_model_set(predictor.model_best))}"
    singles = [name for name in board["model"] if name.startswith(TREES)]
    if singles:
        single = trainer.load_model(singles[0])
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


FITS: dict[str, Callable[[dict[str, Any], Path], dict[str, Any]]] = {
    "flaml": fit_flaml,
    "autogluon": fit_autogluon,
    "lightgbm": fit_lightgbm,
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
