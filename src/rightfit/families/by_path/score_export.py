"""Export a classifier that answers scores, such as a support vector machine, as probabilities."""

from __future__ import annotations

from typing import Any

from rightfit.families.schema import InputSchema


def export_scores(model: Any, schema: InputSchema) -> bytes:
    """Convert a classifier without ``predict_proba`` and put its scores through a softmax.

    Returns:
        An ONNX model: input ``rows`` (any, n_features), output ``probabilities``.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    last = model.steps[-1][1] if hasattr(model, "steps") else model
    types = [("rows", FloatTensorType([None, schema.n_features]))]
    options: dict[str, bool] = {"raw_scores": True, "zipmap": False}
    try:
        exported = to_onnx(model, initial_types=types, options={id(last): options})
    except NameError:  # what skl2onnx raises of an option that a converter lacks
        del options["zipmap"]
        exported = to_onnx(model, initial_types=types, options={id(last): options})
    _append_softmax(exported.graph, schema.n_classes)
    return bytes(exported.SerializeToString())


def _append_softmax(graph: Any, n_classes: int) -> None:
    """Turn the graph's scores into probabilities; of two classes the last column is the score."""
    from onnx import TensorProto, helper

    scores = graph.output[1].name
    nodes = []
    if n_classes == 2:
        graph.initializer.append(
            helper.make_tensor("serving.last_column", TensorProto.INT64, [1], [1])
        )
        graph.initializer.append(helper.make_tensor("serving.zero", TensorProto.FLOAT, [1], [0.0]))
        nodes = [
            helper.make_node("Gather", [scores, "serving.last_column"], ["serving.score"], axis=1),
            helper.make_node("Mul", ["serving.score", "serving.zero"], ["serving.no_score"]),
            helper.make_node(
                "Concat", ["serving.no_score", "serving.score"], ["serving.both_scores"], axis=1
            ),
        ]
    before = "serving.both_scores" if nodes else scores
    nodes.append(helper.make_node("Softmax", [before], ["serving.softmax"], axis=1))
    nodes.append(helper.make_node("Identity", ["serving.softmax"], ["probabilities"]))
    if scores == "probabilities":
        for node in (*graph.node, *nodes[:-1]):
            for names in (node.input, node.output):
                names[:] = ["serving.raw_scores" if name == scores else name for name in names]
    del graph.output[:]
    graph.node.extend(nodes)
    graph.output.append(
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, n_classes])
    )
