"""Does a search ever end below its library's default configuration?

``python benchmarks/family_defaults.py`` searches every family on tables that no portfolio was
learnt on, as the project's configuration and its sample applications say. Its candidates have
learnt from train and validation rows. A ranking by quality takes the best by all test rows; here
the other nine tenths of them choose who predicts each tenth, so that no row judges a choice that it
made. The library's estimator without any argument, fitted to the same rows, is judged by the same
test rows, where it draws at random by the mean of five seeds; of a net, of which no library has a
default, the family's own. A line per search (``--seeds`` are averaged); the last one is JSON:

- ``n_cells``;
- ``below``: cells where the searched model's test quality is more than one standard error of the
  default's below it; ``below_affordable``: of them, those whose default trains within the budget;
- ``worst_errors``: the smallest difference, in standard errors; ``mean_errors``: the mean one;
- ``overrun_max``, ``overrun_median``: what a search spent of what its budget counts, which is the
  CPU seconds that such trainings usually take, as shares of the budget;
- ``cpu_overrun_max``, ``cpu_overrun_median``: the CPU seconds that it really took, likewise;
- ``training_share``: of the CPU seconds that the searches really took, the share that trained or
  validated. Libraries are imported before, as a run's fork server does.

Tables come with packages, see ``constants/tables.py``. Work is counted, not timed: other work may
run beside this.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from record_portfolios import make_cell, read_block, start
from recorded_worth import read_samples
from tables import KEPT_ASIDE, NEVER_RECORDED

from rightfit.models.bundle import Bundle
from rightfit.models.quality.standard_errors import standard_error
from rightfit.models.sklearn_io import softmax_scores
from rightfit.params.defaults import read_default
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import Applications
from rightfit_search.families.family import TrainingData, TrainingRun
from rightfit_search.families.registry import get_family
from rightfit_search.searching.cell import study_name
from rightfit_search.searching.parallel.planned_search import complete_search, plan_search
from rightfit_search.searching.studies.budget import spent_work_s
from rightfit_search.searching.studies.study_store import StudyStore
from rightfit_search.searching.training_params import SEARCH, TrainingParams

TABLES = (*KEPT_ASIDE, *NEVER_RECORDED)
MODELS = ("linear", "forest", "boosting", "lightgbm", "xgboost", "catboost", "net", "knn", "svm")
MAX_ROWS = {"train": 16_000, "validation": 4_000, "test": 10_000}
N_PARTS = 10  # of the test rows; the others choose who predicts one of them
SEED = 7  # as in parameters_training.yml
N_DEFAULT_SEEDS = 5
DRAWS_AT_RANDOM = ("forest", "boosting")  # as libraries' defaults; the others do not
DEFAULTS = {  # estimators by task, without any argument but silence
    "linear": ("sklearn.linear_model", "LogisticRegression", "LinearRegression", {}),
    "forest": ("sklearn.ensemble", "RandomForestClassifier", "RandomForestRegressor", {}),
    "boosting": (
        "sklearn.ensemble",
        *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", {}),
    ),
    "lightgbm": ("lightgbm", "LGBMClassifier", "LGBMRegressor", {"verbose": -1}),
    "xgboost": ("xgboost", "XGBClassifier", "XGBRegressor", {}),
    "catboost": (
        "catboost",
        *("CatBoostClassifier", "CatBoostRegressor"),
        {"verbose": 0, "allow_writing_files": False},
    ),
    "svm": ("sklearn.svm", "SVC", "", {}),
    "knn": ("sklearn.neighbors", "KNeighborsClassifier", "", {}),
}


class Compared(NamedTuple):
    """A cell's searched model beside the library's default.

    Args:
        cell: Name of the cell.
        metric: Its quality metric.
        searched: Test quality of the searched model.
        default: Test quality of the library's default, in the metric's unit.
        error: Standard error of ``default``.
        default_s: CPU seconds that one training of the default and its predictions took.
        work_s: CPU seconds that the trials usually take, which the budget counts.
        spent_s: CPU seconds that they took.
        training_s: CPU seconds that trained or validated.
        cpu_s: CPU seconds of the whole search, decisions included.
        n_trials: Configurations that were begun.
    """

    cell: str
    metric: str
    searched: float
    default: float
    error: float
    default_s: float
    work_s: float
    spent_s: float
    training_s: float
    cpu_s: float
    n_trials: int

    @property
    def n_errors(self) -> float:
        """By how many standard errors the searched model is better."""
        return (self.searched - self.default) / self.error


def compare(table: str, model: str, budget_cpu_s: float, seed: int) -> Compared | None:
    """Search a cell and its library's default; ``None`` where the family cannot learn the table."""
    made = make_cell(table, model, MAX_ROWS)
    if made is None:
        return None
    cell, test = made
    block, metric, task = read_block(model), cell.quality, cell.train.schema.task
    training = TrainingParams.model_validate(
        read_default("training", SEARCH)
        | {"n_threads": 1, "device": "cpu", "budget_cpu_s": budget_cpu_s, "seed": seed}
    )
    whole = cell.final_rows()
    with tempfile.TemporaryDirectory(prefix="rightfit-defaults-") as name:
        planned = plan_search(
            cell,
            training,
            Applications(read_samples()),
            EvaluationParams.model_validate(read_default("evaluation")),
            studies=StudyStore(Path(name) / "searches", None),
            siblings={},
            n_searches=1,
        )
        begun_s = time.process_time()
        found = complete_search(replace(planned, exports=False))
        cpu_s = time.process_time() - begun_s
        study = optuna.load_study(
            study_name=study_name(cell, planned.settings), storage=planned.store.open()
        )
        work_s = spent_work_s(study.get_trials(deepcopy=False))
        predictions = [_predict(one, block.family, test) for one in found.candidates.values()]
        searched = metric.score(test.labels, _predict_chosen(predictions, test, metric))
    begun_s = time.process_time()
    if model in DEFAULTS:
        seeds = range(N_DEFAULT_SEEDS) if model in DRAWS_AT_RANDOM else [None]
        answers = [_predict_default(model, whole, test, task, seed) for seed in seeds]
    else:
        answers = [_predict_own_default(cell, whole, test)]
    default_s = time.process_time() - begun_s
    default = fmean(metric.score(test.labels, predicted) for predicted in answers)
    account = found.account.row(0, named=True)
    return Compared(
        cell.name,
        metric.name,
        searched,
        default,
        standard_error(metric, test.labels, answers[0]),
        default_s / len(answers),
        work_s,
        account["spent_s"],
        account["training_s"],
        cpu_s,
        found.trials.height,
    )


def _predict(bundle: Bundle, reference: str, test: TrainingData) -> npt.NDArray[np.float32]:
    return np.asarray(get_family(reference).predict(bundle.load_native(), test.rows), np.float32)


def _predict_chosen(
    predictions: Sequence[npt.NDArray[np.float32]], test: TrainingData, metric: Any
) -> npt.NDArray[np.float32]:
    """Return, for each part of the test rows, the predictions that are best on the other parts."""
    parts = np.empty(len(test.labels), dtype=np.int64)
    parts[np.argsort(test.labels, kind="stable")] = np.arange(len(parts)) % N_PARTS
    chosen = np.empty_like(predictions[0])
    for part in range(N_PARTS):
        others = parts != part
        best = max(predictions, key=lambda rows: metric.score(test.labels[others], rows[others]))
        chosen[~others] = best[~others]
    return chosen


def _predict_own_default(cell: Any, whole: TrainingData, test: TrainingData) -> npt.NDArray[Any]:
    family = get_family(cell.family)
    configuration = cell.params.fixed | dict(cell.default() or {})
    *_, last = family.train(TrainingRun(configuration, whole, seed=SEED))
    return family.predict(last.model, test.rows)


def _predict_default(
    model: str, train: TrainingData, test: TrainingData, task: str, seed: int | None
) -> npt.NDArray[np.float32]:
    """Predict the test rows with the library's estimator as it is, and a seed where it draws."""
    module, classifier, regressor, silence = DEFAULTS[model]
    name = classifier if task == "classification" else regressor
    drawing = {} if seed is None else {"random_state": seed}
    estimator = getattr(importlib.import_module(module), name)(**silence, **drawing)
    estimator.fit(train.rows, train.labels)
    if task == "regression":
        return np.asarray(estimator.predict(test.rows), dtype=np.float32).reshape(-1, 1)
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(test.rows), dtype=np.float32)
    return softmax_scores(estimator, test.rows)


def _start(models: Sequence[str]) -> None:
    """Let a process use one thread, and import what it trains with."""
    start()
    for model in models:
        get_family(read_block(model).family).load_libraries()
    gc.collect()
    gc.freeze()  # as the fork server does


def main() -> None:
    """Search, compare and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--budget-cpu-s", type=float, default=20)
    parser.add_argument("--seeds", nargs="+", type=int, default=[SEED], help="of searches")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    found: list[Compared] = []
    with ProcessPoolExecutor(
        asked.processes,
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(asked.models,),
    ) as pool:
        due = [
            pool.submit(compare, table, model, asked.budget_cpu_s, seed)
            for table in asked.tables
            for model in asked.models
            for seed in asked.seeds
        ]
        for one in due:
            compared = one.result()
            if compared is not None:
                found.append(compared)
                print(
                    f"{compared.cell}: {compared.metric} {compared.searched:.4f}, default "
                    f"{compared.default:.4f} ± {compared.error:.4f}: {compared.n_errors:+.2f} "
                    f"standard errors; the default took {compared.default_s:.1f} s; "
                    f"{compared.n_trials} trials, {compared.work_s:.1f} s of work in "
                    f"{compared.spent_s:.1f} s, of {compared.cpu_s:.1f} s in all "
                    f"{compared.training_s:.1f} s trained or validated",
                    flush=True,
                )
    by_cell: dict[str, list[Compared]] = {}
    for search in found:
        by_cell.setdefault(search.cell, []).append(search)
    n_errors = [fmean(search.n_errors for search in searches) for searches in by_cell.values()]
    default_s = [searches[0].default_s for searches in by_cell.values()]
    work_s, spent_s = [one.work_s for one in found], [one.spent_s for one in found]
    figures = {
        "n_cells": len(by_cell),
        "below": sum(value < -1 for value in n_errors),
        "below_affordable": sum(
            value < -1 and default <= asked.budget_cpu_s
            for value, default in zip(n_errors, default_s, strict=True)
        ),
        "worst_errors": round(min(n_errors), 2),
        "mean_errors": round(float(np.mean(n_errors)), 2),
        "overrun_max": round(max(work_s) / asked.budget_cpu_s, 2),
        "overrun_median": round(median(work_s) / asked.budget_cpu_s, 2),
        "cpu_overrun_max": round(max(spent_s) / asked.budget_cpu_s, 2),
        "cpu_overrun_median": round(median(spent_s) / asked.budget_cpu_s, 2),
        "training_share": round(
            sum(one.training_s for one in found) / sum(one.cpu_s for one in found), 3
        ),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
