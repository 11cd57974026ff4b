"""The maker and the readers of each tensor of an ONNX graph, and a rewritten copy of the model.

Passes find what they rewrite in a view and return a new model; the model that they get stays as
it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rightfit.models.onnx_graph import GraphBuilder, read_opsets

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

Array = npt.NDArray[Any]
ANSWERS = ("probabilities", "values")  # outputs of a served graph: of classes, or of a regression


class GraphView:
    """The tensors of a model's graph.

    Args:
        model: The model; a view does not see later changes of it.
    """

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        graph = model.graph
        self.nodes = list(graph.node)
        self.inputs = {tensor.name: tensor for tensor in graph.input}
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in self.nodes for name in node.output if name}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        # outputs, and what graphs within nodes read: a pass leaves both as they are
        self.fixed = {tensor.name for tensor in graph.output} | set(_list_outer_names(graph))

    def find_maker(self, name: str, *kinds: str) -> NodeProto | None:
        """Return the node that makes a tensor, if it is of one of some kinds."""
        node = self._makers.get(name)
        return node if node is not None and (not kinds or node.op_type in kinds) else None

    def list_readers(self, name: str) -> list[NodeProto]:
        """Return the nodes that read a tensor."""
        return self._readers.get(name, [])

    def is_read_once(self, name: str) -> bool:
        """Tell whether one node reads a tensor and nothing else does."""
        return len(self.list_readers(name)) == 1 and name not in self.fixed

    def read_constant(self, name: str) -> Array | None:
        """Return a constant; ``None`` where the tensor is none."""
        from onnx import numpy_helper

        if name in self._initializers:
            return numpy_helper.to_array(self._initializers[name])
        node = self.find_maker(name, "Constant")
        if node is None or [attribute.name for attribute in node.attribute] != ["value"]:
            return None
        return numpy_helper.to_array(node.attribute[0].t)

    def find_width(self, name: str) -> int | None:
        """Return the number of columns of a tensor of rows; ``None`` where it is not known."""
        if name in self.inputs:
            sizes = self.inputs[name].type.tensor_type.shape.dim
            return int(sizes[-1].dim_value) or None if len(sizes) == 2 else None
        node = self.find_maker(name)
        if node is None:
            return None
        constants = [self.read_constant(source) for source in node.input]
        match node.op_type:
            case "Cast" | "IsNaN" | "Identity" | "Neg" | "Abs" | "Less" | "Exp" | "Relu" | "Scaler":
                return self.find_width(node.input[0])
            case "Concat":
                parts = [self.find_width(source) for source in node.input]
                widths = [width for width in parts if width is not None]
                return sum(widths) if len(widths) == len(parts) else None
            case "Gemm":
                is_transposed = bool(read_attributes(node).get("transB", 0))
                return None if constants[1] is None else constants[1].shape[1 - is_transposed]
            case "SVMClassifier":
                return count_pairs(node)
            case "Where":
                return self.find_width(node.input[2])
            case "Add" | "Sub" | "Mul" | "Div":
                row = constants[1]
                if row is not None and row.size > 1:
                    return row.size
                return self.find_width(node.input[0])
            case "OneHot":
                return None if constants[1] is None else int(constants[1])
            case "Gather" if read_attributes(node).get("axis", 0) == 1:
                positions = constants[1]
                return None if positions is None else positions.size
            case "Gather":
                table = constants[0]
                return int(table.shape[1]) if table is not None and table.ndim == 2 else None
        return None

    def find_widths(self, names: Sequence[str], total: int) -> list[int] | None:
        """Return the columns of tensors that are joined, ``total`` in all; ``None``: not known."""
        parts = [self.find_width(name) for name in names]
        if parts.count(None) == 1:
            rest = total - sum(width or 0 for width in parts)
            parts = [rest if width is None else width for width in parts]
        widths = [width for width in parts if width is not None]
        return widths if len(widths) == len(names) and sum(widths) == total else None

    def build(self, purpose: str) -> GraphBuilder:
        """Return a builder whose names are not in use yet."""
        names = {*self._makers, *self._initializers}
        number = 0
        while any(name.startswith(f"{purpose}/{number}/") for name in names):
            number += 1
        return GraphBuilder(f"{purpose}/{number}/")

    def rewrite(self, removed: Sequence[NodeProto], added: GraphBuilder) -> ModelProto:
        """Return a copy of the model with other nodes in the place of some.

        Args:
            removed: Nodes to leave out; the added ones stand where the last of them stood.
            added: Nodes and constants; they make what others still read of the removed ones.

        Returns:
            The copy, without what nothing reads any more.
        """
        left_out = {id(node) for node in removed}
        last = max(i for i, node in enumerate(self.nodes) if id(node) in left_out)
        nodes: list[NodeProto] = []
        for i, node in enumerate(self.nodes):
            if id(node) not in left_out:
                nodes.append(node)
            if i == last:
                nodes.extend(added.nodes)
        return rebuild(self.model, nodes, constants=added.constants)


def rewriting(
    *kinds: str, min_opset: int = 0
) -> Callable[
    [Callable[[GraphView, NodeProto], ModelProto | None]], Callable[[ModelProto], ModelProto]
]:
    """Make a pass of a function that rewrites one node, or returns ``None`` where it cannot.

    Args:
        kinds: Operators of the nodes that it is asked for, in the order of computing.
        min_opset: Lowest version of the operators that it writes.
    """

    def decorate(
        rewrite: Callable[[GraphView, NodeProto], ModelProto | None],
    ) -> Callable[[ModelProto], ModelProto]:
        @wraps(rewrite)
        def run(model: ModelProto) -> ModelProto:
            if read_opsets(model).get("", 0) < min_opset:
                return model
            view = GraphView(model)
            rewritten = (rewrite(view, node) for node in view.nodes if node.op_type in kinds)
            return next((changed for changed in rewritten if changed is not None), model)

        return run

    return decorate


def rebuild(
    model: ModelProto, nodes: Sequence[NodeProto], *, constants: Sequence[Any] = ()
) -> ModelProto:
    """Return a copy of a model with other nodes, without those that nothing reads.

    Args:
        model: The model; of its constants those stay that are read.
        nodes: Its new nodes, in the order of computing.
        constants: Further constants.
    """
    graph = model.graph
    needed = {tensor.name for tensor in graph.output} | set(_list_outer_names(graph))
    live_nodes: list[NodeProto] = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            live_nodes.append(node)
            needed.update(node.input)
    copied = deepcopy(model)
    del copied.graph.node[:], copied.graph.initializer[:], copied.graph.value_info[:]
    copied.graph.node.extend(reversed(live_nodes))
    copied.graph.initializer.extend(
        tensor for tensor in (*graph.initializer, *constants) if tensor.name in needed
    )
    return copied


def read_attributes(node: NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by name; a text is a ``str``."""
    from onnx import helper

    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in values.items()
    }


def copy_node(node: NodeProto, attributes: Mapping[str, list[float]]) -> NodeProto:
    """Return a copy of a node with other values of some attributes."""
    from onnx import helper

    copied = deepcopy(node)
    del copied.attribute[:]
    copied.attribute.extend(part for part in node.attribute if part.name not in attributes)
    copied.attribute.extend(helper.make_attribute(*item) for item in attributes.items())
    return copied


def count_pairs(node: NodeProto) -> int | None:
    """Return the pairs of classes that a ``SVMClassifier`` scores; ``None`` where it does not."""
    settings = read_attributes(node)
    sizes = settings.get("vectors_per_class", ())
    scores_pairs = settings.get("post_transform") == "NONE" and "prob_a" not in settings
    return len(sizes) * (len(sizes) - 1) // 2 if scores_pairs and len(sizes) > 2 else None


class Product:
    """A ``Gemm`` of float32 with constant weights: ``rows @ weights + bias``.

    Args:
        node: The node.
        weights: Float64, shape (n_inputs, n_outputs).
        bias: Float64, shape (n_outputs,).
    """

    def __init__(self, node: NodeProto, weights: Array, bias: Array) -> None:
        self.node = node
        self.rows: str = node.input[0]
        self.output: str = node.output[0]
        self.weights = weights
        self.bias = bias

    @classmethod
    def read(cls, view: GraphView, node: NodeProto | None) -> Product | None:
        """Return a node as a product; ``None`` where it is none of float32."""
        if node is None or node.op_type != "Gemm":
            return None
        settings = read_attributes(node)
        weights = view.read_constant(node.input[1])
        if weights is None or weights.dtype != np.float32 or settings.get("transA", 0):
            return None
        wide = weights.astype(np.float64) * settings.get("alpha", 1.0)
        wide = wide.T if settings.get("transB", 0) else wide
        bias = np.zeros(wide.shape[1])
        if len(node.input) > 2 and node.input[2]:
            constant = view.read_constant(node.input[2])
            if constant is None or constant.size not in (1, wide.shape[1]):
                return None
            bias = bias + constant.astype(np.float64).reshape(-1) * settings.get("beta", 1.0)
        return cls(node, wide, bias)


def add_product(
    added: GraphBuilder, rows: str, weights: Array, bias: Array | str, *, output: str
) -> None:
    """Add ``rows @ weights + bias`` to a builder.

    Args:
        added: The builder.
        rows: Tensor of float32, shape (n_rows, n_inputs).
        weights: Shape (n_inputs, n_outputs).
        bias: Shape (n_outputs,); or the name of a tensor, shape (n_rows, n_outputs).
        output: Name of the result.
    """
    rounded = np.ascontiguousarray(weights, dtype=np.float32)
    constant = bias if isinstance(bias, str) else added.keep(bias.astype(np.float32))
    added.add("Gemm", rows, added.keep(rounded), constant, outputs=[output])


def find_products(view: GraphView) -> Iterator[Product]:
    """Yield the products of a graph."""
    for node in view.nodes:
        product = Product.read(view, node)
        if product is not None:
            yield product


def _list_outer_names(graph: GraphProto) -> Iterator[str]:
    """Yield every name that the graphs within a graph's nodes read, their own names too."""
    for node in graph.node:
        for attribute in node.attribute:
            inner = [attribute.g] if attribute.HasField("g") else [*attribute.graphs]
            for subgraph in inner:
                yield from (name for part in subgraph.node for name in part.input)
                yield from (tensor.name for tensor in subgraph.output)
                yield from _list_outer_names(subgraph)
