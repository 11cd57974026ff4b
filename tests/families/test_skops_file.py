from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier

from rightfit.families.schema import InputSchema
from rightfit.families.skops_file import check_skops_file

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(3, random_state=0),
    "extra_trees": lambda: ExtraTreesClassifier(3, random_state=0),
    "gradient_boosting": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "histogram_boosting": lambda: HistGradientBoostingClassifier(max_iter=3, random_state=0),
    "bagging": lambda: BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0),
    "linear": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "logistic": LogisticRegression,
    "bayes": GaussianNB,
    "perceptron": lambda: MLPClassifier((4,), max_iter=300, random_state=0, tol=0.1),
}


def make_rows(n_classes: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(n_classes), 20)
    return rng.normal(labels[:, None], 1, (len(labels), 4)).astype(np.float32), labels


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_scikit_learn_trains_is_accepted(name: str, n_classes: int, tmp_path: Path) -> None:
    rows, labels = make_rows(n_classes)
    path = tmp_path / "weights.skops"
    estimator = ESTIMATORS[name]().fit(rows, labels)
    skops.io.dump(estimator, path, compression=zipfile.ZIP_DEFLATED)
    schema = InputSchema(("a", "b", "c", "d"), ("x", "y", "z")[:n_classes], None)

    check_skops_file(path, schema=schema)

    wider = InputSchema(("a", "b", "c", "d", "e"), schema.classes, None)
    with pytest.raises(ValueError, match="features"):
        check_skops_file(path, schema=wider)


def test_missing_values_may_have_a_branch_of_their_own(tmp_path: Path) -> None:
    rows, labels = make_rows(2)
    rows[labels == 1, 0] = np.nan  # splits at infinity: all numbers to one side
    path = tmp_path / "weights.skops"
    skops.io.dump(RandomForestClassifier(3, random_state=0).fit(rows, labels), path)

    check_skops_file(path, schema=InputSchema(("a", "b", "c", "d"), ("x", "y"), None))
