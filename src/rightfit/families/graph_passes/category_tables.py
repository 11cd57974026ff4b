"""A pass that looks up the effect of a category instead of multiplying its 0/1 columns.

A product with one-hot columns picks a row of its weights. So each category column becomes a table
of rows to look up and add; the other columns stay a product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightfit.families.graph_passes.graph_view import (
    Array,
    GraphView,
    Product,
    add_product,
    find_products,
    read_attributes,
)
from rightfit.families.graph_passes.scaling import list_parts

if TYPE_CHECKING:
    from onnx import ModelProto


def look_up_categories(model: ModelProto) -> ModelProto:
    """Write a product with columns of categories as tables that are looked up and added."""
    view = GraphView(model)
    for product in find_products(view):
        parts = list_parts(view, product.rows, len(product.weights))
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
    effects, others, weights = [], [], []
    bias = product.bias
    for (part, columns), table in zip(parts, tables, strict=True):
        if table is None:
            others.append(part)
            weights.append(product.weights[columns])
            continue
        positions, rows = table
        effect = rows @ product.weights[columns]
        if not effects:  # the first one brings what is added to all
            effect, bias = effect + bias, np.zeros_like(bias)
        constant = added.keep(effect.astype(np.float32))
        effects.append(added.add("Gather", constant, positions, axis=0))
    removed = [product.node]
    if len(parts) > 1 and (concat := view.find_maker(product.rows, "Concat")) is not None:
        removed.append(concat)
    total = effects[0] if len(effects) == 1 else added.add("Sum", *effects)
    if not others:
        added.add("Identity", total, outputs=[product.output])
        return view.rewrite(removed, added)
    rows_left = others[0] if len(others) == 1 else added.add("Concat", *others, axis=1)
    add_product(added, rows_left, np.concatenate(weights), total, output=product.output)
    return view.rewrite(removed, added)
