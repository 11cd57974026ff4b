"""Passes that compute the kernels of support vectors, and their votes, by products.

The distance of a row from a support vector is ``|row|^2 - 2 row @ vector + |vector|^2``, so the
distances from all of them are one product, where ONNX Runtime's operator goes from pair to pair.
The sum over the support vectors is one of float64: its terms nearly cancel out, and the sign that
is left is a vote.

Converters add, negate and join the votes of pairs of classes column by column: a hundred operators
for six classes, each of which costs half a microsecond a call. They are one product, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    Array,
    GraphView,
    add_product,
    count_pairs,
    read_attributes,
    rewriting,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MIN_OPSET = 13  # of sums whose axes are an input
MIN_NODES = 4  # below which a product is no gain
FLOATS = ("Cast", "SVMClassifier", "Gemm")


@rewriting("SVMClassifier", min_opset=MIN_OPSET)
def write_kernels_as_products(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Write the scores of pairs of classes by an RBF kernel as products."""
    from onnx import TensorProto

    if count_pairs(node) is None:
        return None
    label, scores = node.output
    settings = read_attributes(node)
    if settings.get("kernel_type") != "RBF" or label in view.fixed or view.list_readers(label):
        return None
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
    exact = added.add("Cast", kernel, to=TensorProto.DOUBLE)
    sums = added.add("Gemm", exact, added.keep(coefficients), added.keep(bias))
    added.add("Cast", sums, outputs=[scores], to=TensorProto.FLOAT)
    return view.rewrite([node], added)


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


@dataclass(frozen=True)
class _Columns:
    """Columns that are ``base @ weights + bias``."""

    base: str
    weights: Array
    bias: Array


@rewriting("Concat")
def join_columns(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Write columns that are sums of other columns, joined again, as one product."""
    if read_attributes(node).get("axis") not in (1, -1):
        return None
    used: list[NodeProto] = []
    columns = _trace(view, node.output[0], used, {})
    if columns is None or len(used) < MIN_NODES:
        return None
    if view.find_maker(columns.base, *FLOATS) is None:  # of float32 for certain
        return None
    added = view.build("columns")
    add_product(added, columns.base, columns.weights, columns.bias, output=node.output[0])
    return view.rewrite([node], added)


def _trace(
    view: GraphView, name: str, used: list[NodeProto], traced: dict[str, _Columns | None]
) -> _Columns | None:
    """Return what a tensor is in the columns of another one; ``None``: no sum of such columns."""
    if name not in traced:
        traced[name] = _trace_maker(view, name, used, traced)
    return traced[name]


def _trace_maker(
    view: GraphView, name: str, used: list[NodeProto], traced: dict[str, _Columns | None]
) -> _Columns | None:
    node = view.find_maker(name, "ArrayFeatureExtractor", "Neg", "Sum", "Add", "Mul", "Concat")
    if node is None:
        width = view.find_width(name)
        return None if width is None else _Columns(name, np.eye(width), np.zeros(width))
    used.append(node)
    constant = view.read_constant(node.input[1]) if len(node.input) > 1 else None
    first = _trace(view, node.input[0], used, traced)
    match node.op_type:
        case "ArrayFeatureExtractor" if first is not None and constant is not None:
            at = constant.reshape(-1)
            return _Columns(first.base, first.weights[:, at], first.bias[at])
        case "Neg" if first is not None:
            return _Columns(first.base, -first.weights, -first.bias)
        case "Add" if first is not None and constant is not None and constant.size == 1:
            return _Columns(first.base, first.weights, first.bias + float(constant.reshape(())))
        case "Mul" if first is not None and constant is not None and constant.size == 1:
            factor = float(constant.reshape(()))
            return _Columns(first.base, first.weights * factor, first.bias * factor)
        case "Sum" | "Concat":
            parts = [_trace(view, source, used, traced) for source in node.input]
            columns = [part for part in parts if part is not None]
            if len(columns) < len(parts) or len({part.base for part in columns}) != 1:
                return None
            weights, biases = [part.weights for part in columns], [part.bias for part in columns]
            if node.op_type == "Concat":
                joined = np.concatenate(weights, axis=1), np.concatenate(biases)
                return _Columns(columns[0].base, *joined)
            if len({part.shape for part in weights}) != 1:
                return None
            return _Columns(columns[0].base, np.sum(weights, axis=0), np.sum(biases, axis=0))
    return None
