"""A pass that answers two classes by one difference of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    GraphView,
    Product,
    add_product,
    read_attributes,
)

if TYPE_CHECKING:
    from onnx import ModelProto


def answer_two_classes_by_sigmoid(model: ModelProto) -> ModelProto:
    """Write the softmax of two scores as the sigmoids of their differences, which cost less.

    The softmax of (a, b) is (sigmoid(a - b), sigmoid(b - a)), and the differences are a product
    with the differences of the weights.
    """
    view = GraphView(model)
    for node in view.nodes:
        if node.op_type != "Softmax" or read_attributes(node).get("axis", -1) not in (1, -1):
            continue
        product = Product.read(view, view.find_maker(node.input[0]))
        if product is None or len(product.bias) != 2 or not view.is_read_once(product.output):
            continue
        added = view.build("two_classes")
        differences = f"{added.prefix}differences"
        weights, bias = (values - values[..., ::-1] for values in (product.weights, product.bias))
        add_product(added, product.rows, weights, bias, output=differences)
        added.add("Sigmoid", differences, outputs=[node.output[0]])
        return view.rewrite([product.node, node], added)
    return model


def answer_both_classes_at_once(model: ModelProto) -> ModelProto:
    """Write (1 - sigmoid(a), sigmoid(a)), joined, as the sigmoids of (-a, a)."""
    view = GraphView(model)
    for node in view.nodes:
        if node.op_type != "Concat" or len(node.input) != 2:
            continue
        rest, sigmoid = (view.find_maker(name) for name in node.input)
        if rest is None or rest.op_type != "Sub" or list(rest.input[1:]) != [node.input[1]]:
            continue
        if sigmoid is None or sigmoid.op_type != "Sigmoid" or node.input[1] in view.fixed:
            continue
        product = Product.read(view, view.find_maker(sigmoid.input[0]))
        unity = view.read_constant(rest.input[0])
        is_pair = unity is not None and unity.tolist() in (1, [1], [[1]])
        if product is None or len(product.bias) != 1 or not is_pair:
            continue
        if len(view.list_readers(node.input[1])) != 2 or not view.is_read_once(product.output):
            continue
        added = view.build("two_classes")
        weights, bias = (
            np.concatenate([-values, values], axis=-1) for values in (product.weights, product.bias)
        )
        scores = f"{added.prefix}scores"
        add_product(added, product.rows, weights, bias, output=scores)
        added.add("Sigmoid", scores, outputs=[node.output[0]])
        return view.rewrite([product.node, sigmoid, rest, node], added)
    return model
