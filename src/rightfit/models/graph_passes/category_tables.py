"""A pass that looks up the effect of a category instead of multiplying its 0/1 columns.

A product with one-hot columns picks a row of its weights. Category columns become a table of these
rows to look up, where the product with the other columns begins. Small columns share a table with a
row for each combination of their categories. Their texts are then looked up all at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    Array,
    GraphView,
    Product,
    add_product,
    find_products,
    read_attributes,
)
from rightfit.models.graph_passes.scaling import list_joined_columns
from rightfit.models.onnx_graph import GraphBuilder, read_opsets

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

ML_DOMAIN = "ai.onnx.ml"
MIN_OPSET = 13  # of sums whose axes are an input
MAX_ROWS = 4_096  # combinations of categories in a table
MAX_VALUES = 65_536  # of a table, 256 KiB: it should stay in the processor's cache


def look_up_categories(model: ModelProto) -> ModelProto:
    """Write a product with columns of categories as tables that are looked up and added."""
    if read_opsets(model).get("", 0) < MIN_OPSET:
        return model
    view = GraphView(model)
    for product in find_products(view):
        parts = list_joined_columns(view, product.rows, len(product.weights))
        tables = [(_read_table(view, part), columns) for part, columns in parts]
        if any(table is not None for table, _ in tables):
            return _write(view, product, parts, [table for table, _ in tables])
    return model


def _read_table(view: GraphView, name: str) -> tuple[str, Array] | None:
    """Return the positions of categories and a row of columns for each; ``None``: no category."""
    node = view.find_maker(name, "OneHot", "Gather")
    if node is None or not view.is_read_once(name):
        return None
    constants = [view.read_constant(source) for source in node.input]
    if node.op_type == "OneHot":
        _, depth, values = constants
        is_plain = (
            depth is not None
            and values is not None
            and values.tolist() == [0, 1]
            and read_attributes(node).get("axis", -1) == -1
        )
        return (node.input[0], np.eye(int(depth))) if is_plain and depth is not None else None
    means = constants[0]
    is_lookup = means is not None and means.ndim == 2 and read_attributes(node).get("axis", 0) == 0
    return (node.input[1], means.astype(np.float64)) if is_lookup and means is not None else None


def _write(
    view: GraphView,
    product: Product,
    parts: list[tuple[str, slice]],
    tables: list[tuple[str, Array] | None],
) -> ModelProto:
    added = view.build("categories")
    effects: list[tuple[str, Array]] = []
    other_parts, weights = [], []
    for (part, columns), table in zip(parts, tables, strict=True):
        if table is None:
            other_parts.append(part)
            weights.append(product.weights[columns])
        else:
            effects.append((table[0], table[1] @ product.weights[columns]))
    groups = _group(effects)
    groups[0][0] = groups[0][0][0], groups[0][0][1] + product.bias  # it is added to all rows
    looked_up = [_look_up(view, added, group) for group in groups]
    total = looked_up[0] if len(looked_up) == 1 else added.add("Sum", *looked_up)
    removed = [product.node]
    if len(parts) > 1 and (concat := view.find_maker(product.rows, "Concat")) is not None:
        removed.append(concat)
    if not other_parts:
        added.add("Identity", total, outputs=[product.output])
        return view.rewrite(removed, added)
    rows = other_parts[0] if len(other_parts) == 1 else added.add("Concat", *other_parts, axis=1)
    add_product(added, rows, np.concatenate(weights), total, output=product.output)
    return view.rewrite(removed, added)


def _group(effects: list[tuple[str, Array]]) -> list[list[tuple[str, Array]]]:
    """Group columns whose combinations fit into one table, the smallest columns first."""
    groups: list[list[tuple[str, Array]]] = []
    n_rows = MAX_ROWS + 1
    for positions, effect in sorted(effects, key=lambda pair: len(pair[1])):
        n_rows *= len(effect)
        if n_rows > MAX_ROWS or n_rows * effect.shape[1] > MAX_VALUES:
            groups.append([])
            n_rows = len(effect)
        groups[-1].append((positions, effect))
    return groups


def _look_up(view: GraphView, added: GraphBuilder, group: list[tuple[str, Array]]) -> str:
    """Look up the summed effects of columns; return the tensor, shape (n_rows, n_outputs)."""
    table = group[0][1]
    for _, effect in group[1:]:
        table = (table[:, None] + effect[None]).reshape(-1, table.shape[1])
    sizes = [len(effect) for _, effect in group]
    names = [positions for positions, _ in group]
    columns = [_TextColumn.read(view, positions) for positions in names]
    of_texts = [column for column in columns if column is not None]
    index = names[0]
    if len(of_texts) == len(group) > 1 and len({column.texts for column in of_texts}) == 1:
        index = _find_together(view, added, of_texts, sizes)
    else:
        for positions, size in zip(names[1:], sizes[1:], strict=True):
            index = added.add("Mul", index, added.keep(np.int64(size)))
            index = added.add("Add", index, positions)
    return added.add("Gather", added.keep(table.astype(np.float32)), index, axis=0)


@dataclass(frozen=True)
class _TextColumn:
    """A column of texts, each of which has a position."""

    texts: str
    column: int
    positions: dict[bytes, int]
    other: int
    maker: NodeProto

    @classmethod
    def read(cls, view: GraphView, name: str) -> _TextColumn | None:
        """Read how positions are found; ``None`` where they are not those of one text column."""
        node = view.find_maker(name, "LabelEncoder")
        gather = view.find_maker(node.input[0], "Gather") if node is not None else None
        column = view.read_constant(gather.input[1]) if gather is not None else None
        if node is None or gather is None or column is None or column.ndim:
            return None
        settings = read_attributes(node)
        if "classes_strings" in settings:  # of the operator's first version
            positions = {text: index for index, text in enumerate(settings["classes_strings"])}
        elif "keys_strings" in settings and "values_int64s" in settings:
            pairs = zip(settings["keys_strings"], settings["values_int64s"], strict=True)
            positions = dict(pairs)
        else:
            return None
        if read_attributes(gather).get("axis") != 1 or not view.is_read_once(name):
            return None
        return cls(gather.input[0], int(column), positions, settings["default_int64"], node)


def _find_together(
    view: GraphView, added: GraphBuilder, columns: list[_TextColumn], sizes: list[int]
) -> str:
    """Find the row of a shared table for several columns of texts; shape (n_rows,)."""
    texts = columns[0].texts
    order = [column.column for column in columns]
    if sorted(order) != list(range(view.find_width(texts) or 0)):
        texts = added.add("Gather", texts, added.keep(np.array(order, dtype=np.int64)), axis=1)
        order = list(range(len(columns)))
    keys = sorted({text for column in columns for text in column.positions})
    strides = np.cumprod([1, *sizes[:0:-1]])[::-1]
    steps = np.zeros((len(columns), len(keys) + 1), dtype=np.int64)
    for column, index, stride in zip(columns, order, strides, strict=True):
        positions = [column.positions.get(text, column.other) for text in keys]
        steps[index] = np.array([*positions, column.other]) * stride
    table: dict[str, Any] = {"keys_strings": keys, "values_int64s": [*range(len(keys))]}
    if "classes_strings" in read_attributes(columns[0].maker):
        table = {"classes_strings": keys}
    codes = added.add("LabelEncoder", texts, domain=ML_DOMAIN, default_int64=len(keys), **table)
    starts = np.arange(len(columns), dtype=np.int64)[None] * (len(keys) + 1)
    shifted = added.add("Add", codes, added.keep(starts))
    gathered = added.add("Gather", added.keep(steps.reshape(-1)), shifted, axis=0)
    return added.add("ReduceSum", gathered, added.keep(np.array([1], dtype=np.int64)), keepdims=0)
