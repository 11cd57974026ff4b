from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.graphs import add_product, list_operators, make_graph, run_graph

from rightfit.models.graph_passes import category_tables
from rightfit.models.graph_passes.category_tables import look_up_categories
from rightfit.models.onnx_graph import GraphBuilder

rng = np.random.default_rng(0)
KEYS = [["AA", "B6", "DL"], ["DL", "JFK"], ["AA"]]
TEXTS = np.array(
    [[one, other, third] for one in ("AA", "DL", "", "x") for other in ("DL", "JFK", "AA", "")
     for third in ("AA", "", "B6")],
    dtype=object,
)  # fmt: skip
NUMBERS = rng.normal(size=(len(TEXTS), 2)).astype(np.float32)


def make_categories(*, has_numbers: bool, has_means: bool = False, columns: Any = (0, 1, 2)) -> Any:
    own = GraphBuilder("own/")
    values = own.keep(np.array([0, 1], dtype=np.float32))
    parts = ["numbers"] if has_numbers else []
    width = 2 * has_numbers
    for column in columns:
        keys = KEYS[column]
        place = own.add(
            "LabelEncoder",
            own.add("Gather", "texts", own.keep(np.int64(column)), axis=1),
            domain="ai.onnx.ml",
            keys_strings=[*keys, ""],
            values_int64s=list(range(len(keys) + 1)),
            default_int64=len(keys),
        )
        depth = own.keep(np.int64(len(keys) + 1))
        parts.append(own.add("OneHot", place, depth, values, axis=-1))
        width += len(keys) + 1
        if has_means:
            means = own.keep(rng.normal(size=(len(keys) + 1, 1)).astype(np.float32))
            parts.append(own.add("Gather", means, place, axis=0))
            width += 1
    scores = add_product(own, own.add("Concat", *parts, axis=1), width, 4)
    own.add("Softmax", scores, outputs=["probabilities"], axis=1)
    inputs = {"texts": ("object", 3)} | ({"numbers": ("float32", 2)} if has_numbers else {})
    return make_graph(own, inputs)


def feed(model: Any) -> dict[str, Any]:
    known = {"texts": TEXTS, "numbers": NUMBERS}
    return {tensor.name: known[tensor.name] for tensor in model.graph.input}


@pytest.mark.parametrize(
    ("options", "operators"),
    [
        (
            {"has_numbers": True},
            ["LabelEncoder", "Add", "Gather", "ReduceSum", "Gather", "Gemm", "Softmax"],
        ),
        (
            {"has_numbers": False},
            ["LabelEncoder", "Add", "Gather", "ReduceSum", "Gather", "Identity", "Softmax"],
        ),
        (
            {"has_numbers": True, "columns": (2, 0)},
            ["Gather", "LabelEncoder", "Add", "Gather", "ReduceSum", "Gather", "Gemm", "Softmax"],
        ),
    ],
    ids=["numbers", "categories alone", "two of three columns"],
)
def test_categories_are_looked_up_in_one_table(
    options: dict[str, Any], operators: list[str]
) -> None:
    model = make_categories(**options)

    rewritten = look_up_categories(model)

    assert list_operators(rewritten) == operators
    np.testing.assert_allclose(
        run_graph(rewritten, **feed(model)), run_graph(model, **feed(model)), atol=1e-6
    )


def test_means_of_categories_are_looked_up_too() -> None:
    model = make_categories(has_numbers=True, has_means=True)

    rewritten = look_up_categories(model)

    assert "OneHot" not in list_operators(rewritten)
    np.testing.assert_allclose(
        run_graph(rewritten, **feed(model)), run_graph(model, **feed(model)), atol=1e-6
    )


def test_large_columns_have_tables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(category_tables, "MAX_ROWS", 6)
    model = make_categories(has_numbers=True)

    rewritten = look_up_categories(model)

    assert list_operators(rewritten).count("Sum") == 1
    np.testing.assert_allclose(
        run_graph(rewritten, **feed(model)), run_graph(model, **feed(model)), atol=1e-6
    )


def test_a_product_without_categories_stays() -> None:
    own = GraphBuilder("own/")
    own.add("Softmax", add_product(own, "rows", 3, 2), outputs=["probabilities"], axis=1)
    model = make_graph(own, {"rows": ("float32", 3)})

    assert look_up_categories(model) is model
