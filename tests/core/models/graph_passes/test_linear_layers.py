from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.graphs import list_operators, make_graph, run_graph

from rightfit.models.graph_passes.linear_layers import join_bias, write_linear_as_products
from rightfit.models.graph_passes.tidying import keep_answers
from rightfit.models.onnx_graph import GraphBuilder

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(50, 4)).astype(np.float32)
WEIGHTS = rng.normal(size=(3, 4)).astype(np.float32)
BIAS = rng.normal(size=3).astype(np.float32)
INPUT = {"rows": ("float32", 4)}


def make_classifier(link: str, *, n_classes: int, outputs: list[str]) -> Any:
    own = GraphBuilder("own/")
    signs = np.array([[-1], [1]])  # as converters write two classes
    weights = WEIGHTS if n_classes == 3 else signs * WEIGHTS[:1]
    bias = BIAS if n_classes == 3 else signs[:, 0] * BIAS[0]
    own.add(
        "LinearClassifier",
        "rows",
        outputs=["label", "scores"],
        domain="ai.onnx.ml",
        coefficients=weights.ravel().tolist(),
        intercepts=bias.tolist(),
        classlabels_ints=list(range(n_classes)),
        post_transform=link,
    )
    own.add("Normalizer", "scores", outputs=["probabilities"], domain="ai.onnx.ml", norm="L1")
    own.add("Cast", "label", outputs=["class"], to=1)
    return make_graph(own, INPUT, outputs)


@pytest.mark.parametrize(
    ("link", "n_classes", "operators"),
    [
        ("SOFTMAX", 3, ["Gemm", "Softmax"]),
        ("LOGISTIC", 3, ["Gemm", "Sigmoid", "Normalizer"]),
        ("LOGISTIC", 2, ["Gemm", "Sigmoid", "Normalizer"]),
    ],
)
def test_linear_classifiers_become_products(
    link: str, n_classes: int, operators: list[str]
) -> None:
    model = keep_answers(
        make_classifier(link, n_classes=n_classes, outputs=["probabilities", "class"])
    )

    written = write_linear_as_products(model)

    assert list_operators(written) == operators
    np.testing.assert_allclose(
        run_graph(written, rows=ROWS), run_graph(model, rows=ROWS), atol=1e-6
    )


def test_a_classifier_whose_label_is_read_stays() -> None:
    model = make_classifier("SOFTMAX", n_classes=3, outputs=["class"])

    assert write_linear_as_products(model) is model


def test_linear_regressions_become_products() -> None:
    own = GraphBuilder("own/")
    own.add(
        "LinearRegressor",
        "rows",
        outputs=["values"],
        domain="ai.onnx.ml",
        coefficients=WEIGHTS[0].tolist(),
        intercepts=[0.5],
    )
    model = make_graph(own, INPUT, ["values"])

    written = write_linear_as_products(model)

    assert list_operators(written) == ["Gemm"]
    np.testing.assert_allclose(
        run_graph(written, rows=ROWS), run_graph(model, rows=ROWS), atol=1e-6
    )


def test_a_constant_that_is_added_joins_the_product() -> None:
    own = GraphBuilder("own/")
    product = own.add("MatMul", "rows", own.keep(WEIGHTS.T.copy()))
    own.add("Add", product, own.keep(BIAS[:1]), outputs=["values"])
    model = make_graph(own, INPUT, ["values"])

    joined = join_bias(model)

    assert list_operators(joined) == ["Gemm"]
    np.testing.assert_allclose(run_graph(joined, rows=ROWS), run_graph(model, rows=ROWS), atol=1e-6)
