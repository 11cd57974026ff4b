"""Passes that leave to whoever runs a graph what costs less while its inputs are filled.

Float64 inputs that a graph does nothing with but cast are read as float32. Missing values are
filled outside: once a batch that is one look for a NaN, where in the graph it is two operators over
all values, and three more where columns tell what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import Array, GraphView, read_attributes
from rightfit.models.graph_passes.tidying import remove_copies
from rightfit.models.onnx_session import FILLING

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
        narrow = deepcopy(model)
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


def leave_filling_outside(model: ModelProto) -> ModelProto:
    """Leave out the nodes that fill the gaps of an input, and those that tell where they are.

    Whoever runs the graph does both instead, as its metadata says; see ``FILLING``.
    """
    view = GraphView(model)
    for name in view.inputs:
        where = _find_filling(view, name)
        fill = view.read_constant(where.input[1]) if where is not None else None
        if where is None or fill is None or fill.size != view.find_width(name):
            continue
        gathers = [node for node in view.list_readers(name) if node.op_type == "Gather"]
        if not gathers:
            added = view.build("filling")
            added.add("Identity", name, outputs=[where.output[0]])
            return _note(view.rewrite([where], added), name, fill, [])
        indicators = _read_indicators(view, where, gathers[0])
        if len(gathers) == 1 and indicators is not None:
            concat, last, positions = indicators
            parts = [source for source in concat.input if source != last]
            parts = [name if source == where.output[0] else source for source in parts]
            added = view.build("filling")
            if len(parts) == 1:
                added.add("Identity", name, outputs=[concat.output[0]])
            else:
                added.add("Concat", *parts, outputs=[concat.output[0]], axis=1)
            return _note(view.rewrite([where, concat], added), name, fill, positions)
    return model


def _find_filling(view: GraphView, name: str) -> NodeProto | None:
    """Return the node that fills an input, if all else that reads it may look for gaps only."""
    readers = view.list_readers(name)
    kinds = [node.op_type for node in readers if node.op_type != "Gather"]
    if sorted(kinds) != ["IsNaN", "Where"] or name in view.fixed:
        return None
    by_kind = {node.op_type: node for node in readers}
    is_nan, where = by_kind["IsNaN"], by_kind["Where"]
    is_filling = list(where.input[::2]) == [is_nan.output[0], name]
    return where if is_filling and view.is_read_once(is_nan.output[0]) else None


def _read_indicators(
    view: GraphView, where: NodeProto, gather: NodeProto
) -> tuple[NodeProto, str, list[int]] | None:
    """Return where filled columns are joined with those that tell gaps, these, and of which."""
    positions = view.read_constant(gather.input[1])
    if positions is None or positions.ndim != 1 or read_attributes(gather).get("axis") != 1:
        return None
    node = gather
    for kind in ("IsNaN", "Cast", "Concat"):
        readers = view.list_readers(node.output[0])
        if not view.is_read_once(node.output[0]) or readers[0].op_type != kind:
            return None
        node, before = readers[0], node
    indicated, names = before.output[0], list(node.input)
    filled = where.output[0]
    if not view.is_read_once(filled) or filled not in names or names.count(indicated) != 1:
        return None
    follows = names.index(indicated) == names.index(filled) + 1
    return (node, indicated, [int(i) for i in positions]) if follows else None


def _note(model: ModelProto, name: str, fill: Array, indicated: Sequence[int]) -> ModelProto:
    """Note in a model's metadata how an input is filled, and widen it by what is indicated."""
    from onnx import helper

    noted = {entry.key: entry.value for entry in model.metadata_props}
    filling = json.loads(noted.get(FILLING, "{}"))
    filling[name] = {"fill": fill.reshape(-1).tolist(), "indicated": [*indicated]}
    helper.set_model_props(model, noted | {FILLING: json.dumps(filling)})
    for declared in model.graph.input:
        if declared.name == name:
            columns = declared.type.tensor_type.shape.dim[-1]
            columns.dim_value = columns.dim_value + len(indicated)
    return model
