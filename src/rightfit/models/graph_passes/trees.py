"""Passes on ensembles of trees: no scaling before them, and no votes of 0.

Scaling keeps the order of values, so for each threshold there is a largest value that is scaled to
no more than it. That one is searched among the numbers of float64. Between two numbers of float32
the lower one parts them as it does: on every value that float32 holds, the trees take the same way
as before. Where a threshold belongs to the values above it, it is a training row's value, as with
XGBoost: it is rounded as that row is, so that the row takes the same way.

A leaf of a forest holds a share of votes for every class, and most shares are 0: adding them
changes nothing, and takes time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import (
    Array,
    GraphView,
    copy_node,
    read_attributes,
    rewriting,
)
from rightfit.models.graph_passes.scaling import (
    Scaling,
    list_joined_columns,
    read_scaling,
    replace_part,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

ENSEMBLES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
WITHIN = (b"BRANCH_LEQ", b"BRANCH_GT")  # a threshold belongs to the values below it
BELOW = (b"BRANCH_LT", b"BRANCH_GTE")  # or to those above
LEAF = b"LEAF"
N_HALVINGS = 64  # of the range of all float64, which are ordered as 64-bit integers are
MAX_NODES = 200_000  # of an ensemble, beside whose own cost scaling is nothing
LARGEST = float(np.finfo(np.float32).max)
PARTS = ("treeids", "nodeids", "ids", "weights")


@rewriting(*ENSEMBLES)
def unscale_thresholds(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Compare unscaled columns with unscaled thresholds, in trees of ``value <= threshold``."""
    settings = read_attributes(node)
    if len(settings.get("nodes_nodeids", ())) > MAX_NODES:
        return None
    modes = np.array(settings.get("nodes_modes", ()))
    if "nodes_values" not in settings or set(modes.tolist()) - {*WITHIN, *BELOW, LEAF}:
        return None
    features = np.array(settings["nodes_featureids"])
    n_columns = view.find_width(node.input[0]) or 0
    for part, columns in list_joined_columns(view, node.input[0], n_columns):
        scaling = read_scaling(view, part)
        if scaling is None or not scaling.is_narrow or (scaling.scale <= 0).any():
            continue
        thresholds = np.array(settings["nodes_values"], dtype=np.float32)
        is_here = (features >= columns.start) & (features < columns.stop)
        for kinds in (WITHIN, BELOW):
            moved = np.isin(modes, kinds) & is_here
            thresholds[moved] = find_unscaled(
                thresholds[moved],
                scaling,
                features[moved] - columns.start,
                is_below=kinds == BELOW,
            )
        added = view.build("thresholds")
        source = added.cast(scaling.source, "float32") if scaling.is_cast else scaling.source
        rows, replaced = replace_part(view, added, node.input[0], part, source)
        moved_node = copy_node(node, {"nodes_values": thresholds.tolist()})
        moved_node.input[0] = rows
        added.nodes.append(moved_node)
        return view.rewrite([*scaling.nodes, *replaced, node], added)
    return None


def find_unscaled(thresholds: Array, scaling: Scaling, columns: Array, *, is_below: bool) -> Array:
    """Return thresholds of unscaled values that part them as others part scaled ones.

    Args:
        thresholds: Float32, shape (n_thresholds,).
        scaling: Of the columns.
        columns: The column of each threshold.
        is_below: Whether values that equal a threshold lie above it.
    """
    low, high = (
        np.full(len(thresholds), _order(np.float64(end)), np.int64) for end in (-LARGEST, LARGEST)
    )
    for _ in range(N_HALVINGS):
        middle = low // 2 + high // 2 + (low % 2 + high % 2 + 1) // 2  # of integers near 2**62
        scaled = scaling.scale_exactly(_value(middle), columns)
        fits = scaled < thresholds if is_below else scaled <= thresholds
        low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
    exact = _value(low + 1 if is_below else low)
    rounded = exact.astype(np.float32)
    is_over = (rounded > exact) & (not is_below)
    return np.where(is_over, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _order(value: np.float64) -> int:
    """Return the position of a float64 among all, in ascending order."""
    bits = int(np.abs(value).view(np.int64))
    return -bits if value < 0 else bits


def _value(orders: Array) -> Array:
    """Return the float64 at a position; the inverse of :func:`_order`."""
    bits = np.abs(orders).view(np.float64)
    return np.where(orders < 0, -bits, bits)


@rewriting("TreeEnsembleClassifier")
def drop_zero_votes(view: GraphView, node: NodeProto) -> ModelProto | None:
    """Leave out votes of 0, of trees that vote for three classes or more.

    A leaf keeps one vote at least, and so does a class.
    """
    settings = read_attributes(node)
    names = [f"class_{part}" for part in PARTS]
    sums_votes = settings.get("post_transform", "NONE") == "NONE"  # no other function of them
    if not sums_votes or any(name not in settings for name in names):
        return None
    trees, leaves, classes, weights = (np.array(settings[name]) for name in names)
    n_classes = len(np.unique(classes))
    if n_classes < 3:  # of two, ONNX Runtime derives one from the other
        return None
    is_kept = weights != 0
    starts = np.flatnonzero(np.diff(trees, prepend=-1) | np.diff(leaves, prepend=-1))
    is_kept[starts[~np.logical_or.reduceat(is_kept, starts)]] = True
    if is_kept.all() or len(np.unique(classes[is_kept])) < n_classes:
        return None
    votes = (values[is_kept].tolist() for values in (trees, leaves, classes, weights))
    added = view.build("votes")
    added.nodes.append(copy_node(node, dict(zip(names, votes, strict=True))))
    return view.rewrite([node], added)
