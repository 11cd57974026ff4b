"""A pass that leaves the zeros out of what the leaves of trees vote.

A leaf of a forest holds a share of votes for every class, and most shares are 0: adding them
changes nothing, and takes time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rightfit.models.graph_passes.graph_view import GraphView, read_attributes

if TYPE_CHECKING:
    from onnx import ModelProto

PARTS = ("treeids", "nodeids", "ids", "weights")


def drop_zero_votes(model: ModelProto) -> ModelProto:
    """Leave out votes of 0, of trees that vote for three classes or more.

    A leaf keeps one vote at least, and so does a class.
    """
    from onnx import NodeProto, helper

    view = GraphView(model)
    for node in view.nodes:
        if node.op_type != "TreeEnsembleClassifier":
            continue
        settings = read_attributes(node)
        names = [f"class_{part}" for part in PARTS]
        sums_votes = settings.get("post_transform", "NONE") == "NONE"  # no other function of them
        if not sums_votes or any(name not in settings for name in names):
            continue
        trees, leaves, classes, weights = (np.array(settings[name]) for name in names)
        n_classes = len(np.unique(classes))
        if n_classes < 3:  # of two, ONNX Runtime derives one from the other
            continue
        is_kept = weights != 0
        starts = np.flatnonzero(np.diff(trees, prepend=-1) | np.diff(leaves, prepend=-1))
        is_kept[starts[~np.logical_or.reduceat(is_kept, starts)]] = True
        if is_kept.all() or len(np.unique(classes[is_kept])) < n_classes:
            continue
        slim = NodeProto()
        slim.CopyFrom(node)
        del slim.attribute[:]
        slim.attribute.extend(part for part in node.attribute if part.name not in names)
        kept = (values[is_kept].tolist() for values in (trees, leaves, classes, weights))
        slim.attribute.extend(map(helper.make_attribute, names, kept))
        added = view.build("votes")
        added.nodes.append(slim)
        return view.rewrite([node], added)
    return model
