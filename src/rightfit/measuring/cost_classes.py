"""Cost classes: candidates that are served by the same graph with other weights.

What a graph computes for a row follows from its nodes, their attributes, and the shapes and types
of its tensors, not from the values of its weights. Two candidates whose graphs differ in nothing
else cost the same, so their samples are estimated together and only quality tells them apart.

Exceptions are possible: denormal numbers take longer to multiply, and the path of a row through a
tree hangs on its thresholds. So the samples of a class are held against each other first.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit.measuring.distributions import student_quantile

if TYPE_CHECKING:  # a machine that measures a pack compares no graphs
    from onnx import AttributeProto, GraphProto, TensorProto

# Values of these types are settings of nodes: shapes, axes, categories. Others are weights.
STRUCTURAL_TYPES = ("INT64", "INT32", "STRING", "BOOL")
ERROR_SHARE = 0.01  # of classes without a difference that are told apart, for each figure
LEAST_DIFFERENCE = 0.05  # that is worth telling apart


def fingerprint_structure(graph: Path) -> str:
    """Return a fingerprint of a graph without the values of its weights.

    Equal are graphs of the same nodes, attributes, inputs and outputs whose tensors have the same
    types and shapes, whatever the names within. Whole numbers and texts count with their values, as
    they are structure: the nodes of trees, columns, categories. Of other numbers, weights and
    thresholds, only the shape counts.

    Args:
        graph: An ONNX file.

    Returns:
        16 hexadecimal digits.

    Raises:
        ValueError: If the file holds no graph.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(graph)
    except DecodeError as err:
        raise ValueError(f"{graph} is no ONNX file: {err}") from err
    digest = hashlib.sha256()
    opsets = sorted((entry.domain, entry.version) for entry in model.opset_import)
    filled = sorted(entry.key for entry in model.metadata_props)
    for part in (opsets, filled, *_describe_graph(model.graph)):
        digest.update(json.dumps(part, default=str).encode())
    return digest.hexdigest()[:16]


def _describe_graph(graph: GraphProto) -> Iterator[Any]:
    numbers: dict[str, int] = {"": -1}  # of a value that is left out

    def number(name: str) -> int:
        return numbers.setdefault(name, len(numbers))

    for value in graph.input:
        yield "input", value.name, number(value.name), value.type.SerializeToString().hex()
    for tensor in graph.initializer:
        number(tensor.name)
    for node in graph.node:
        yield node.op_type, node.domain, [number(name) for name in node.input]
        yield [number(name) for name in node.output]
        for attribute in sorted(node.attribute, key=lambda one: one.name):
            yield attribute.name, list(_describe_attribute(attribute))
    for tensor in graph.initializer:
        yield number(tensor.name), _describe_tensor(tensor)
    for value in graph.output:
        yield "output", value.name, number(value.name), value.type.SerializeToString().hex()


def _describe_attribute(attribute: AttributeProto) -> Iterator[Any]:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == onnx.AttributeProto.FLOATS:
        yield len(value)
    elif attribute.type == onnx.AttributeProto.FLOAT:
        yield "float"
    elif attribute.type == onnx.AttributeProto.TENSOR:
        yield _describe_tensor(value)
    elif attribute.type == onnx.AttributeProto.GRAPH:
        yield from _describe_graph(value)
    else:
        yield list(value) if attribute.type == onnx.AttributeProto.INTS else value


def _describe_tensor(tensor: TensorProto) -> list[Any]:
    import onnx

    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    described: list[Any] = [kind, list(tensor.dims)]
    if kind in STRUCTURAL_TYPES:
        values = onnx.numpy_helper.to_array(tensor)
        described.append(hashlib.sha256(repr(values.tolist()).encode()).hexdigest())
    return described


def contradict(members: Sequence[Sequence[float]]) -> bool:
    """Tell whether the samples of a class' members differ by more than chance and than 5 %.

    Each member is held against all others by Student's t of the logarithms, with the errors of
    processes pooled over the members (Bonferroni over these).

    Args:
        members: Positive figures of one metric, one per process, of each member.

    >>> contradict([[1.0, 1.02, 0.99], [1.01, 0.98, 1.0]])
    False
    >>> contradict([[1.0, 1.02, 0.99], [1.51, 1.48, 1.5]])
    True
    """
    logs = [np.log(figures) for figures in members if figures]
    n_degrees = sum(len(own) - 1 for own in logs)
    if len(logs) < 2 or not n_degrees:
        return False
    variance = sum(float(((own - own.mean()) ** 2).sum()) for own in logs) / n_degrees
    quantile = student_quantile(ERROR_SHARE / len(logs), n_degrees)
    for position, own in enumerate(logs):
        others = np.concatenate([*logs[:position], *logs[position + 1 :]])
        error = math.sqrt(variance * (1 / len(own) + 1 / len(others)))
        difference = abs(float(own.mean() - others.mean()))
        if difference > max(quantile * error, math.log1p(LEAST_DIFFERENCE)):
            return True
    return False
