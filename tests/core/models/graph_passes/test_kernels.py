"""Support vectors and the votes of pairs of classes, as scikit-learn's converter writes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from factories.graphs import list_operators, run_graph
from sklearn.svm import SVC

from rightfit.models.graph_passes.kernels import join_columns, write_kernels_as_products
from rightfit.models.graph_passes.tidying import keep_answers, remove_copies
from rightfit.models.schema import InputSchema
from rightfit.models.sklearn_io import export_scores

pytestmark = pytest.mark.filterwarnings("ignore:Attribute `prob:FutureWarning")  # in skl2onnx

rng = np.random.default_rng(0)
ROWS = np.concatenate([rng.normal(size=(400, 5)), 100 * rng.normal(size=(40, 5))]).astype(
    np.float32
)


def export_svm(n_classes: int, **settings: Any) -> Any:
    scores = ROWS[:, 0] + ROWS[:, 1] ** 2
    labels = np.digitize(scores, np.quantile(scores[:400], np.linspace(0, 1, n_classes + 1)[1:-1]))
    model = SVC(**settings).fit(ROWS, labels)
    schema = InputSchema(tuple("abcde"), tuple("uvwxyz"[:n_classes]), None)
    return remove_copies(keep_answers(onnx.load_from_string(export_scores(model, schema))))


@pytest.mark.parametrize("n_classes", [3, 6])
def test_kernels_and_votes_become_products(n_classes: int) -> None:
    model = export_svm(n_classes)

    by_kernel = write_kernels_as_products(model)
    rewritten = join_columns(join_columns(by_kernel))

    assert "SVMClassifier" not in list_operators(by_kernel)
    assert len(list_operators(rewritten)) < 20 < len(list_operators(model))
    before, after = (run_graph(one, rows=ROWS) for one in (model, rewritten))
    np.testing.assert_allclose(after, before, atol=2e-5)
    np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))


def test_votes_stay_where_a_wide_kernel_has_large_weights() -> None:
    """Thousands of terms cancel out there, and each row has ten votes."""
    model = export_svm(5, C=30, gamma=0.003)
    rows = rng.normal(size=(20_000, 5)).astype(np.float32)

    rewritten = join_columns(join_columns(write_kernels_as_products(model)))

    before, after = (run_graph(one, rows=rows) for one in (model, rewritten))
    np.testing.assert_allclose(after, before, atol=1e-3)  # a vote is worth far more


@pytest.mark.parametrize("settings", [{"kernel": "poly"}, {"kernel": "sigmoid"}])
def test_other_kernels_stay(settings: dict[str, Any]) -> None:
    model = export_svm(3, **settings)

    assert write_kernels_as_products(model) is model


def test_votes_of_a_stored_kernel_are_joined_without_rewriting_it() -> None:
    model = export_svm(4, kernel="poly")

    joined = join_columns(join_columns(model))

    assert list_operators(joined).count("Gemm") == 2
    np.testing.assert_allclose(run_graph(joined, rows=ROWS), run_graph(model, rows=ROWS), atol=1e-5)
