"""A pass that folds the scaling of inputs into the product that reads them.

``(rows - mean) * scale`` times weights is ``rows`` times other weights, and a constant. The weights
are computed as float64. The constant takes off the effect of the rounded weights, so that their
rounding counts from the mean on and not from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    Array,
    GraphView,
    add_product,
    find_products,
    read_attributes,
)
from rightfit.models.onnx_graph import GraphBuilder

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MAX_SHIFT = 512.0  # spreads between a column's mean and 0; 9 of the 24 bits of a float32


OPERATIONS = {"Mul": np.multiply, "Div": np.divide, "Sub": np.subtract, "Add": np.add}


@dataclass(frozen=True)
class Scaling:
    """Columns that are ``source * scale + shift``.

    Args:
        source: The tensor that is scaled.
        scale: Float64, shape (n_columns,) or (1,).
        shift: The same.
        is_cast: Whether it is cast to float32 on its way.
        nodes: What computes them, the last one first.
        rows: The constant that each of them reads; a type for a cast, two constants for a scaler.
    """

    source: str
    scale: Array
    shift: Array
    is_cast: bool
    nodes: tuple[NodeProto, ...]
    rows: tuple[Any, ...]

    def scale_exactly(self, values: Array, columns: Array) -> Array:
        """Return values as the graph scales them, bit for bit.

        Args:
            values: Float32, shape (n_values,).
            columns: The column of each, same shape.
        """

        def pick(row: Array) -> Array:
            return row[columns] if row.size > 1 else row

        first = self.rows[-1]
        values = values.astype(first.dtype if isinstance(first, np.ndarray) else np.float64)
        with np.errstate(over="ignore"):
            for node, row in zip(reversed(self.nodes), reversed(self.rows), strict=True):
                match node.op_type:
                    case "Cast":
                        values = values.astype(row)
                    case "Scaler":
                        values = (values.astype(np.float32) - pick(row[0])) * pick(row[1])
                    case operation:
                        values = OPERATIONS[operation](values, pick(row))
        return values

    @property
    def is_narrow(self) -> bool:
        """Whether float32 can hold the unscaled columns as exactly as their scaled ones."""
        return bool(np.abs(self.shift).max() <= MAX_SHIFT)


def read_scaling(view: GraphView, name: str) -> Scaling | None:
    """Return how a tensor is scaled; ``None`` where it is not, or others read what is between."""
    from onnx import TensorProto

    scale, shift = np.ones(1), np.zeros(1)
    nodes: list[NodeProto] = []
    rows: list[Any] = []
    is_cast = False
    while view.is_read_once(name):
        node = view.find_maker(name, "Cast", "Scaler", *OPERATIONS)
        if node is None:
            break
        if node.op_type == "Cast":
            kinds = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}
            if (kind := kinds.get(read_attributes(node)["to"])) is None:
                break
            is_cast = True
            rows.append(kind)
        elif node.op_type == "Scaler":
            settings = read_attributes(node)
            offset, factor = (
                np.array(settings[key], dtype=np.float32) for key in ("offset", "scale")
            )
            is_cast = True  # it reads integers, too
            rows.append((offset, factor))
            shift = shift - scale * (offset.astype(np.float64) * factor)
            scale = scale * factor
        else:
            values = view.read_constant(node.input[1])
            if values is None or values.dtype not in (np.float32, np.float64):
                break
            if values.size > 1 and values.shape not in ((values.size,), (1, values.size)):
                break
            rows.append(values.reshape(-1))
            row = values.astype(np.float64).reshape(-1)
            match node.op_type:
                case "Mul":
                    scale = scale * row
                case "Div":
                    scale = scale / row
                case "Sub":
                    shift = shift - scale * row
                case "Add":
                    shift = shift + scale * row
        nodes.append(node)
        name = node.input[0]
    if all(node.op_type == "Cast" for node in nodes):
        return None
    return Scaling(name, scale, shift, is_cast, tuple(nodes), tuple(rows))


def fold_scaling(model: ModelProto) -> ModelProto:
    """Fold the scaling of a product's columns into its weights.

    Where a column lies too far from zero for float32, its mean is still taken off before.
    """
    view = GraphView(model)
    for product in find_products(view):
        for part, columns in list_joined_columns(view, product.rows, len(product.weights)):
            scaling = read_scaling(view, part)
            if scaling is None or not (scaling.is_narrow or (scaling.scale != 1).any()):
                continue  # or nothing but a large constant is taken off
            added = view.build("scaling")
            width = columns.stop - columns.start
            scale, shift = (np.broadcast_to(row, width) for row in (scaling.scale, scaling.shift))
            zero = -shift / scale  # the value that is scaled to 0
            source = scaling.source
            if not scaling.is_narrow:
                source = added.add("Sub", source, added.keep(zero[None].astype(np.float64)))
                zero = np.zeros(width)
            if scaling.is_cast:
                source = added.cast(source, "float32")
            weights = product.weights.copy()
            weights[columns] = (weights[columns] * scale[:, None]).astype(np.float32)
            bias = product.bias - zero @ weights[columns]
            rows, replaced = replace_part(view, added, product.rows, part, source)
            add_product(added, rows, weights, bias, output=product.output)
            return view.rewrite([*scaling.nodes, *replaced, product.node], added)
    return model


def list_joined_columns(view: GraphView, rows: str, n_columns: int) -> list[tuple[str, slice]]:
    """Return the tensors that rows are joined of, each with its columns; else rows themselves."""
    concat = view.find_maker(rows, "Concat")
    widths = None
    if concat is not None and view.is_read_once(rows):
        widths = view.find_widths(concat.input, n_columns)
    if concat is None or widths is None:
        return [(rows, slice(0, n_columns))]
    ends = np.cumsum(widths).tolist()
    starts = [end - width for end, width in zip(ends, widths, strict=True)]
    return list(zip(concat.input, map(slice, starts, ends), strict=True))


def replace_part(
    view: GraphView, added: GraphBuilder, rows: str, part: str, other: str
) -> tuple[str, list[NodeProto]]:
    """Have rows read another tensor in the place of one that they are joined of.

    Returns:
        The name of the rows, and the nodes that they no longer need.
    """
    concat = view.find_maker(rows, "Concat")
    if part == rows or concat is None:
        return other, []
    names = [other if name == part else name for name in concat.input]
    return added.add("Concat", *names, axis=1), [concat]
