"""What models say of themselves, and that they answer as bundles what they answer themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from factories.own_models import NUMBERS, ROWS, TARGETS, fit_linear, fit_pipeline, guess_by_age
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from rightfit._core.errors import RightfitError
from rightfit.measuring.given_models import UserObject
from rightfit.measuring.rounds.first_rows import WorkerFirstRows
from rightfit.measuring.rounds.worker_pool import shared_pool
from rightfit.models.bundle import Bundle, read_bundle
from rightfit.models.imported.feeds import make_rows
from rightfit.models.imported.objects import describe_object
from rightfit.models.imported.row_table import read_row_table
from rightfit.models.runtimes import open_predictor, runtime_imports

IS_YES = (TARGETS == "yes").astype(int)


def bundle(model: Any, folder: Path, classes: tuple[str, ...] | None, rows: Any = ROWS) -> Bundle:
    given = UserObject(model, describe_object(model), WorkerFirstRows(shared_pool()))
    return given.bundle(folder / "bundle", name="m", rows=read_row_table(rows), classes=classes)


def answer(found: Bundle, rows: Any = ROWS) -> Any:
    read = read_bundle(found.path, trust=True, family=found.family, checked_sha256=found.sha256)
    predict = open_predictor(read, runtime="native", n_threads=1, device="cpu")
    return predict(make_rows(read, "native", read_row_table(rows)))


def lightgbm(kind: str, rows: Any, targets: Any) -> Any:
    library = pytest.importorskip("lightgbm")
    return getattr(library, kind)(n_estimators=3, verbose=-1).fit(rows, targets)


def xgboost(kind: str, rows: Any, targets: Any) -> Any:
    library = pytest.importorskip("xgboost")
    return getattr(library, kind)(n_estimators=3).fit(rows, targets)


def catboost(kind: str, rows: Any, targets: Any) -> Any:
    library = pytest.importorskip("catboost")
    return getattr(library, kind)(iterations=3, verbose=0, allow_writing_files=False).fit(
        rows, targets
    )


CLASSIFIERS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "pipeline": (fit_pipeline, lambda model: model.predict_proba(ROWS)),
    "lightgbm": (
        lambda: lightgbm("LGBMClassifier", NUMBERS, TARGETS),
        lambda model: model.predict_proba(NUMBERS),
    ),
    "lightgbm booster": (
        lambda: lightgbm("LGBMClassifier", NUMBERS, IS_YES).booster_,
        lambda model: np.stack([1 - model.predict(NUMBERS), model.predict(NUMBERS)], axis=1),
    ),
    "xgboost": (
        lambda: xgboost("XGBClassifier", NUMBERS, IS_YES),
        lambda model: model.predict_proba(NUMBERS),
    ),
    "xgboost booster": (
        lambda: xgboost("XGBClassifier", NUMBERS, IS_YES).get_booster(),
        lambda model: np.stack(
            [1 - model.inplace_predict(NUMBERS), model.inplace_predict(NUMBERS)], axis=1
        ),
    ),
    "catboost": (
        lambda: catboost("CatBoostClassifier", NUMBERS, TARGETS),
        lambda model: model.predict_proba(NUMBERS),
    ),
    "scores of a support vector machine": (
        lambda: SVC().fit(NUMBERS, TARGETS),
        lambda model: np.stack([-model.decision_function(NUMBERS) / 2] * 2, axis=1) * [1, -1],
    ),
    "labels of a function": (
        lambda: guess_by_age,
        lambda model: np.eye(2)[(model(ROWS) == "yes").astype(int)],
    ),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_bundle_answers_as_its_classifier(name: str, tmp_path: Path) -> None:
    make, predict = CLASSIFIERS[name]
    model = make()
    found = answer(bundle(model, tmp_path, describe_object(model).classes or ("no", "yes")))
    expected = predict(model)
    if "scores" in name:  # put through a softmax
        expected = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "fit",
    [
        lambda: LinearRegression().fit(NUMBERS.to_numpy(), ROWS["age"]),
        lambda: lightgbm("LGBMRegressor", NUMBERS, ROWS["age"]),
        lambda: xgboost("XGBRegressor", NUMBERS, ROWS["age"]).get_booster(),
        lambda: catboost("CatBoostRegressor", NUMBERS.to_numpy(), ROWS["age"]),
    ],
)
def test_bundle_answers_as_its_regressor(fit: Callable[[], Any], tmp_path: Path) -> None:
    model = fit()
    facts = describe_object(model)
    rows = NUMBERS if facts.features else NUMBERS.to_numpy()
    predict = getattr(model, "inplace_predict", model.predict)

    assert facts.task == "regression"
    found = answer(bundle(model, tmp_path, (), rows=NUMBERS), NUMBERS)
    np.testing.assert_allclose(found[:, 0], predict(rows), rtol=1e-5, atol=1e-6)


def test_classes_take_the_order_asked_for(tmp_path: Path) -> None:
    model = fit_linear()

    found = answer(bundle(model, tmp_path, ("yes", "maybe", "no")))

    no, yes = model.predict_proba(ROWS).T
    np.testing.assert_allclose(found, np.stack([yes, 0 * yes, no], axis=1), atol=1e-6)


def test_labels_of_a_classifier_without_scores_are_certain(tmp_path: Path) -> None:
    class Voter:  # has no scores
        classes_ = np.array(["no", "yes"])

        def predict(self, rows: Any) -> Any:
            return guess_by_age(rows)

    found = answer(bundle(Voter(), tmp_path, ("no", "yes")))

    np.testing.assert_array_equal(found[:, 1], (ROWS["age"] > 0).astype(float))


def test_scores_between_0_and_1_are_no_probabilities(tmp_path: Path) -> None:
    model = RidgeClassifier(alpha=1e3).fit(NUMBERS, TARGETS)
    likely = NUMBERS[(model.decision_function(NUMBERS) > 0)]  # as in rows sorted by class

    found = answer(bundle(model, tmp_path, ("no", "yes"), rows=likely), likely)

    assert (model.decision_function(likely) < 0.5).all()
    assert (found.argmax(axis=1) == 1).all()


def test_scores_of_pairs_are_no_scores_of_classes(tmp_path: Path) -> None:
    targets = np.array(["old", "young", "newborn"])[np.digitize(-ROWS["age"], [-0.5, 0.5])]
    model = make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo"))
    model.fit(NUMBERS, targets)

    found = answer(bundle(model, tmp_path, ("newborn", "old", "young")))

    assert (model.classes_[found.argmax(axis=1)] == model.predict(NUMBERS)).all()


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (lambda rows: rows["age"] > 0, r"the classes \['false', 'true'\], but those known are"),
        (lambda rows: None, r"answers object of shape \(\)"),
        (lambda rows: rows["age"][:0], "must answer each row"),
    ],
    ids=["other classes", "nothing", "no row"],
)
def test_first_answers_must_fit_the_targets(
    function: Callable[[Any], Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(RightfitError, match=fault):
        bundle(function, tmp_path, ("no", "yes"))


def test_class_that_no_target_has_is_named(tmp_path: Path) -> None:
    found = bundle(
        lambda rows: ["yes"] * 16 + ["maybe"] * (len(rows) - 16), tmp_path, ("no", "yes")
    )

    with pytest.raises(RightfitError, match=r"the classes \['maybe'\], but those known"):
        answer(found)


@pytest.mark.parametrize(
    ("fit", "features", "n_features"),
    [
        (lambda: LogisticRegression().fit(NUMBERS, TARGETS), ("age", "n_rooms"), 2),
        (lambda: LogisticRegression().fit(NUMBERS.to_numpy(), TARGETS), None, 2),
        (lambda: lightgbm("LGBMClassifier", NUMBERS.to_numpy(), TARGETS), None, 2),
        (lambda: catboost("CatBoostClassifier", NUMBERS, TARGETS), ("age", "n_rooms"), 2),
        (lambda: guess_by_age, None, None),
    ],
)
def test_names_of_columns_are_those_that_somebody_gave(
    fit: Callable[[], Any], features: tuple[str, ...] | None, n_features: int | None
) -> None:
    facts = describe_object(fit())

    assert (facts.features, facts.n_features) == (features, n_features)


def test_measuring_changes_no_setting_of_the_model(tmp_path: Path) -> None:
    model = lightgbm("LGBMClassifier", NUMBERS, TARGETS).set_params(n_jobs=-1)

    bundle(model, tmp_path, ("no", "yes"))

    assert model.get_params()["n_jobs"] == -1


def test_process_imports_what_the_model_is_made_of_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    of_linear = runtime_imports(bundle(fit_linear(), tmp_path / "a", ("no", "yes")), "native")
    of_function = runtime_imports(bundle(guess_by_age, tmp_path / "b", ("no", "yes")), "native")

    assert "sklearn.compose" in of_linear
    assert "lightgbm" not in of_linear
    assert "factories.own_models" in of_function
    assert {"pandas", "torch"} & set(of_function) == {"pandas"}  # which its module imports


def test_model_of_several_targets_is_refused() -> None:
    both = np.stack([IS_YES, 1 - IS_YES], axis=1)
    model = MultiOutputClassifier(RidgeClassifier()).fit(NUMBERS, both)

    with pytest.raises(RightfitError, match="MultiOutputClassifier predicts several targets"):
        describe_object(model)
