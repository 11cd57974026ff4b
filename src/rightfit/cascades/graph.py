"""Two classifiers in a row as one ONNX graph.

The cheap model answers all rows. Those whose highest probability is below a threshold are taken
out, answered by the dear model and put back; where there are none, the dear model does not run.
This is the two-stage form of the cascades of Viola and Jones (CVPR 2001) with the threshold on the
maximum probability (Hendrycks and Gimpel, ICLR 2017).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

ROWS = "rows"  # input and output of a bundle's ONNX file
ANSWERS = "probabilities"
CHEAP, DEAR, OWN = "cheap/", "dear/", "cascade/"  # begin the names of the tensors of each


def join_cascade(cheap_file: Path, dear_file: Path, threshold: float) -> bytes:
    """Join two models of the same input and classes.

    ``threshold`` lies in (0, 1].

    Returns:
        An ONNX model with the input and output of the two.

    Raises:
        ValueError: If their inputs or outputs differ, or their operators' versions cannot be made
            one.
    """
    import onnx

    joined = join_models(onnx.load(cheap_file), onnx.load(dear_file), threshold)
    content: bytes = joined.SerializeToString()
    return content


def join_models(cheap: ModelProto, dear: ModelProto, threshold: float) -> ModelProto:
    """Join two loaded models, as :func:`join_cascade` says."""
    from onnx import compose, helper

    _check_alike(cheap, dear)
    cheap, dear = _bring_to_one_version(cheap, dear)
    first = compose.add_prefix(cheap, CHEAP)
    second = compose.add_prefix(dear, DEAR)
    nodes, constants = _find_unsure(threshold)
    graph = helper.make_graph(
        [
            helper.make_node("Identity", [ROWS], [CHEAP + ROWS]),
            *first.graph.node,
            *nodes,
            helper.make_node(
                "If",
                [OWN + "any"],
                [ANSWERS],
                then_branch=_ask_dear(second.graph),
                else_branch=_keep_cheap(),
            ),
        ],
        "cascade",
        list(cheap.graph.input),
        [one for one in cheap.graph.output if one.name == ANSWERS],
        initializer=[*first.graph.initializer, *constants],
    )
    return helper.make_model(
        graph,
        opset_imports=[
            helper.make_opsetid(domain, version)
            for domain, version in (_read_opsets(cheap) | _read_opsets(dear)).items()
        ],
        ir_version=max(cheap.ir_version, dear.ir_version),
    )


def _check_alike(cheap: ModelProto, dear: ModelProto) -> None:
    faults = []
    for what, one, other in (
        ("inputs", _describe(cheap.graph.input), _describe(dear.graph.input)),
        ("outputs", _describe(cheap.graph.output), _describe(dear.graph.output)),
    ):
        if one != other:
            faults.append(f"their {what} are {one} and {other}")
    if faults:
        raise ValueError(f"The models cannot be joined: {'; '.join(faults)}.")


def _bring_to_one_version(cheap: ModelProto, dear: ModelProto) -> tuple[ModelProto, ModelProto]:
    """Convert the older of two models to the operators' version of the newer.

    Raises:
        ValueError: If ONNX's own converter cannot, or other domains' versions differ.
    """
    from onnx import version_converter

    mine, theirs = _read_opsets(cheap), _read_opsets(dear)
    newest = max(mine[""], theirs[""])
    for domain in (mine.keys() & theirs.keys()) - {""}:
        if mine[domain] != theirs[domain]:
            raise ValueError(
                f"The models cannot be joined: their operators of {domain} are of versions "
                f"{mine[domain]} and {theirs[domain]}."
            )
    try:
        converted = [
            model if versions[""] == newest else version_converter.convert_version(model, newest)
            for model, versions in ((cheap, mine), (dear, theirs))
        ]
    except RuntimeError as err:  # what the converter raises
        raise ValueError(f"The models cannot be joined: {err}") from err
    return converted[0], converted[1]


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


def _read_opsets(model: ModelProto) -> dict[str, int]:
    versions: dict[str, int] = {}
    for opset in model.opset_import:
        versions[opset.domain] = max(versions.get(opset.domain, 0), int(opset.version))
    return versions


def _find_unsure(threshold: float) -> tuple[list[Any], list[Any]]:
    """Return nodes that mark the rows below the threshold, and their constants."""
    from onnx import helper, numpy_helper

    values = {
        "one": np.array([1], dtype=np.int64),
        "last": np.int64(1),
        "none": np.int64(0),
        "threshold": np.float32(threshold),
    }
    constants = [
        numpy_helper.from_array(np.asarray(value), OWN + name) for name, value in values.items()
    ]
    steps: list[tuple[str, list[str], list[str], dict[str, Any]]] = [
        ("TopK", [CHEAP + ANSWERS, OWN + "one"], ["top", "top_class"], {"axis": 1}),
        ("Squeeze", [OWN + "top", OWN + "one"], ["sureness"], {}),
        ("Less", [OWN + "sureness", OWN + "threshold"], ["unsure"], {}),
        ("NonZero", [OWN + "unsure"], ["places"], {}),
        ("Shape", [OWN + "places"], ["shape"], {}),
        ("Gather", [OWN + "shape", OWN + "last"], ["n_unsure"], {}),
        ("Greater", [OWN + "n_unsure", OWN + "none"], ["any"], {}),
    ]
    nodes = [
        helper.make_node(op, inputs, [OWN + name for name in outputs], **attributes)
        for op, inputs, outputs, attributes in steps
    ]
    return nodes, constants


def _ask_dear(dear: GraphProto) -> GraphProto:
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Compress", [ROWS, OWN + "unsure"], [DEAR + ROWS], axis=0),
        *dear.node,
        helper.make_node("Transpose", [OWN + "places"], [OWN + "where"], perm=[1, 0]),
        helper.make_node(
            "ScatterND", [CHEAP + ANSWERS, OWN + "where", DEAR + ANSWERS], [OWN + "mixed"]
        ),
    ]
    output = helper.make_tensor_value_info(OWN + "mixed", TensorProto.FLOAT, [None, None])
    return helper.make_graph(nodes, "ask_dear", [], [output], initializer=list(dear.initializer))


def _keep_cheap() -> GraphProto:
    from onnx import TensorProto, helper

    output = helper.make_tensor_value_info(OWN + "kept", TensorProto.FLOAT, [None, None])
    keep = helper.make_node("Identity", [CHEAP + ANSWERS], [OWN + "kept"])
    return helper.make_graph([keep], "keep_cheap", [], [output])
