"""A pass that computes the kernels of support vectors by products.

The distance of a row from a support vector is ``|row|^2 - 2 row @ vector + |vector|^2``, so the
distances from all of them are one product, where ONNX Runtime's operator goes from pair to pair.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    Array,
    GraphView,
    add_product,
    count_pairs,
    read_attributes,
)
from rightfit.models.onnx_graph import read_opsets

if TYPE_CHECKING:
    from onnx import ModelProto

MIN_OPSET = 13  # of sums whose axes are an input


def write_kernels_as_products(model: ModelProto) -> ModelProto:
    """Write the scores of pairs of classes by an RBF kernel as products."""
    if read_opsets(model).get("", 0) < MIN_OPSET:
        return model
    view = GraphView(model)
    for node in view.nodes:
        if node.op_type != "SVMClassifier" or count_pairs(node) is None:
            continue
        label, scores = node.output
        settings = read_attributes(node)
        if settings.get("kernel_type") != "RBF" or label in view.fixed or view.list_readers(label):
            continue
        gamma = float(settings["kernel_params"][0])
        coefficients, n_vectors = _read_pairs(settings)
        vectors = np.array(settings["support_vectors"]).reshape(n_vectors, -1)
        rows = node.input[0]
        added = view.build("kernels")
        axes = added.keep(np.array([1], dtype=np.int64))
        length = added.add("ReduceSum", added.add("Mul", rows, rows), axes)
        scaled = added.add("Mul", length, added.keep(np.float32(-gamma)))
        exponents = f"{added.prefix}exponents"
        partial = f"{added.prefix}partial"
        lengths = np.square(vectors).sum(axis=1)
        add_product(added, rows, 2 * gamma * vectors.T, -gamma * lengths, output=partial)
        added.add("Add", partial, scaled, outputs=[exponents])
        kernel = added.add("Exp", exponents)
        bias = np.array(settings["rho"], dtype=np.float64)
        add_product(added, kernel, coefficients, bias, output=scores)
        return view.rewrite([node], added)
    return model


def _read_pairs(settings: dict[str, Any]) -> tuple[Array, int]:
    """Return the weight of each support vector in each pair, shape (n_vectors, n_pairs)."""
    sizes = settings["vectors_per_class"]
    n_vectors = sum(sizes)
    ends = np.cumsum(sizes)
    of_class = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    weights = np.array(settings["coefficients"]).reshape(len(sizes) - 1, n_vectors)
    pairs = list(combinations(range(len(sizes)), 2))
    table = np.zeros((n_vectors, len(pairs)))
    for pair, (first, second) in enumerate(pairs):
        table[of_class[first], pair] = weights[second - 1, of_class[first]]
        table[of_class[second], pair] = weights[first, of_class[second]]
    return table, n_vectors
