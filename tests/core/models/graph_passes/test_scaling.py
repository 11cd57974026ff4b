from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from factories.graphs import add_product, list_operators, make_graph, run_graph

from rightfit.models.graph_passes.scaling import fold_scaling
from rightfit.models.onnx_graph import GraphBuilder

rng = np.random.default_rng(0)
MEAN = np.array([[1017.0, -3.0, 0.001]])
SCALE = np.array([[7.5, 2.0, 1e-4]])
NUMBERS = MEAN + SCALE * np.concatenate([rng.normal(size=(300, 3)), 1e4 * rng.normal(size=(20, 3))])


def make_scaled(mean: Any, *, others: int = 0) -> Any:
    own = GraphBuilder("own/")
    centred = own.add("Sub", "numbers", own.keep(mean))
    rows = own.cast(own.add("Mul", centred, own.keep(1 / SCALE)), "float32")
    if others:
        rows = own.add("Concat", "others", rows, axis=1)
    scores = add_product(own, rows, 3 + others, 4)
    own.add("Softmax", scores, outputs=["probabilities"], axis=1)
    inputs = {"numbers": ("float64", 3)} | ({"others": ("float32", others)} if others else {})
    return make_graph(own, inputs)


def test_scaling_becomes_weights() -> None:
    model = make_scaled(MEAN)

    folded = fold_scaling(model)

    assert list_operators(folded) == ["Cast", "Gemm", "Softmax"]
    np.testing.assert_allclose(
        run_graph(folded, numbers=NUMBERS), run_graph(model, numbers=NUMBERS), atol=2e-5
    )
    assert fold_scaling(folded) is folded


def test_scaling_of_some_columns_becomes_weights() -> None:
    model = make_scaled(MEAN, others=2)
    feed = {"numbers": NUMBERS, "others": rng.normal(size=(len(NUMBERS), 2)).astype(np.float32)}

    folded = fold_scaling(model)

    assert list_operators(folded) == ["Cast", "Concat", "Gemm", "Softmax"]
    np.testing.assert_allclose(run_graph(folded, **feed), run_graph(model, **feed), atol=2e-5)


def test_the_mean_of_a_column_far_from_zero_is_still_taken_off_before() -> None:
    mean = np.array([[1.7e9, 0.0, 0.0]])  # seconds since 1970, which float32 cannot tell apart
    model = make_scaled(mean)
    numbers = NUMBERS - MEAN + mean

    folded = fold_scaling(model)

    assert list_operators(folded) == ["Sub", "Cast", "Gemm", "Softmax"]
    np.testing.assert_allclose(
        run_graph(folded, numbers=numbers), run_graph(model, numbers=numbers), atol=2e-5
    )
    assert fold_scaling(folded) is folded


def test_a_scaler_of_a_pipeline_becomes_weights() -> None:
    own = GraphBuilder("own/")
    scaled = own.add(
        "Scaler",
        "rows",
        domain="ai.onnx.ml",
        offset=MEAN[0].tolist(),
        scale=(1 / SCALE[0]).tolist(),
    )
    own.add("Softmax", add_product(own, scaled, 3, 4), outputs=["probabilities"], axis=1)
    model = make_graph(own, {"rows": ("float32", 3)})
    rows = NUMBERS[:300].astype(np.float32)

    folded = fold_scaling(model)

    assert list_operators(folded) == ["Cast", "Gemm", "Softmax"]
    np.testing.assert_allclose(run_graph(folded, rows=rows), run_graph(model, rows=rows), atol=2e-5)


def test_bytes_of_pixels_are_scaled_by_weights() -> None:
    own = GraphBuilder("own/")
    pixels = own.add("Mul", own.cast("image", "float32"), own.keep(np.float32(1 / 255)))
    own.add("Softmax", add_product(own, pixels, 9, 3), outputs=["probabilities"], axis=1)
    model = make_graph(own, {"image": ("uint8", 9)})
    image = rng.integers(0, 256, (100, 9)).astype(np.uint8)

    folded = fold_scaling(model)

    assert list_operators(folded) == ["Cast", "Gemm", "Softmax"]
    np.testing.assert_allclose(
        run_graph(folded, image=image), run_graph(model, image=image), atol=1e-6
    )


@pytest.mark.parametrize("reader", ["Neg", "Identity"])
def test_scaled_columns_that_others_read_stay(reader: str) -> None:
    own = GraphBuilder("own/")
    scaled = own.add("Mul", "rows", own.keep(np.float32(3)))
    own.add("Softmax", add_product(own, scaled, 2, 3), outputs=["probabilities"], axis=1)
    own.add(reader, scaled, outputs=["values"])
    model = make_graph(own, {"rows": ("float32", 2)}, ["probabilities", "values"])

    assert fold_scaling(model) is model
