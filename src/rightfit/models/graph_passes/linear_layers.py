"""Passes that write linear models, and the scores of two classes, as one product each.

``LinearClassifier`` of ``ai.onnx.ml`` also finds the likeliest class, which no answer needs. Other
passes fold into the products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    GraphView,
    Product,
    add_product,
    read_attributes,
    rewriting,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MIN_OPSET = 9  # of products that take their bias as a row
LINKS = {"NONE": None, "SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid"}


@rewriting("MatMul", min_opset=MIN_OPSET)
def join_bias(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Write a product and the constant that is then added as one operator."""
    if not view.is_read_once(node.output[0]):
        return None
    weights = view.read_constant(node.input[1])
    [reader] = view.list_readers(node.output[0])
    if reader.op_type != "Add" or weights is None or view.find_width(node.input[0]) is None:
        return None  # only rows of columns have a width
    bias = view.read_constant(reader.input[1])
    is_row = bias is not None and bias.size in (1, weights.shape[-1]) and bias.ndim <= 2
    if bias is None or not is_row or weights.ndim != 2 or weights.dtype != np.float32:
        return None
    added = view.build("bias")
    row = np.broadcast_to(bias.reshape(-1), weights.shape[1])
    add_product(added, node.input[0], weights, row, output=reader.output[0])
    return view.rewrite([node, reader], added)


@rewriting("LinearClassifier", "LinearRegressor", min_opset=MIN_OPSET)
def write_linear_as_products(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Write a linear model as a product and, of a classifier, what makes probabilities of it."""
    settings = read_attributes(node)
    is_classifier = node.op_type == "LinearClassifier"
    link = LINKS.get(settings.get("post_transform", "NONE"), "")
    labels = [*settings.get("classlabels_ints", ()), *settings.get("classlabels_strings", ())]
    n_outputs = len(labels) if is_classifier else settings.get("targets", 1)
    bias = np.array(settings.get("intercepts", ()) or [0.0] * n_outputs)
    is_label_read = is_classifier and (
        node.output[0] in view.fixed or view.list_readers(node.output[0])
    )
    is_link_known = link in ("Softmax", "Sigmoid") if is_classifier else link is None
    if is_label_read or not is_link_known or len(bias) != n_outputs:
        return None
    weights = np.array(settings["coefficients"]).reshape(n_outputs, -1).T
    added, removed, output = view.build("linear"), [node], node.output[-1]
    readers = view.list_readers(output)
    is_normalised = (
        link == "Softmax"
        and view.is_read_once(output)
        and readers[0].op_type == "Normalizer"
        and read_attributes(readers[0]).get("norm") == "L1"
    )
    if is_normalised:  # a softmax sums to 1 already
        removed, output = [node, readers[0]], readers[0].output[0]
    if link is None:
        add_product(added, node.input[0], weights, bias, output=output)
    else:
        scores = f"{added.prefix}scores"
        add_product(added, node.input[0], weights, bias, output=scores)
        settings = {"axis": 1} if link == "Softmax" else {}
        added.add(link, scores, outputs=[output], **settings)
    return view.rewrite(removed, added)


@rewriting("Softmax")
def answer_two_classes_by_sigmoid(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Write the softmax of two scores as the sigmoids of their differences, which cost less.

    The softmax of (a, b) is (sigmoid(a - b), sigmoid(b - a)), and the differences are a product
    with the differences of the weights.
    """
    if read_attributes(node).get("axis", -1) not in (1, -1):
        return None
    product = Product.read(view, view.find_maker(node.input[0]))
    if product is None or len(product.bias) != 2 or not view.is_read_once(product.output):
        return None
    added = view.build("two_classes")
    differences = f"{added.prefix}differences"
    weights, bias = (values - values[..., ::-1] for values in (product.weights, product.bias))
    add_product(added, product.rows, weights, bias, output=differences)
    added.add("Sigmoid", differences, outputs=[node.output[0]])
    return view.rewrite([product.node, node], added)


@rewriting("Concat")
def answer_both_classes_at_once(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Write (1 - sigmoid(a), sigmoid(a)), joined, as the sigmoids of (-a, a)."""
    if len(node.input) != 2:
        return None
    rest, sigmoid = (view.find_maker(name) for name in node.input)
    if rest is None or rest.op_type != "Sub" or list(rest.input[1:]) != [node.input[1]]:
        return None
    if sigmoid is None or sigmoid.op_type != "Sigmoid" or node.input[1] in view.fixed:
        return None
    product = Product.read(view, view.find_maker(sigmoid.input[0]))
    unity = view.read_constant(rest.input[0])
    is_pair = unity is not None and unity.tolist() in (1, [1], [[1]])
    if product is None or len(product.bias) != 1 or not is_pair:
        return None
    if len(view.list_readers(node.input[1])) != 2 or not view.is_read_once(product.output):
        return None
    added = view.build("two_classes")
    weights, bias = (
        np.concatenate([-values, values], axis=-1) for values in (product.weights, product.bias)
    )
    scores = f"{added.prefix}scores"
    add_product(added, product.rows, weights, bias, output=scores)
    added.add("Sigmoid", scores, outputs=[node.output[0]])
    return view.rewrite([product.node, sigmoid, rest, node], added)
