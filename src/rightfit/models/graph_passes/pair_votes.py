"""A pass that writes many operators on single columns as one product.

Converters add, negate and join columns one by one, such as the votes of pairs of classes: a hundred
operators for six classes, each of which costs half a microsecond a call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    Array,
    GraphView,
    add_product,
    read_attributes,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MIN_NODES = 4  # below which a product is no gain
FLOATS = ("Cast", "SVMClassifier", "Gemm")


@dataclass(frozen=True)
class _Columns:
    """Columns that are ``base @ weights + bias``."""

    base: str
    weights: Array
    bias: Array


def join_columns(model: ModelProto) -> ModelProto:
    """Write columns that are sums of other columns, joined again, as one product."""
    view = GraphView(model)
    for node in view.nodes:
        if node.op_type != "Concat" or read_attributes(node).get("axis") not in (1, -1):
            continue
        used: list[NodeProto] = []
        columns = _trace(view, node.output[0], used, {})
        if columns is None or len(used) < MIN_NODES:
            continue
        if view.find_maker(columns.base, *FLOATS) is None:  # of float32 for certain
            continue
        added = view.build("columns")
        add_product(added, columns.base, columns.weights, columns.bias, output=node.output[0])
        return view.rewrite([node], added)
    return model


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
