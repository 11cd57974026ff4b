"""Give an ONNX file the inputs and outputs that a bundle's ONNX model has.

Nothing of the model changes. Around it come the few nodes that its own form asks for: named columns
are taken from the matrix ``rows``, numbers are cast to the type it declares, scores become
probabilities where the configuration says so, and classes get the dataset's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rightfit._core.formatting import count
from rightfit._core.spelling import name_some
from rightfit.models.imported.feeds import TEXT, Tensor, read_inputs, read_outputs
from rightfit.models.onnx_graph import (
    GraphBuilder,
    declare,
    read_opsets,
    replace_output,
    set_opsets,
)
from rightfit.models.schema import InputSchema

ROWS = "rows"
GIVEN = "given/"  # begins the names of the file's own tensors
ADDED = "added/"
OPSET = 17  # where the file names none of its own
FLOATS = ("float16", "float32", "float64")
SEQUENCE = "seq(map("  # begins the type of what a ZipMap answers


@dataclass(frozen=True)
class OutputChoice:
    """The answers of a file, as the configuration describes them.

    Args:
        output: Name of the output with a column per class, or with the value; ``None``: the one
            that fits.
        classes: Classes in the order of the output's columns; ``None``: as the file names them,
            else the dataset's order.
        are_logits: Whether they are scores that a softmax or sigmoid makes probabilities.
        is_configured: Whether a configuration could say more.
    """

    output: str | None = None
    classes: tuple[str, ...] | None = None
    are_logits: bool = False
    is_configured: bool = True


def adapt_onnx(
    original: Any,
    session: Any,
    schema: InputSchema,
    answers: OutputChoice,
    *,
    keeps_inputs: bool = False,
) -> bytes:
    """Return a model with the input ``rows`` and the output ``probabilities`` or ``values``.

    Args:
        original: The model, weights of files beside it loaded.
        session: The same, opened.
        schema: The columns of ``rows`` and the classes; without classes the output is ``values``.
        answers: Its answers, as the configuration describes them.
        keeps_inputs: Whether the inputs stay as they are, :data:`GIVEN` before their names.

    Raises:
        ValueError: If inputs, outputs or classes do not fit the schema.
    """
    from onnx import compose

    output = find_output(read_outputs(session), schema, answers)
    source = _find_source(original, output)
    order = _order_classes(original, schema, answers)
    model = compose.add_prefix(original, GIVEN)
    added = GraphBuilder(ADDED)
    if not keeps_inputs:
        _feed(added, read_inputs(session), schema)
        del model.graph.input[:]
        model.graph.input.append(declare(ROWS, "float32", schema.n_features))
    added.nodes.extend(node for node in model.graph.node if node.op_type != "ZipMap")
    result = _finish(added, GIVEN + source, output, schema, answers, order)
    del model.graph.node[:]
    model.graph.node.extend(added.nodes)
    model.graph.initializer.extend(added.constants)
    replace_output(model, result, schema)
    set_opsets(model, {"": OPSET} | read_opsets(model))
    content: bytes = model.SerializeToString()
    return content


def _feed(added: GraphBuilder, inputs: Sequence[Tensor], schema: InputSchema) -> None:
    """Fill the file's inputs from the tensor ``rows``."""
    check_inputs(inputs, schema.features)
    for tensor in inputs:
        shape, name = tensor.shape, ROWS
        if len(inputs) > 1:
            at = added.keep(np.array([schema.features.index(tensor.name)], dtype=np.int64))
            name = added.add("Gather", ROWS, at, axis=1)
        if len(shape) != 2:
            sizes = [-1 if i == 0 or size is None else size for i, size in enumerate(shape)]
            if sizes.count(-1) > 1:
                raise ValueError(f"its input {tensor} leaves open how a row is laid out")
            name = added.add("Reshape", name, added.keep(np.array(sizes, dtype=np.int64)))
        if tensor.dtype != "float32":
            name = added.cast(name, tensor.dtype)
        added.add("Identity", name, outputs=[GIVEN + tensor.name])


def check_inputs(inputs: Sequence[Tensor], features: Sequence[str]) -> None:
    """Refuse a file whose inputs the columns of a dataset cannot fill.

    Raises:
        ValueError: Naming every input that does not fit.
    """
    faults = []
    texts = [str(tensor) for tensor in inputs if tensor.dtype == TEXT]
    if texts:
        faults.append(
            f"its inputs {texts} are texts, but encoded columns are numbers; input: raw gives it "
            "the dataset's own columns"
        )
    elif len(inputs) == 1:
        n_values = inputs[0].n_values
        if n_values not in (None, len(features)):
            faults.append(
                f"its input {inputs[0]} takes {count(n_values, 'value')} a row, the dataset has "
                f"{count(len(features), 'column')}: {name_some(features)}"
            )
    else:
        unknown = [tensor.name for tensor in inputs if tensor.name not in features]
        if unknown:
            faults.append(
                f"its inputs {unknown} are no columns of the dataset: {name_some(features)}"
            )
        wide = [str(tensor) for tensor in inputs if tensor.n_values not in (None, 1)]
        if wide:
            faults.append(f"its inputs {wide} take more than one value a row")
    if faults:
        raise ValueError("; ".join(faults))


def find_output(outputs: Sequence[Tensor], schema: InputSchema, answers: OutputChoice) -> Tensor:
    """Return the output that holds the answers.

    Raises:
        ValueError: If none or several could be meant.
    """
    fitting = [
        tensor
        for tensor in outputs
        if answers.output in (None, tensor.name) and _could_answer(tensor, schema)
    ]
    if len(fitting) == 1:
        return fitting[0]
    requirement = f"{schema.n_classes} probabilities" if schema.classes else "one number"
    hint = "leave one such output in the file"
    if answers.is_configured:
        hint = (
            "name the one that does, as in output: scores"
            if answers.output is None
            else f"output names {answers.output!r}"
        )
    raise ValueError(
        f"{len(fitting)} of the file's outputs could hold {requirement} a row; {hint}. It declares "
        f"{'; '.join(map(str, outputs))}"
    )


def _could_answer(tensor: Tensor, schema: InputSchema) -> bool:
    if tensor.dtype.startswith(SEQUENCE):
        return bool(schema.classes)
    allowed = {None, schema.n_outputs, *((1,) if schema.n_outputs == 2 else ())}
    is_column = len(tensor.shape) == 1 and schema.n_outputs <= 2
    is_table = len(tensor.shape) == 2 and tensor.shape[1] in allowed
    return tensor.dtype in FLOATS and (is_column or is_table)


def _find_source(model: Any, output: Tensor) -> str:
    """Return the tensor that holds the answers: what a ZipMap reads, else the output itself."""
    for node in model.graph.node:
        if node.op_type == "ZipMap" and output.name in node.output:
            return str(node.input[0])
    return output.name


def _order_classes(model: Any, schema: InputSchema, answers: OutputChoice) -> list[int] | None:
    """Return the positions of the dataset's classes among the file's; ``None``: the same order."""
    names = answers.classes or read_classes(model)
    if not schema.classes or not names:
        return None
    if sorted(names) != sorted(schema.classes):
        if answers.classes is None and names == schema.class_numbers:
            return None  # labels are the positions, as in training by Rightfit
        hint = (
            "; name them as the dataset does, in the order of the file's columns: classes: [..]"
            if answers.is_configured
            else ""
        )
        raise ValueError(
            f"its classes are {name_some(names)}, the dataset's are "
            f"{name_some(schema.classes)}{hint}"
        )
    order = [names.index(name) for name in schema.classes]
    return order if order != list(range(len(order))) else None


def read_classes(model: Any) -> tuple[str, ...]:
    """Return the class names that a classifier's nodes hold; empty if they hold none."""
    for node in reversed(model.graph.node):
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings" and attribute.strings:
                return tuple(text.decode() for text in attribute.strings)
            if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
                return tuple(map(str, attribute.ints))
    return ()


def _finish(
    added: GraphBuilder,
    source: str,
    output: Tensor,
    schema: InputSchema,
    answers: OutputChoice,
    order: list[int] | None,
) -> str:
    """Add the nodes that make float32 probabilities or values of the answers."""
    result = added.cast(source, "float32")
    is_single = len(output.shape) == 1 or (len(output.shape) == 2 and output.shape[1] == 1)
    if is_single:
        result = added.add("Reshape", result, added.keep(np.array([-1, 1], dtype=np.int64)))
    if not schema.classes:
        return result
    if answers.are_logits:
        result = added.add("Sigmoid", result) if is_single else added.add("Softmax", result, axis=1)
    if is_single:
        rest = added.add("Sub", added.keep(np.float32(1)), result)
        result = added.add("Concat", rest, result, axis=1)
    if order is not None:
        at = added.keep(np.array(order, dtype=np.int64))
        result = added.add("Gather", result, at, axis=1)
    return result
