"""A pass that reads float64 inputs as float32, where a graph does nothing but cast them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import GraphView, read_attributes
from rightfit.models.graph_passes.tidying import remove_copies

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def narrow_inputs(model: ModelProto) -> ModelProto:
    """Have whoever runs the graph cast an input to float32, which costs nothing while it is filled.

    The values are the same: picking columns, filling gaps and looking for them commute with a cast.
    """
    from onnx import TensorProto

    view = GraphView(model)
    for name, tensor in view.inputs.items():
        if tensor.type.tensor_type.elem_type != TensorProto.DOUBLE:
            continue
        casts: list[NodeProto] = []
        fills: list[NodeProto] = []
        if not _collect_casts(view, name, casts, fills):
            continue
        narrow = type(model)()
        narrow.CopyFrom(model)
        added = view.build("narrow")
        for node, copied in zip(view.nodes, narrow.graph.node, strict=True):
            if any(node is cast for cast in casts):
                copied.op_type = "Identity"
                del copied.attribute[:]
            elif any(node is fill for fill in fills):
                constant = view.read_constant(node.input[1])
                copied.input[1] = added.keep(np.asarray(constant, dtype=np.float32))
        narrow.graph.initializer.extend(added.constants)
        for declared in narrow.graph.input:
            if declared.name == name:
                declared.type.tensor_type.elem_type = TensorProto.FLOAT
        return remove_copies(narrow)
    return model


def _collect_casts(
    view: GraphView, name: str, casts: list[NodeProto], fills: list[NodeProto]
) -> bool:
    """Collect the casts behind a tensor; tell whether all that reads it ends in one."""
    from onnx import TensorProto

    if name in view.fixed or not view.list_readers(name):
        return False
    for node in view.list_readers(name):
        settings = read_attributes(node)
        match node.op_type:
            case "Cast" if settings["to"] == TensorProto.FLOAT:
                casts.append(node)
            case "IsNaN":
                pass
            case "Where" if node.input[2] == name and view.read_constant(node.input[1]) is not None:
                fills.append(node)
                if not _collect_casts(view, node.output[0], casts, fills):
                    return False
            case "Gather" if node.input[0] == name:
                if not _collect_casts(view, node.output[0], casts, fills):
                    return False
            case _:
                return False
    return True
