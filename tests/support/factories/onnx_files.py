"""Small ONNX files, made node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 19


def write_onnx(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Mapping[str, tuple[int, list[int | str | None]]],
    outputs: Mapping[str, tuple[int, list[int | str | None]]],
    weights: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write a model of these nodes; inputs and outputs are (type, shape) by name."""
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def write_softmax(
    path: Path, weights: np.ndarray, *, input_name: str = "x", output_name: str = "scores"
) -> Path:
    """Write softmax(x · weights); weights have shape (n_features, n_classes)."""
    n_features, n_classes = weights.shape
    return write_onnx(
        path,
        [
            helper.make_node("MatMul", [input_name, "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], [output_name], axis=1),
        ],
        inputs={input_name: (TensorProto.FLOAT, ["n", n_features])},
        outputs={output_name: (TensorProto.FLOAT, ["n", n_classes])},
        weights={"weights": weights.astype(np.float32)},
    )


def write_ranks(path: Path) -> Path:
    """Write a model of 2 columns that centres the first one by the mean of its batch."""
    axes = np.array([0])
    return write_onnx(
        path,
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["mean"]),
            helper.make_node("Sub", ["x", "mean"], ["centred"]),
            helper.make_node("Softmax", ["centred"], ["scores"], axis=1),
        ],
        inputs={"x": (TensorProto.FLOAT, ["n", 2])},
        outputs={"scores": (TensorProto.FLOAT, ["n", 2])},
        weights={"axes": axes},
    )


def write_endless(path: Path) -> Path:
    """Write a model whose loop never ends; it has 2 input columns."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["goes_on_still"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("goes_on", TensorProto.BOOL, []),
            value("before", TensorProto.FLOAT, None),
        ],
        [
            value("goes_on_still", TensorProto.BOOL, []),
            value("after", TensorProto.FLOAT, None),
        ],
    )
    return write_onnx(
        path,
        [helper.make_node("Loop", ["", "true", "x"], ["scores"], body=body)],
        inputs={"x": (TensorProto.FLOAT, ["n", 2])},
        outputs={"scores": (TensorProto.FLOAT, ["n", 2])},
        weights={"true": np.array(True)},
    )
