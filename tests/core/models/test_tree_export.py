"""Trees that skl2onnx takes over as arrays lead to the same ONNX model as node by node."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from rightfit.models import tree_export
from rightfit.models.onnx_session import open_session
from rightfit.models.schema import InputSchema
from rightfit_search.families.by_path.sklearn_estimators import EstimatorFamily
from rightfit_search.families.registry import get_family

SEED = 0
N_FEATURES = 5


@pytest.mark.parametrize("n_classes", [2, 3, 9])
@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(random_state=SEED),
        ExtraTreesClassifier(n_estimators=4, random_state=SEED),
        GradientBoostingClassifier(n_estimators=4, random_state=SEED),
        RandomForestClassifier(n_estimators=4, random_state=SEED),
    ],
)
def test_a_classifier_is_exported_to_the_byte_as_by_skl2onnx(
    estimator: Any, n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, values = _make_rows()
    labels = np.argsort(np.argsort(values)) * n_classes // len(values)
    classes = tuple(f"c{number}" for number in range(n_classes))

    _compare(estimator.fit(rows, labels), classes, monkeypatch)


@pytest.mark.parametrize(
    "estimator",
    [
        GradientBoostingRegressor(n_estimators=4, random_state=SEED),
        RandomForestRegressor(n_estimators=4, random_state=SEED),
    ],
)
def test_a_regressor_is_exported_to_the_byte_as_by_skl2onnx(
    estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _compare(estimator.fit(*_make_rows()), (), monkeypatch)


@pytest.mark.parametrize(
    ("boosting", "classes"),
    [
        (HistGradientBoostingClassifier(max_iter=5), ("even", "odd")),
        (HistGradientBoostingClassifier(max_iter=5), ("even", "odd", "none")),
        (HistGradientBoostingRegressor(max_iter=5), ()),
    ],
)
def test_boosted_trees_within_another_model_part_neighbouring_numbers_as_it_does(
    boosting: Any, classes: tuple[str, ...]
) -> None:
    steps = np.repeat(np.arange(20), 20)
    rows = (1 + steps[:, None] * np.finfo(np.float32).eps).astype(np.float32)
    schema = InputSchema(("x",), classes, None)
    model = make_pipeline(FunctionTransformer(), boosting).fit(rows, steps % (len(classes) or 2))

    session = open_session(EstimatorFamily("sklearn.pipeline.Pipeline").export_onnx(model, schema))

    predict = model.predict_proba if classes else model.predict
    answers = session.run([schema.output_name], {"rows": rows})[0]
    np.testing.assert_allclose(answers.squeeze(), predict(rows), atol=1e-5)


def _make_rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(SEED)
    rows = rng.normal(size=(400, N_FEATURES)).astype(np.float32)
    return rows, rows[:, 0] + rows[:, 1] ** 2 + rng.normal(size=len(rows))


def _compare(model: Any, classes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    from skl2onnx.common import tree_ensemble

    schema = InputSchema(tuple(f"x{i}" for i in range(N_FEATURES)), classes, None)
    n_trees = 0
    list_nodes = tree_export._list_nodes

    def count(*given: Any) -> Any:
        nonlocal n_trees
        n_trees += 1
        return list_nodes(*given)

    monkeypatch.setattr(tree_export, "_list_nodes", count)
    as_arrays = get_family("forest").export_onnx(model, schema)
    assert n_trees, "skl2onnx took the trees over node by node"

    for name in tree_export._CONVERTERS:
        module = importlib.import_module(f"skl2onnx.operator_converters.{name}")
        monkeypatch.setattr(module, tree_export._NAME, tree_ensemble.add_tree_to_attribute_pairs)
    assert as_arrays == get_family("forest").export_onnx(model, schema)
