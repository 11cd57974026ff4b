"""Passes that leave out what no answer needs: other outputs, and nodes that change nothing."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from rightfit.models.graph_passes.graph_view import (
    ANSWERS,
    GraphView,
    Product,
    read_attributes,
    rebuild,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# The scores or values of these are of float32 whatever they read.
_FLOAT_MAKERS = (
    "LinearRegressor", "Normalizer", "SVMClassifier", "SVMRegressor", "TreeEnsembleRegressor",
)  # fmt: skip


def keep_answers(model: ModelProto) -> ModelProto:
    """Leave out outputs beside the answers, such as labels, and what is computed for them alone."""
    names = {tensor.name for tensor in model.graph.output}
    if not names - set(ANSWERS) or not names & set(ANSWERS):
        return model
    reduced = deepcopy(model)
    del reduced.graph.output[:]
    reduced.graph.output.extend(tensor for tensor in model.graph.output if tensor.name in ANSWERS)
    return rebuild(reduced, list(reduced.graph.node))


def remove_copies(model: ModelProto) -> ModelProto:
    """Leave out nodes whose result is what they read: ``Identity``, casts to the same type."""
    view = GraphView(model)
    renamed: dict[str, str] = {}
    nodes = []
    for node in view.nodes:
        source = _resolve(renamed, node.input[0]) if node.input else ""
        if node.op_type != "Identity" and not _is_idle_cast(view, node, source):
            nodes.append(node)
            continue
        copy = node.output[0]
        if copy not in view.fixed:
            renamed[copy] = source
        elif view.find_maker(source) is not None and source not in view.fixed:
            renamed[source] = copy
        else:
            nodes.append(node)
    if not renamed:
        return model
    tidied = rebuild(model, view.nodes)
    del tidied.graph.node[:]
    tidied.graph.node.extend(nodes)
    for node in tidied.graph.node:
        node.input[:] = [_resolve(renamed, name) for name in node.input]
        node.output[:] = [_resolve(renamed, name) for name in node.output]
    return tidied


def _resolve(renamed: dict[str, str], name: str) -> str:
    while name in renamed:
        name = renamed[name]
    return name


def _is_idle_cast(view: GraphView, node: NodeProto, source: str) -> bool:
    from onnx import TensorProto

    if node.op_type != "Cast" or read_attributes(node)["to"] != TensorProto.FLOAT:
        return False
    maker = view.find_maker(source, "Gemm", *_FLOAT_MAKERS)
    return maker is not None and (maker.op_type != "Gemm" or Product.read(view, maker) is not None)
