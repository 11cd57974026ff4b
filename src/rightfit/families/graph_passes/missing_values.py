"""A pass that takes the branch for missing values out of a graph, where they are filled before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightfit.families.graph_passes.graph_view import GraphView

if TYPE_CHECKING:
    from onnx import ModelProto


def leave_filling_outside(model: ModelProto) -> ModelProto:
    """Leave out the nodes that fill the gaps of an input, if nothing else asks for them.

    Whoever runs the graph must then fill the gaps with the same values. Once a batch that is one
    look for a NaN; in the graph it is two operators over all values.
    """
    view = GraphView(model)
    for name in view.inputs:
        readers = view.list_readers(name)
        if sorted(node.op_type for node in readers) != ["IsNaN", "Where"] or name in view.fixed:
            continue
        is_nan, where = sorted(readers, key=lambda node: node.op_type)
        is_filling = (
            list(where.input[::2]) == [is_nan.output[0], name]
            and view.read_constant(where.input[1]) is not None
            and view.is_read_once(is_nan.output[0])
        )
        if is_filling:
            added = view.build("missing_values")
            added.add("Identity", name, outputs=[where.output[0]])
            return view.rewrite([is_nan, where], added)
    return model
