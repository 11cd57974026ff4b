"""Two classifiers in a row as one ONNX graph.

The cheap model answers all rows. Those whose highest probability is below a threshold are taken
out, answered by the expensive model and put back; where there are none, that model does not run.
This is the two-stage form of the cascades of Viola and Jones (CVPR 2001) with the threshold on the
maximum probability (Hendrycks and Gimpel, ICLR 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit.errors import RightfitError
from rightfit.families.onnx_graph import GraphBuilder, raise_opset, read_opsets

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

ROWS = "rows"  # input and output of a bundle's ONNX file
ANSWERS = "probabilities"
CHEAP, EXPENSIVE, OWN = "cheap/", "expensive/", "cascade/"  # begin the names of the tensors of each


def join_cascade(cheap_file: Path, expensive_file: Path, threshold: float) -> bytes:
    """Join two models of the same input and classes.

    ``threshold`` lies in (0, 1].

    Returns:
        An ONNX model with the input and output of the two.

    Raises:
        RightfitError: If their inputs or outputs differ, or their operators' versions cannot be
            made one.
    """
    import onnx

    joined = join_models(onnx.load(cheap_file), onnx.load(expensive_file), threshold)
    content: bytes = joined.SerializeToString()
    return content


def join_models(cheap: ModelProto, expensive: ModelProto, threshold: float) -> ModelProto:
    """Join two loaded models, as :func:`join_cascade` says."""
    from onnx import compose, helper

    _check_alike(cheap, expensive)
    newest = max(read_opsets(model)[""] for model in (cheap, expensive))
    cheap, expensive = (raise_opset(model, newest) for model in (cheap, expensive))
    first = compose.add_prefix(cheap, CHEAP)
    second = compose.add_prefix(expensive, EXPENSIVE)
    own = GraphBuilder(OWN)
    own.add("Identity", ROWS, outputs=[CHEAP + ROWS])
    own.nodes.extend(first.graph.node)
    one = own.keep(np.array([1], dtype=np.int64))
    top = own.add("TopK", CHEAP + ANSWERS, one, outputs=[OWN + "top", OWN + "top_class"], axis=1)
    unsure = own.add("Less", own.add("Squeeze", top, one), own.keep(np.float32(threshold)))
    places = own.add("NonZero", unsure)
    n_unsure = own.add("Gather", own.add("Shape", places), own.keep(np.int64(1)))
    own.add(
        "If",
        own.add("Greater", n_unsure, own.keep(np.int64(0))),
        outputs=[ANSWERS],
        then_branch=_ask_expensive(second.graph, unsure, places),
        else_branch=_keep_cheap(),
    )
    graph = helper.make_graph(
        own.nodes,
        "cascade",
        list(cheap.graph.input),
        [one for one in cheap.graph.output if one.name == ANSWERS],
        initializer=[*first.graph.initializer, *own.constants],
    )
    opsets = (read_opsets(cheap) | read_opsets(expensive)).items()
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(*opset) for opset in opsets],
        ir_version=max(cheap.ir_version, expensive.ir_version),
    )


def _check_alike(cheap: ModelProto, expensive: ModelProto) -> None:
    faults = []
    for what, one, other in (
        ("inputs", _describe(cheap.graph.input), _describe(expensive.graph.input)),
        ("outputs", _describe(cheap.graph.output), _describe(expensive.graph.output)),
    ):
        if one != other:
            faults.append(f"their {what} are {one} and {other}")
    mine, theirs = read_opsets(cheap), read_opsets(expensive)
    faults += [  # ONNX's converter leaves other domains alone
        f"their operators of {domain} are of versions {mine[domain]} and {theirs[domain]}"
        for domain in (mine.keys() & theirs.keys()) - {""}
        if mine[domain] != theirs[domain]
    ]
    if faults:
        raise RightfitError(f"The models cannot be joined: {'; '.join(faults)}.")


def _describe(values: Any) -> list[tuple[str, int, int]]:
    """Return name, element type and number of columns of the input or output that counts."""
    return [
        (
            one.name,
            one.type.tensor_type.elem_type,
            one.type.tensor_type.shape.dim[-1].dim_value,
        )
        for one in values
        if one.name in (ROWS, ANSWERS)
    ]


def _ask_expensive(expensive: GraphProto, unsure: str, places: str) -> GraphProto:
    own = GraphBuilder(f"{OWN}mix/")
    own.add("Compress", ROWS, unsure, outputs=[EXPENSIVE + ROWS], axis=0)
    own.nodes.extend(expensive.node)
    where = own.add("Transpose", places, perm=[1, 0])
    mixed = own.add("ScatterND", CHEAP + ANSWERS, where, EXPENSIVE + ANSWERS)
    return _make_branch(own, mixed, expensive.initializer)


def _keep_cheap() -> GraphProto:
    own = GraphBuilder(f"{OWN}keep/")
    return _make_branch(own, own.add("Identity", CHEAP + ANSWERS), ())


def _make_branch(own: GraphBuilder, output: str, constants: Sequence[TensorProto]) -> GraphProto:
    from onnx import TensorProto, helper

    answers = helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, None])
    return helper.make_graph(own.nodes, output, [], [answers], initializer=list(constants))
