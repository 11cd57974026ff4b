"""Build ONNX graphs: nodes and constants around a model, and operators of one version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit._core.errors import RightfitError
from rightfit.models.schema import InputSchema

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


class GraphBuilder:
    """Nodes and constants in the order of computing, named apart from those of a model.

    Args:
        prefix: Begins their names.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(
        self,
        op: str,
        *inputs: str,
        outputs: Sequence[str] = (),
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node; return the name of its first result.

        Args:
            op: The operator.
            inputs: Names of tensors.
            outputs: Names of the results; by default there is one, with a name of its own.
            domain: Where the operator is defined; by default in ONNX itself.
            attributes: Of the operator.
        """
        from onnx import helper

        name = f"{self.prefix}{len(self.nodes)}"
        results = [*outputs] or [name]
        self.nodes.append(
            helper.make_node(op, list(inputs), results, name=name, domain=domain, **attributes)
        )
        return results[0]

    def cast(self, source: str, dtype: str) -> str:
        """Add a cast to a type that numpy names; return the name of its result."""
        from onnx import helper

        return self.add("Cast", source, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def keep(self, value: Any) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def declare(name: str, dtype: str, n_columns: int | None) -> ValueInfoProto:
    """Return an input or output of a graph, shape (n_rows, n_columns).

    Args:
        name: Its name.
        dtype: numpy's name of its type; ``object`` for texts.
        n_columns: Its columns; ``None``: any number.
    """
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    shape: list[str | int | None] = ["n_rows", n_columns]
    return helper.make_tensor_value_info(name, kind, shape)


def read_opsets(model: ModelProto) -> dict[str, int]:
    """Return the versions of a model's operators by domain; ONNX's own domain is empty."""
    versions: dict[str, int] = {}
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        versions[domain] = max(versions.get(domain, 0), int(opset.version))
    return versions


def set_opsets(model: ModelProto, versions: dict[str, int]) -> None:
    """Declare the versions of a model's operators, without converting any."""
    del model.opset_import[:]
    for domain, version in versions.items():
        model.opset_import.add(domain=domain, version=version)


def raise_opset(model: ModelProto, version: int) -> ModelProto:
    """Return a model whose ONNX operators are at least of a version.

    Raises:
        RightfitError: If it holds an operator that ONNX cannot convert.
    """
    from onnx import version_converter

    opset = read_opsets(model).get("", 0)
    if opset >= version:
        return model
    try:
        raised: ModelProto = version_converter.convert_version(model, version)
    except Exception as err:  # the converter raises kinds of its own
        raise RightfitError(
            f"The models cannot be joined: the opset of one is {opset}, {version} is needed, and "
            f"it cannot be converted: {err}"
        ) from err
    return raised


def replace_output(model: ModelProto, source: str, schema: InputSchema) -> None:
    """Let a model answer one tensor of float32 alone, named and shaped as a schema says.

    Args:
        model: Changed in place.
        source: The tensor that holds the answers, shape (n_rows, n_outputs).
        schema: What is predicted.
    """
    name = schema.output_name
    if source != name:
        model.graph.node.add(op_type="Identity", input=[source], output=[name])
    del model.graph.output[:]
    model.graph.output.append(declare(name, "float32", schema.n_outputs))
