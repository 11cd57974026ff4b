"""How are a teacher's probabilities best given to families that know classes alone?

``PYTHONPATH=benchmarks/constants:build/tables python benchmarks/soft_labels.py`` trains logistic
regression, a forest and LightGBM on 400 labelled rows of six tables that are used elsewhere too,
and on 1,000 rows that the teacher of ``distil.py``, of 300 trees, has labelled:

- ``labels``: on the labelled rows alone;
- ``likeliest``: of each row the likeliest class; ``likeliest4`` the same four times;
- ``drawn``: a class drawn by its probability; ``quarters``: four copies, by fixed quantiles;
- ``copies2`` to ``copies8``: so many copies, by systematic sampling;
- ``weights``: a copy for each class, weighted by its probability.

Prints ROC AUC (two classes) or accuracy (more), and log loss, of each on rows aside.
"""

from __future__ import annotations

import warnings
from typing import Any

import distil
import numpy as np
from lightgbm import LGBMClassifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import TableSource

TABLES = {
    "churn": TableSource("modeldata", "wa_churn", "churn"),
    "remote": TableSource("modeldata", "stackoverflow", "Remote"),
    "stops": TableSource(
        *("carData", "MplsStops", "problem"),
        left_out=("idNum", "citationIssued", "personSearch", "vehicleSearch", "date"),
    ),
    "diseases": TableSource("dslabs", "us_contagious_diseases", "disease"),
    "defaults": TableSource("modeldata", "lending_club", "Class"),
    "cut": TableSource("ggplot2", "diamonds", "cut"),
}
N_LEARNT = 400
Learnt = dict[str, tuple[Any, Any, Any]]


def copy_rows(answers: Any, n_copies: int, starts: Any) -> tuple[Any, Any]:
    """Return labels and rows of copies by systematic sampling."""
    points = (np.arange(n_copies)[None] + starts) / n_copies
    ends = answers.cumsum(axis=1)
    ends[:, -1] = 2
    labels = np.stack([(ends > points[:, [copy]]).argmax(axis=1) for copy in range(n_copies)], 1)
    return labels.ravel(), np.repeat(np.arange(len(answers)), n_copies)


def list_variants(x: Any, y: Any, unlabelled: Any, answers: Any) -> Learnt:
    """Return rows, labels and weights by the way in which they are given."""
    n_rows, n_classes = answers.shape
    likeliest = answers.argmax(axis=1)
    points = np.random.default_rng(0).random(n_rows)[:, None]
    drawn = (answers.cumsum(axis=1) > points).argmax(axis=1)
    taught: dict[str, tuple[Any, Any]] = {
        "likeliest": (likeliest, np.arange(n_rows)),
        "likeliest4": (np.repeat(likeliest, 4), np.repeat(np.arange(n_rows), 4)),
        "drawn": (drawn, np.arange(n_rows)),
        "quarters": copy_rows(answers, 4, np.full((n_rows, 1), 0.5)),
    }
    rng = np.random.default_rng(1)
    for n_copies in (2, 3, 4, 8):
        taught[f"copies{n_copies}"] = copy_rows(answers, n_copies, rng.random((n_rows, 1)))
    variants: Learnt = {"labels": (x, y, None)}
    for name, (labels, rows) in taught.items():
        variants[name] = (np.r_[x, unlabelled[rows]], np.r_[y, labels], None)
    variants["weights"] = (
        np.r_[x, np.repeat(unlabelled, n_classes, axis=0)],
        np.r_[y, np.tile(np.arange(n_classes), n_rows)],
        np.r_[np.ones(len(y)), answers.ravel()],
    )
    return variants


def compare(name: str, seed: int) -> None:
    """Print the figures of a table."""
    rows = distil.read_rows(name, seed)
    teacher = distil.fit_teacher(rows, 0, n_trees=300)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=30)
    encode = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_exclude="number")),
    )
    features = rows.seen.drop(rows.target)
    x = encode.fit_transform(features.to_pandas())
    x_aside = encode.transform(rows.aside.drop(rows.target).to_pandas())
    classes, y_aside = np.unique(rows.aside[rows.target].to_numpy(), return_inverse=True)
    y = np.searchsorted(classes, rows.seen[rows.target][:N_LEARNT].to_numpy().astype(str))
    unlabelled = slice(500, 1_500)
    answers = teacher.answer(features[unlabelled])

    def judge(answers: Any) -> str:
        chances = np.clip(answers, 1e-9, 1)
        chances /= chances.sum(axis=1, keepdims=True)
        score = (
            roc_auc_score(y_aside, chances[:, 1])
            if len(classes) == 2
            else accuracy_score(y_aside, chances.argmax(axis=1))
        )
        return f"{score:.3f} {log_loss(y_aside, chances, labels=range(len(classes))):.3f}"

    print(f"{name}, seed {seed}: teacher {judge(teacher.answer(rows.aside))}", flush=True)
    for label, learnt in list_variants(x[:N_LEARNT], y, x[unlabelled], answers).items():
        figures = []
        for model in (
            LogisticRegression(max_iter=500, C=0.3),
            RandomForestClassifier(150, min_samples_leaf=2, random_state=0),
            LGBMClassifier(n_estimators=60, learning_rate=0.1, num_leaves=15, verbose=-1, n_jobs=1),
        ):
            model.fit(learnt[0], learnt[1], sample_weight=learnt[2])
            chances = np.zeros((len(y_aside), len(classes)))
            chances[:, model.classes_] = model.predict_proba(x_aside)
            figures.append(judge(chances))
        print(f"  {label:10}", *figures, sep=" | ", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    distil.TABLES.clear()
    distil.TABLES.update(TABLES)
    distil.N_LABELLED, distil.N_UNLABELLED, distil.N_TEST = 500, 1_500, 4_000
    for seed in (0, 3):
        for name in TABLES:
            compare(name, seed)
