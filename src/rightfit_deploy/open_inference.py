"""Requests and answers of the Open Inference Protocol (version 2), which KServe's clients speak.

A raw column is an input tensor with a value per row. The answers are ``class`` and
``probabilities``, or ``value``. Tensors are JSON; there is no version of a model and no extension.
https://github.com/kserve/open-inference-protocol, ``inference_rest.md``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

if __package__:
    from rightfit.data.request_path import feeding, usage
else:  # run in an exported folder, which stands for itself
    import feeding  # type: ignore[import-not-found,no-redef]
    import usage  # type: ignore[import-not-found,no-redef]

NAME = os.environ.get("RIGHTFIT_MODEL_NAME", "model")  # in the protocol's addresses
SERVER = {"name": "rightfit", "version": "2", "extensions": []}
WHOLE = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
DATATYPES = ("BOOL", *WHOLE, "FP16", "FP32", "FP64", "BYTES")


def describe_model(model: usage.ExportedModel) -> dict[str, Any]:
    """Return the model's metadata: its name, inputs and outputs; -1 is the number of rows."""
    n_classes = len(model.classes)
    outputs = [("class", "BYTES", 1), ("probabilities", "FP32", n_classes)]
    inputs = [
        (column, "BYTES" if tensor.dtype in (feeding.TEXT, feeding.IMAGE) else "FP64", 1)
        for tensor in model.inputs
        for column in tensor.columns
    ]
    described = [
        [{"name": name, "datatype": kind, "shape": [-1, width]} for name, kind, width in tensors]
        for tensors in (inputs, outputs if n_classes else [("value", "FP32", 1)])
    ]
    return {
        "name": NAME,
        "platform": "onnxruntime_onnx",
        "inputs": described[0],
        "outputs": described[1],
    }


def read_columns(request: Any, columns: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the columns of an inference request that the model reads.

    Args:
        request: What its JSON holds.
        columns: Those that the model reads.

    Raises:
        ValueError: If it is no request of the protocol, or its tensors have no equal rows.
    """
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list):
        raise ValueError("The body must be an object with a list of tensors as its inputs")
    read: dict[str, list[Any]] = {}
    for tensor in request["inputs"]:
        if not isinstance(tensor, dict) or not {"name", "shape", "datatype"} <= tensor.keys():
            raise ValueError("An input must be an object with name, shape, datatype and data")
        name = tensor["name"]
        if not isinstance(name, str) or name not in columns:
            continue
        if name in read:
            raise ValueError(usage.TWICE)
        if tensor["datatype"] not in DATATYPES:
            raise ValueError(f"The datatype of {name!r} must be one of {', '.join(DATATYPES)}")
        read[name] = _read_values(name, tensor["shape"], tensor.get("data"))
    if len({len(values) for values in read.values()}) > 1:
        raise ValueError("The inputs have different numbers of rows")
    return read


def _read_values(name: str, shape: Any, data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise ValueError(f"{name!r} has no list of data; binary tensors are not read")
    values = [
        item[0] if isinstance(item, list) and len(item) == 1 and len(shape) == 2 else item
        for item in data
    ]
    if shape not in ([len(values)], [len(values), 1]):
        raise ValueError(
            f"{name!r} must have a value per row: shape [n] or [n, 1], of as many values"
        )
    return values


def write_response(
    request: Mapping[str, Any], answers: usage.Floats, model: usage.ExportedModel
) -> dict[str, Any]:
    """Write answers as the tensors that a request asks for, all unless it names some.

    Raises:
        ValueError: If it asks for others, or an answer is not finite.
    """
    records = usage.name_answers(answers, model.classes, model.threshold, model.costs)
    data: dict[str, Sequence[Any]] = {"value": [record.get("value") for record in records]}
    if model.classes:
        data = {
            "class": [record["class"] for record in records],
            "probabilities": [
                share for record in records for share in record["probabilities"].values()
            ],
        }
    described = {tensor["name"]: tensor for tensor in describe_model(model)["outputs"]}
    wanted = [output.get("name") for output in request.get("outputs") or ()] or [*described]
    if len(wanted) > len(described) or len(wanted) > len(set(wanted)):
        raise ValueError("An output is asked for twice")  # each would be written again
    if unknown := [name for name in wanted if name not in described]:
        raise ValueError(f"The outputs are {[*described]}, and {unknown[0]!r:.80} is none of them")
    outputs = [
        {**described[name], "shape": [len(records), described[name]["shape"][1]]}
        | {"data": data[name]}
        for name in wanted
    ]
    named = {"id": request["id"]} if "id" in request else {}
    return {"model_name": NAME, **named, "outputs": outputs}
