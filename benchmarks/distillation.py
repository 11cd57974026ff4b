"""Does a cheap model become better by learning what a slow one answers?

``python benchmarks/distillation.py`` searches ten tables that nothing was chosen by, twice for the
same CPU seconds: with a slow teacher and without. Small nets and small boosted trees alone are
searched, as an application's limits would leave them; the teacher, a mean of 300 extremely
randomised trees, support vectors and boosted trees that was fitted to the same rows, is out of
reach. Both winners, averages left out, answer rows that no search saw. A line per table; the last
one is JSON:

- ``utility_gain``: mean over the tables of the gain in scaled quality, and ``utility_gain_low``,
  ``utility_gain_high``: its 95 % interval over tables (Student's t);
- ``n_students`` and ``n_admitted``; ``worse_share``: of the admitted ones, those that answer the
  rows worse than the model of the same settings that learnt from labels alone;
- ``n_tables``; ``cpu_ratio``: CPU seconds of a search with a teacher over those without.

With ``--averages`` each table is searched once by three families, and what the average of the
candidates gains over the best single one is printed instead: always taken, and taken where the
search's own test rows prefer it.

Tables come with packages, see ``constants/tables.py``. Other work may run beside this.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy import stats
from tables import KEPT_ASIDE, NEVER_RECORDED, read_frames

import rightfit as rf
from rightfit.api.search import SearchResult
from rightfit.models.bundle import Bundle
from rightfit.searching.averaging import AVERAGE

OF_PACKAGES = {**KEPT_ASIDE, "diamonds": NEVER_RECORDED["diamonds"]}
N_LEARNT, N_TEST = 2_500, 4_000
CHEAP: dict[str, dict[str, Any]] = {
    "small_net": {
        "family": "rightfit.models.net",
        "fixed": {"n_layers": 1, "activation": "relu", "n_channels": 8},
        "space": {"n_units": {"type": "int", "low": 16, "high": 64, "log": True}},
        "default": {"n_units": 32},
    },
    "small_trees": {
        "family": "lightgbm",
        "fixed": {"num_leaves": 15, "min_child_samples": 20, "learning_rate": 0.2},
        "space": {"n_estimators": {"type": "int", "low": 16, "high": 48, "log": True}},
        "default": {"n_estimators": 32},
    },
}


class Compared(NamedTuple):
    """A table's two winners on test rows, in scaled quality, and what its students came to."""

    table: str
    alone: float
    taught: float
    n_students: int
    gains: list[float]  # of the admitted ones over their like, in scaled quality
    cpu_ratio: float


def read_all() -> Iterator[tuple[str, pl.DataFrame, str]]:
    """Yield name, shuffled rows and target of each table."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

    for load in (load_breast_cancer, load_diabetes, load_wine):
        frame = pl.from_pandas(load(as_frame=True).frame)
        yield load.__name__[5:], frame.sample(fraction=1.0, shuffle=True, seed=0), "target"
    for name, source, frame in read_frames(OF_PACKAGES):
        yield name, frame.drop(source.left_out), source.target


def fit_teacher(rows: pl.DataFrame, target: str, *, is_number: bool) -> Any:
    """Return a slow model of columns of any kind, fitted."""
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
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC, SVR

    encode = make_column_transformer(
        (
            make_pipeline(SimpleImputer(), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=30),
            make_column_selector(dtype_exclude="number"),
        ),
    )
    if is_number:
        members: list[Any] = [ExtraTreesRegressor(300), SVR(C=10), LGBMRegressor(verbose=-1)]
        vote: Any = VotingRegressor
    else:
        members = [
            ExtraTreesClassifier(300),
            SVC(C=10, probability=True),
            LGBMClassifier(verbose=-1),
        ]
        vote = VotingClassifier
    named = [(str(number), member) for number, member in enumerate(members)]
    joined = vote(named) if is_number else vote(named, voting="soft")
    features = rows.drop(target).to_pandas()
    return make_pipeline(encode, joined).fit(features, rows[target].to_numpy())


def score(found: SearchResult, bundle: Bundle, test: pl.DataFrame, target: str) -> float:
    """Return a model's scaled quality on raw rows."""
    card = found.data_card
    rows = found._feeding.encode(test)
    answers = bundle.load_family().predict(bundle.load_native(), rows)
    values = test[target]
    if card.input_schema.classes:
        places = {name: place for place, name in enumerate(card.input_schema.classes)}
        labels = np.array([places[str(value)] for value in values])
    else:
        labels = values.to_numpy().astype(np.float64)
    return card.quality.scale(card.quality.score(labels, answers))


def find_winner(found: SearchResult, *, averages: bool = False) -> Bundle:
    """Return the best candidate by the search's own test rows, averages left out unless wanted."""
    ranked = found.ranking.table.sort("rank")
    return next(
        found._candidates[name]
        for model, name in ranked.select("model", "candidate").iter_rows()
        if averages or model != AVERAGE
    )


def compare(name: str, frame: pl.DataFrame, target: str, budget_cpu_s: float) -> Compared:
    """Search a table with a teacher and without."""
    rows, test, task = split(frame, target)
    is_number = task == "regression"
    table, cpu_s, searched = rows.to_pandas(), [], []
    teacher = fit_teacher(rows, target, is_number=is_number)
    for given in (None, teacher.predict if is_number else teacher.predict_proba):
        started_s = time.process_time()
        searched.append(
            rf.search(
                table,
                target,
                families=CHEAP,
                budget_cpu_s=budget_cpu_s,
                n_workers=1,
                refit=False,
                task=task,
                teacher=given,
                verbose=False,
            )
        )
        cpu_s.append(time.process_time() - started_s)
    alone, taught = (score(found, find_winner(found), test, target) for found in searched)
    found = searched[1]
    gains = [
        score(found, found._candidates[one.student], test, target)
        - score(found, found._candidates[one.taught_alone], test, target)
        for one in found.distillations
        if one.is_admitted
    ]
    for one in found.distillations:
        print(f"    {one}", flush=True)
    return Compared(name, alone, taught, len(found.distillations), gains, cpu_s[1] / cpu_s[0])


def split(frame: pl.DataFrame, target: str) -> tuple[pl.DataFrame, pl.DataFrame, Any]:
    """Return the rows of the searches, those that no search sees, and the task."""
    frame = frame.filter(pl.len().over(target) >= 20) if frame[target].n_unique() <= 30 else frame
    n_learnt = min(N_LEARNT, round(0.7 * frame.height))
    rows, test = frame[:n_learnt], frame[n_learnt : n_learnt + N_TEST]
    if frame[target].dtype.is_numeric() and frame[target].n_unique() > 30:
        return rows, test, "regression"
    as_class = pl.col(target).cast(pl.String)
    return rows.with_columns(as_class), test.with_columns(as_class), "classification"


def compare_averages(budget_cpu_s: float) -> None:
    """Print what averages gain over the best single candidate, as JSON on the last line."""
    gains: dict[str, list[float]] = {"always": [], "where_test_rows_choose": []}
    for name, frame, target in read_all():
        rows, test, task = split(frame, target)
        found = rf.search(
            rows.to_pandas(),
            target,
            families=["linear", "forest", "lightgbm"],
            budget_cpu_s=budget_cpu_s,
            n_workers=1,
            refit=False,
            task=task,
            verbose=False,
        )
        single = score(found, find_winner(found), test, target)
        average = found._candidates.get(f"{AVERAGE}-000")
        always = single if average is None else score(found, average, test, target)
        chosen = score(found, find_winner(found, averages=True), test, target)
        print(f"{name:14} single {single:.4f} average {always:.4f} chosen {chosen:.4f}", flush=True)
        gains["always"].append(always - single)
        gains["where_test_rows_choose"].append(chosen - single)
    print(json.dumps({name: describe_gains(np.array(values)) for name, values in gains.items()}))


def describe_gains(gains: Any) -> dict[str, float]:
    """Return the mean gain in scaled quality and its 95 % interval over tables."""
    half = stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))
    ends = {"utility_gain_low": gains.mean() - half, "utility_gain_high": gains.mean() + half}
    return {
        name: round(float(value), 5)
        for name, value in ({"utility_gain": gains.mean()} | ends).items()
    }


def main() -> None:
    """Compare all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget-cpu-s", type=float, default=12.0)
    parser.add_argument("--averages", action="store_true", help="averages in place of students")
    asked = parser.parse_args()
    logging.getLogger("rightfit").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    if asked.averages:
        compare_averages(asked.budget_cpu_s)
        return
    rows = []
    for name, frame, target in read_all():
        rows.append(compare(name, frame, target, asked.budget_cpu_s))
        one = rows[-1]
        print(
            f"{name:14} alone {one.alone:.4f} taught {one.taught:.4f} students {one.n_students} "
            f"admitted {one.gains} CPU x {one.cpu_ratio:.2f}",
            flush=True,
        )
    gains = np.array([one.taught - one.alone for one in rows])
    admitted = [gain for one in rows for gain in one.gains]
    worse_share = float(np.mean([gain < 0 for gain in admitted])) if admitted else None
    print(
        json.dumps(
            {
                **describe_gains(gains),
                "n_students": sum(one.n_students for one in rows),
                "n_admitted": len(admitted),
                "worse_share": worse_share,
                "n_tables": len(rows),
                "cpu_ratio": round(float(np.mean([one.cpu_ratio for one in rows])), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
