"""Small ONNX graphs, and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rightfit.models.onnx_graph import GraphBuilder, declare
from rightfit.models.onnx_session import open_session

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 17
ML_OPSET = 3


def make_graph(
    builder: GraphBuilder,
    inputs: Mapping[str, tuple[str, int]],
    outputs: Sequence[str] = ("probabilities",),
) -> ModelProto:
    """Return a model of a builder's nodes.

    Args:
        builder: The nodes.
        inputs: Type and number of columns of each input.
        outputs: Tensors of float32 that it answers.
    """
    from onnx import helper

    declared = [declare(name, dtype, width) for name, (dtype, width) in inputs.items()]
    answers = [declare(name, "float32", None) for name in outputs]
    graph = helper.make_graph(
        builder.nodes, "small", declared, answers, initializer=builder.constants
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run_graph(model: ModelProto, **feed: Any) -> npt.NDArray[Any]:
    """Return the first output of a model."""
    answers: npt.NDArray[Any] = open_session(model.SerializeToString()).run(None, feed)[0]
    return answers


def list_operators(model: ModelProto) -> list[str]:
    """Return the operators of a graph in order."""
    return [node.op_type for node in model.graph.node]


def add_product(builder: GraphBuilder, rows: str, n_inputs: int, n_outputs: int) -> str:
    """Add a product with random weights; return its name."""
    rng = np.random.default_rng(n_inputs)
    weights = builder.keep(rng.normal(size=(n_outputs, n_inputs)).astype(np.float32))
    bias = builder.keep(rng.normal(size=n_outputs).astype(np.float32))
    return builder.add("Gemm", rows, weights, bias, transB=1)
