"""A pass that answers two classes by one difference of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightfit.families.graph_passes.graph_view import (
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
