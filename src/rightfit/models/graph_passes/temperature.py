"""Scale the probabilities of a graph by a temperature, where it costs least."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    GraphView,
    Product,
    add_product,
    copy_node,
    read_attributes,
)

if TYPE_CHECKING:
    from onnx import ModelProto

OF_TREES = ("class_weights", "base_values")  # what scores are the sums of


def scale_output(model: ModelProto, temperature: float, output: str) -> ModelProto:
    """Return a model that answers probabilities at a temperature.

    Args:
        model: A compiled one.
        temperature: See ``models/calibration.py``.
        output: Name of the tensor of probabilities, shape (n_rows, n_classes).
    """
    scaled = deepcopy(model)
    added = GraphView(model).build("temperature")
    raw = f"{added.prefix}{output}"
    for node in scaled.graph.node:
        node.input[:] = [raw if name == output else name for name in node.input]
        node.output[:] = [raw if name == output else name for name in node.output]
    powers = added.add("Pow", raw, added.keep(np.float32(1 / temperature)))
    added.add("LpNormalization", powers, outputs=[output], axis=-1, p=1)
    scaled.graph.node.extend(added.nodes)
    scaled.graph.initializer.extend(added.constants)
    return fold_temperature(scaled)


def fold_temperature(model: ModelProto) -> ModelProto:
    """Scale scores instead of probabilities, where these are the softmax or sigmoids of scores.

    A power of a softmax, made to sum to 1, is the softmax of that multiple of the scores; sums of
    trees and products with weights are multiplied as they stand.
    """
    view = GraphView(model)
    for power in view.nodes:
        sums = view.list_readers(power.output[0])
        if power.op_type != "Pow" or [node.op_type for node in sums] != ["LpNormalization"]:
            continue
        factor, maker = view.read_constant(power.input[1]), view.find_maker(power.input[0])
        copies = []  # a factor of all probabilities is none once they sum to 1
        while maker is not None and maker.op_type in ("Identity", "Cast", "Mul"):
            copies.append(maker)
            maker = view.find_maker(maker.input[0])
        kept = (view.read_constant(copy.input[1]) for copy in copies if copy.op_type == "Mul")
        if factor is None or maker is None or any(v is None or v.size != 1 for v in kept):
            continue
        settings = read_attributes(maker)
        folded = deepcopy(maker)
        added = view.build("temperature")
        if maker.op_type in ("Softmax", "Sigmoid") and settings.get("axis", -1) in (1, -1):
            product = Product.read(view, view.find_maker(maker.input[0]))
            scores = f"{added.prefix}scores"
            if product is None:
                added.add("Mul", maker.input[0], added.keep(np.float32(factor)), outputs=[scores])
            else:
                weights, bias = product.weights * factor, product.bias * factor
                add_product(added, product.rows, weights, bias, output=scores)
            folded.input[0] = scores
        elif settings.get("post_transform") in ("SOFTMAX", "LOGISTIC"):
            terms = {name: np.array(settings[name]) for name in OF_TREES if name in settings}
            scaled = {name: (values * factor).tolist() for name, values in terms.items()}
            folded = copy_node(maker, scaled)
        else:
            continue
        folded.output[-1] = sums[0].output[0]
        added.nodes.append(folded)
        return view.rewrite([maker, *copies, power, sums[0]], added)
    return model
