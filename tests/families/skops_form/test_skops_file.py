from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from rightfit.families.schema import InputSchema
from rightfit.families.skops_form.file import check_skops_file

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(3, random_state=0),
    "extra_trees": lambda: ExtraTreesClassifier(3, random_state=0),
    "gradient_boosting": lambda: GradientBoostingClassifier(n_estimators=3, random_state=0),
    "histogram_boosting": lambda: HistGradientBoostingClassifier(max_iter=3, random_state=0),
    "bagging": lambda: BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0),
    "linear": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "logistic": LogisticRegression,
    "bayes": GaussianNB,
    "support_vectors": SVC,
    "neighbours": lambda: KNeighborsClassifier(3, algorithm="brute"),
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


def damage_and_check(model: Any, path: Path, **damaged: Any) -> None:
    for name, value in damaged.items():
        setattr(model, name, value)
    skops.io.dump(model, path)
    n_classes = len(model.classes_)
    check_skops_file(path, schema=InputSchema(tuple("abcd"), tuple("xyz")[:n_classes], None))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("_n_support", lambda found: found + 1000),
        ("_n_support", lambda found: np.array([-1, *found[:-1]], dtype=np.int32)),
        ("support_vectors_", lambda found: found[:, :2].copy()),
        ("support_vectors_", lambda found: found[:3].copy()),
        ("_dual_coef_", lambda found: found[:1].copy()),
        ("_dual_coef_", lambda found: found.astype(np.float32)),
        ("_intercept_", lambda found: found[:1].copy()),
        ("_probA", lambda found: np.ones(2)),
    ],
)
def test_support_vectors_that_do_not_fit_are_refused(
    name: str, damage: Callable[[Any], Any], tmp_path: Path
) -> None:
    model = SVC().fit(*make_rows(3))

    with pytest.raises(ValueError, match=r"support|_probA"):
        damage_and_check(model, tmp_path / "weights.skops", **{name: damage(getattr(model, name))})


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("_y", lambda found: found + 7),
        ("_y", lambda found: found - 1),
        ("_y", lambda found: found[:4].copy()),
        ("_fit_X", lambda found: found[:, :2].copy()),
        ("n_samples_fit_", lambda found: found + 1),
    ],
)
def test_neighbours_that_do_not_fit_are_refused(
    name: str, damage: Callable[[Any], Any], tmp_path: Path
) -> None:
    model = KNeighborsClassifier(3, algorithm="brute").fit(*make_rows(3))

    with pytest.raises(ValueError, match=r"neighbour|labels"):
        damage_and_check(model, tmp_path / "weights.skops", **{name: damage(getattr(model, name))})


def test_forest_in_a_pipeline_must_read_what_its_trees_read(tmp_path: Path) -> None:
    model = make_pipeline(PCA(2), RandomForestClassifier(2, random_state=0)).fit(*make_rows(3))
    damage_and_check(model, tmp_path / "weights.skops")  # as it was trained

    model[-1].n_features_in_ = 1
    with pytest.raises(ValueError, match="a tree reads 2 features, not 1"):
        damage_and_check(model, tmp_path / "weights.skops")

    del model[-1].n_features_in_
    with pytest.raises(ValueError, match="does not say how many features"):
        damage_and_check(model, tmp_path / "weights.skops")


def test_gradient_boosting_in_a_pipeline_must_write_what_its_guess_prepared(tmp_path: Path) -> None:
    boosting = GradientBoostingClassifier(n_estimators=2, random_state=0)
    model = make_pipeline(PCA(2), boosting).fit(*make_rows(3))
    damage_and_check(model, tmp_path / "weights.skops")  # as it was trained

    model[-1].init_.classes_ = np.arange(2)
    with pytest.raises(ValueError, match="starts from another guess"):
        damage_and_check(model, tmp_path / "weights.skops")


@pytest.mark.parametrize(
    "model", [HistGradientBoostingClassifier(max_iter=3), RandomForestClassifier(2)]
)
def test_trees_behind_columns_by_name_are_bounded_by_their_own_estimator(
    model: Any, tmp_path: Path
) -> None:
    from own_models import fit_pipeline

    pipeline = fit_pipeline(model)  # which reads 3 columns and makes 5 of them
    schema = InputSchema(("age", "city", "n_rooms"), ("no", "yes"), None)
    path = tmp_path / "weights.skops"
    skops.io.dump(pipeline, path)
    check_skops_file(path, schema=schema)

    pipeline[-1].n_features_in_ = 1  # fewer than the splits look at
    skops.io.dump(pipeline, path)
    with pytest.raises(ValueError, match=r"not 1|a split"):
        check_skops_file(path, schema=schema)


def test_histogram_tree_of_no_estimator_is_refused(tmp_path: Path) -> None:
    model = HistGradientBoostingClassifier(max_iter=2).fit(*make_rows(2))
    model.stray = model._predictors[0][0]
    model._predictors = model._predictors[1:]

    with pytest.raises(ValueError, match="a tree that belongs to no estimator"):
        damage_and_check(model, tmp_path / "weights.skops")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_classes_may_be_texts_of_a_frame(name: str, tmp_path: Path) -> None:
    rows, labels = make_rows(3)
    names = np.array(["no", "perhaps", "yes"], dtype=object)[labels]  # as pandas holds them
    path = tmp_path / "weights.skops"
    skops.io.dump(ESTIMATORS[name]().fit(rows, names), path)

    check_skops_file(path, schema=InputSchema(tuple("abcd"), ("no", "perhaps", "yes"), None))
