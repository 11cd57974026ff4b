"""A pass that writes linear models of ``ai.onnx.ml`` as products, which others then fold into.

``LinearClassifier`` also finds the likeliest class, which no answer needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import GraphView, add_product, read_attributes
from rightfit.models.onnx_graph import read_opsets

if TYPE_CHECKING:
    from onnx import ModelProto

MIN_OPSET = 9  # of products that take their bias as a row
LINKS = {"NONE": None, "SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid"}


def join_bias(model: ModelProto) -> ModelProto:
    """Write a product and the constant that is then added as one operator."""
    if read_opsets(model).get("", 0) < MIN_OPSET:
        return model
    view = GraphView(model)
    for node in view.nodes:
        if node.op_type != "MatMul" or not view.is_read_once(node.output[0]):
            continue
        weights = view.read_constant(node.input[1])
        [reader] = view.list_readers(node.output[0])
        if reader.op_type != "Add" or weights is None or view.find_width(node.input[0]) is None:
            continue  # only rows of columns have a width
        bias = view.read_constant(reader.input[1])
        is_row = bias is not None and bias.size in (1, weights.shape[-1]) and bias.ndim <= 2
        if bias is None or not is_row or weights.ndim != 2 or weights.dtype != np.float32:
            continue
        added = view.build("bias")
        row = np.broadcast_to(bias.reshape(-1), weights.shape[1])
        add_product(added, node.input[0], weights, row, output=reader.output[0])
        return view.rewrite([node, reader], added)
    return model


def write_linear_as_products(model: ModelProto) -> ModelProto:
    """Write a linear model as a product and, of a classifier, what makes probabilities of it."""
    if read_opsets(model).get("", 0) < MIN_OPSET:
        return model
    view = GraphView(model)
    for node in view.nodes:
        if node.op_type not in ("LinearClassifier", "LinearRegressor"):
            continue
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
            continue
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
    return model
