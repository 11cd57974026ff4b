from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import psutil
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from rightfit._core.errors import RightfitError
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.api.estimators import (
    RightfitClassifier,
    RightfitRegressor,
    choose_validation_rows,
    list_features,
    require_judgement,
)

pytestmark = pytest.mark.whole

QUICK: dict[str, Any] = {
    "families": ("linear",),
    "budget_cpu_s": None,  # so that the seed alone decides what is tried
    "n_trials": 2,
    "random_state": 0,
}


@parametrize_with_checks([RightfitClassifier(**QUICK), RightfitRegressor(**QUICK)])
def test_scikit_learns_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


def test_cross_validation_of_a_pipeline() -> None:
    model = make_pipeline(PCA(3), RightfitClassifier(**QUICK))

    scores = cross_val_score(model, *load_iris(return_X_y=True), cv=3)

    assert scores.min() > 0.85


def test_regression_is_as_good_as_its_family() -> None:
    scores = cross_val_score(RightfitRegressor(**QUICK), *load_diabetes(return_X_y=True), cv=3)

    assert scores.mean() == pytest.approx(0.48, abs=0.03)  # as ridge regression


def test_a_frame_of_texts_and_gaps_is_learnt_from() -> None:
    frame = pd.DataFrame(
        {
            "size": [1.0, None, 3.0, 4.0] * 25,
            "colour": ["red", "blue", None, "blue"] * 25,
            "is_new": [True, False, True, False] * 25,
        }
    )
    y = np.array(["bad", "good", "bad", "good"] * 25)

    model = RightfitClassifier(**QUICK).fit(frame, y)

    assert model.score(frame, y) == 1
    assert model.score(pl.from_pandas(frame), y) == 1
    assert model.feature_names_in_.tolist() == ["size", "colour", "is_new"]
    assert model.classes_.tolist() == ["bad", "good"]
    assert model.predict_proba(frame.head(1)).shape == (1, 2)


def test_columns_named_by_numbers_go_by_position() -> None:
    rows, y = load_iris(return_X_y=True)

    model = RightfitClassifier(**QUICK).fit(pd.DataFrame(rows), y)

    assert not hasattr(model, "feature_names_in_")
    assert model.predict(rows).tolist() == model.predict(pd.DataFrame(rows)).tolist()


def test_array_in_place_of_a_frame_goes_by_position() -> None:
    frame, y = load_iris(return_X_y=True, as_frame=True)
    model = RightfitClassifier(**QUICK).fit(frame, y)

    with pytest.warns(UserWarning, match="does not have valid feature names"):
        answers = model.predict(frame.to_numpy())

    assert answers.tolist() == model.predict(frame).tolist()


def test_a_column_that_separates_the_classes_is_learnt_from() -> None:
    rows = np.concatenate([np.linspace(0, 1, 50), np.linspace(2, 3, 50)])[:, None]

    model = RightfitClassifier(**QUICK).fit(rows, np.repeat([0, 1], 50))

    assert model.score(rows, np.repeat([0, 1], 50)) == 1


def test_without_an_application_no_process_is_started_and_nothing_measured(
    children: set[psutil.Process],
) -> None:
    model = RightfitClassifier(**QUICK).fit(*load_iris(return_X_y=True))

    assert set(psutil.Process().children()) <= children
    assert model.best_.learnt_since
    assert model.best_.serving.runtime == "native"
    assert model.trials_.height == 2


def test_a_fitted_model_travels() -> None:
    rows, y = load_iris(return_X_y=True)
    model = RightfitClassifier(**QUICK).fit(rows, y)

    copied = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
    expected, settings = model.predict_proba(rows), model.best_.settings
    del model

    assert copied.predict_proba(rows).tolist() == expected.tolist()
    assert copied.best_.settings == settings


def test_an_application_has_candidates_measured(
    children: set[psutil.Process], short_measurements: None
) -> None:
    application = {
        "description": "small",
        "scenario": "single_stream",
        "objectives": {"quality": {"weight": 1, "worst": 0, "best": 1}},
        "constraints": {"model_size_mib": {"max": 1}, "n_threads": {"max": 1}},
    }
    model = RightfitClassifier(application, **QUICK).fit(*load_iris(return_X_y=True))

    assert all(one["latency_p50_ms"].value > 0 for one in model.profiles_)
    assert model.ranking_.winner("application").candidate == model.best_.candidate
    assert model.best_.learnt_since
    assert model.score(*load_iris(return_X_y=True)) > 0.9
    assert clone(model).application == application
    assert set(psutil.Process().children()) <= children


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"application": "interctive"}, r"the library's examples .*did you mean 'interactive'"),
        ({"families": ["liner"]}, "there is no family 'liner'"),
        ({"budget_cpu_s": -1}, "budget_cpu_s must be a positive number"),
        ({"quality": "r2"}, r"^quality\.name: the metric r2 is one of regression, .*\w$"),
        ({"quality": {"nam": "accuracy"}}, r"^quality\.nam: is unknown$"),
    ],
)
def test_wrong_parameters_are_refused_in_fit(changes: dict[str, Any], message: str) -> None:
    model = RightfitClassifier(**QUICK | changes)

    with pytest.raises(RightfitError, match=message):
        model.fit(*load_iris(return_X_y=True))


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (RightfitClassifier(), np.ones(9), "needs two classes or more, but y holds one class"),
        (RightfitRegressor(), np.ones(9), "y is 1 in all rows, so there is nothing to learn"),
    ],
)
def test_a_constant_target_is_refused(model: Any, y: Any, message: str) -> None:
    with pytest.raises(RightfitError, match=message):
        model.fit(np.arange(18.0).reshape(9, 2), y)


def test_validation_leaves_every_class_a_row_to_learn_from() -> None:
    y = np.array([0] * 17 + [1, 2, 3])

    chosen = choose_validation_rows(y, is_number=False, seed=0)

    assert chosen.sum() == 10  # half of twenty rows
    assert set(y[~chosen]) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("y", "is_number"),
    [(np.array([0, 1]), False), (np.array([0.0, 1.0, 1.0]), True)],
)
def test_too_few_rows_keep_none_aside(y: Any, is_number: bool) -> None:
    assert not choose_validation_rows(y, is_number=is_number, seed=0).any()


@pytest.mark.parametrize("y", [["a"] * 20 + ["b"] * 20 + ["rare"] * 2, ["a", "b", "a"]])
def test_classes_of_few_rows_are_learnt(y: list[str]) -> None:
    rows = np.arange(2.0 * len(y)).reshape(-1, 2)

    model = RightfitClassifier(**QUICK).fit(rows, y)

    assert model.predict_proba(rows).shape == (len(y), len(set(y)))


def test_a_metric_that_needs_every_class_is_refused_where_validation_lacks_one() -> None:
    metric = QualityMetric(name="neg_log_loss", worst=1, best=0)

    with pytest.raises(RightfitError, match=r"neg_log_loss needs .* every class, but 'rare' have"):
        require_judgement(metric, np.array([0, 1, 1]), np.array(["a", "b", "rare"]))


def test_numbers_are_features_whatever_their_values() -> None:
    frame = pl.DataFrame({"id": [1, 2], "constant": [7.0, 7.0], "gone": [None, None]})
    frame = frame.with_columns(pl.col("gone").cast(pl.Float64))

    assert list_features(frame)["numeric"] == ["id", "constant", "*"]  # and texts that are numbers


def test_a_frame_without_columns_is_refused() -> None:
    with pytest.raises(RightfitError, match="X must have columns"):
        RightfitClassifier().fit(pd.DataFrame(index=range(4)), ["a", "b"] * 2)
