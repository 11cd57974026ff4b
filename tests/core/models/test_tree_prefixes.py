from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rightfit.models.tree_prefixes import count_rounds, keep_rounds

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(300, 4)).astype(np.float32)
TARGETS = (ROWS[:, 0] + ROWS[:, 1] ** 2 > 0.5).astype(int) + (ROWS[:, 2] > 1)

Make = Callable[[int], Any]


def make_lightgbm(n_rounds: int) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    return lightgbm.LGBMClassifier(n_estimators=n_rounds, n_jobs=1, verbose=-1)


def make_xgboost(n_rounds: int) -> Any:
    xgboost = pytest.importorskip("xgboost")
    return xgboost.XGBClassifier(n_estimators=n_rounds, n_jobs=1)


def make_catboost(n_rounds: int) -> Any:
    catboost = pytest.importorskip("catboost")
    # its automatic rate of learning depends on the number of rounds
    return catboost.CatBoostClassifier(
        iterations=n_rounds, learning_rate=0.1, verbose=False, allow_writing_files=False
    )


MAKERS: dict[str, Make] = {
    "forest": lambda n: ExtraTreesClassifier(n, max_depth=3, random_state=0),
    "forest of values": lambda n: RandomForestRegressor(n, random_state=0),
    "boosting": lambda n: GradientBoostingClassifier(n_estimators=n, random_state=0),
    "histogram boosting": lambda n: HistGradientBoostingClassifier(max_iter=n, random_state=0),
    "pipeline": lambda n: make_pipeline(
        StandardScaler(), HistGradientBoostingClassifier(max_iter=n, random_state=0)
    ),
    "lightgbm": make_lightgbm,
    "xgboost": make_xgboost,
    "catboost": make_catboost,
}


def predict(model: Any) -> Any:
    return getattr(model, "predict_proba", model.predict)(ROWS)


@pytest.mark.parametrize("name", MAKERS)
def test_first_rounds_predict_as_a_model_trained_with_so_many(name: str) -> None:
    make = MAKERS[name]
    model = make(6).fit(ROWS, TARGETS)
    before = predict(model)

    kept = keep_rounds(model, 2)

    np.testing.assert_allclose(predict(kept), predict(make(2).fit(ROWS, TARGETS)), atol=1e-6)
    assert (count_rounds(model), count_rounds(kept)) == (6, 2)
    np.testing.assert_array_equal(predict(model), before)
    assert np.abs(predict(kept) - before).max() > 1e-3


@pytest.mark.parametrize(("name", "unwrap"), [("lightgbm", "booster_"), ("xgboost", "get_booster")])
def test_boosters_themselves_are_shortened(name: str, unwrap: str) -> None:
    model = MAKERS[name](6).fit(ROWS, TARGETS)
    found = getattr(model, unwrap)
    booster = found() if callable(found) else found

    assert count_rounds(keep_rounds(booster, 2)) == 2


def test_a_model_without_trees_has_no_rounds() -> None:
    model = LinearRegression().fit(ROWS, TARGETS)

    assert count_rounds(model) is None
    with pytest.raises(TypeError, match="LinearRegression is no ensemble"):
        keep_rounds(model, 1)
