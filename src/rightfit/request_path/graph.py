"""Encoder and model in one ONNX graph: raw columns in, the model's answers out.

The graph does what ``rightfit.preparation.encoding`` does, in the same precision: numbers are
filled, centred and scaled as float64 and then rounded to float32, so the model reads the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rightfit.request_path.raw_inputs import (
    IMAGE,
    INPUT_OF,
    NUMBERS,
    TEXTS,
    EncoderJson,
    StepJson,
    group_steps,
    list_inputs,
    locate,
)
from rightfit.request_path.usage import TensorInput
from rightfit.request_path.words import IN_ONNX, LEAST_LENGTH

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL_INPUT = "rows"  # of a bundle's ONNX file: encoded rows
OWN = "encoder/"  # begins the names of the encoder's tensors
THEIRS = "model/"  # begins the names of the model's tensors
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators, in every build of it
ML_DOMAIN, ML_VERSION = "ai.onnx.ml", 3  # of a model that uses nothing of it
MIN_OPSET = 13
PER_PIXEL = np.float32(1) / np.float32(255)


@dataclass
class _Nodes:
    """Nodes and constants of the encoder, in the order of computing."""

    n_numbers: int
    ml_version: int
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node; return the name of its result."""
        from onnx import helper

        name = f"{OWN}{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), [name], name=name, domain=domain, **attributes)
        self.nodes.append(node)
        return name

    def keep(self, value: Any) -> str:
        """Add a constant; return its name."""
        from onnx import numpy_helper

        name = f"{OWN}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def join_encoder(model_file: Path, encoder: EncoderJson) -> bytes:
    """Put an encoder in front of a model.

    Returns:
        An ONNX model with the inputs that :func:`rightfit.request_path.raw_inputs.list_inputs`
        names and the outputs of the model.

    Raises:
        ValueError: If the model has another input or too old a format.
    """
    import onnx

    joined = join_graphs(onnx.load(model_file), encoder)
    content: bytes = joined.SerializeToString()
    return content


def join_graphs(model: ModelProto, encoder: EncoderJson) -> ModelProto:
    """Put an encoder in front of a loaded model, as :func:`join_encoder` says."""
    from onnx import compose, helper

    _check(model)
    model = _raise_opset(model)
    inputs = list_inputs(encoder)
    joined: ModelProto = compose.add_prefix(model, THEIRS, rename_outputs=False)
    encoding = _Nodes(
        n_numbers=sum(len(one.columns) for one in inputs if one.name == NUMBERS),
        ml_version=_find_ml_version(joined),
    )
    rows = _add_encoder(encoding, encoder, inputs)
    encoding.nodes.append(helper.make_node("Identity", [rows], [THEIRS + MODEL_INPUT]))
    nodes = [*encoding.nodes, *joined.graph.node]
    known = {opset.domain for opset in joined.opset_import}
    if CONTRIB not in known and any(node.domain == CONTRIB for node in nodes):
        joined.opset_import.append(helper.make_opsetid(CONTRIB, 1))
    del joined.graph.node[:], joined.graph.input[:]
    joined.graph.node.extend(nodes)
    joined.graph.initializer.extend(encoding.constants)
    joined.graph.input.extend(_declare(one, encoder) for one in inputs)
    return joined


def _find_ml_version(model: ModelProto) -> int:
    """Return the model's version of ``ai.onnx.ml``; have it import one if it does not."""
    from onnx import helper

    for opset in model.opset_import:
        if opset.domain == ML_DOMAIN:
            return int(opset.version)
    model.opset_import.append(helper.make_opsetid(ML_DOMAIN, ML_VERSION))
    return ML_VERSION


def _check(model: ModelProto) -> None:
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [one.name for one in model.graph.input if one.name not in constants]
    if names != [MODEL_INPUT]:
        raise ValueError(
            f"The model cannot be joined with its encoder: its inputs are {names}, not "
            f"{[MODEL_INPUT]}."
        )


def _raise_opset(model: ModelProto) -> ModelProto:
    """Return the model in the opset that the encoder needs; converters write the oldest they can.

    Raises:
        ValueError: If it holds an operator that cannot be converted.
    """
    from onnx import version_converter

    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if opset >= MIN_OPSET:
        return model
    try:
        raised: ModelProto = version_converter.convert_version(model, MIN_OPSET)
    except Exception as err:  # the converter raises kinds of its own
        raise ValueError(
            f"The model cannot be joined with its encoder: its opset is {opset}; {MIN_OPSET} or "
            f"later is needed, and it cannot be converted: {err}"
        ) from err
    return raised


def _declare(one: TensorInput, encoder: EncoderJson) -> Any:
    from onnx import TensorProto, helper

    kinds = {
        NUMBERS: TensorProto.DOUBLE,
        TEXTS: TensorProto.STRING,
        IMAGE: TensorProto.UINT8,
    }
    width = len(one.columns)
    if one.name == IMAGE:
        step = next(step for step in encoder["steps"] if INPUT_OF[step["kind"]] == IMAGE)
        width = int(np.prod(step["shape"]))
    return helper.make_tensor_value_info(one.name, kinds[one.name], ["n_rows", width])


def _add_encoder(encoding: _Nodes, encoder: EncoderJson, inputs: Sequence[TensorInput]) -> str:
    """Add the nodes of all steps; return the name of the encoded rows."""
    parts = []
    for steps in group_steps(encoder):
        at = locate(steps, inputs)
        parts += ADDERS[steps[0]["kind"]](encoding, steps, at)
    return parts[0] if len(parts) == 1 else encoding.add("Concat", *parts, axis=1)


def _add_number(encoding: _Nodes, _steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    from onnx import TensorProto

    return [encoding.add("Cast", _pick(encoding, at), to=TensorProto.FLOAT)]


def _add_standardise(encoding: _Nodes, steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    from onnx import TensorProto

    fill, mean = (
        encoding.keep(np.array([[step[key] for step in steps]])) for key in ("fill", "mean")
    )
    # times the reciprocal, as in training: a quotient differs in the last bit
    per_scale = encoding.keep(np.array([[1 / step["scale"] for step in steps]]))
    values = _pick(encoding, at)
    known = encoding.add("Where", encoding.add("IsNaN", values), fill, values)
    scaled = encoding.add("Mul", encoding.add("Sub", known, mean), per_scale)
    return [encoding.add("Cast", scaled, to=TensorProto.FLOAT)]


def _add_indicate(encoding: _Nodes, _steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    from onnx import TensorProto

    missing = encoding.add("IsNaN", _pick(encoding, at))
    return [encoding.add("Cast", missing, to=TensorProto.FLOAT)]


def _add_one_hot(encoding: _Nodes, steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    values = encoding.keep(np.array([0, 1], dtype=np.float32))
    return [
        _add_category(encoding, step, position, values)
        for step, position in zip(steps, at, strict=True)
    ]


def _add_category(encoding: _Nodes, step: StepJson, position: int, values: str) -> str:
    n_known = len(step["categories"])
    text = _pick_texts(encoding, position)
    names = [*step["categories"], ""]  # never an empty list, which onnxruntime refuses
    table: dict[str, Any] = {"keys_strings": names, "values_int64s": [*range(n_known + 1)]}
    if encoding.ml_version == 1:
        table = {"classes_strings": names}
    place = encoding.add("LabelEncoder", text, domain=ML_DOMAIN, default_int64=n_known, **table)
    return encoding.add("OneHot", place, encoding.keep(np.int64(n_known + 1)), values, axis=-1)


def _add_words(encoding: _Nodes, steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    return [_weigh_words(encoding, *pair) for pair in zip(steps, at, strict=True)]


def _weigh_words(encoding: _Nodes, step: StepJson, position: int) -> str:
    """Do what :func:`rightfit.request_path.words.weigh_words` does."""
    from onnx import TensorProto

    text = _pick_texts(encoding, position)
    lower = encoding.add("StringNormalizer", text, case_change_action="LOWER", locale="C")
    split = encoding.add(
        "Tokenizer", lower, domain=CONTRIB, mark=0, mincharnum=1, pad_value="", tokenexp=IN_ONNX
    )
    weighed = encoding.add(
        "TfIdfVectorizer",
        split,
        mode="TFIDF",
        min_gram_length=1,
        max_gram_length=1,
        max_skip_count=0,
        ngram_counts=[0],
        ngram_indexes=[*range(len(step["words"]))],
        pool_strings=[*step["words"]],
        weights=[*step["weights"]],
    )
    exact = encoding.add("Cast", weighed, to=TensorProto.DOUBLE)
    axes = encoding.keep(np.array([1], dtype=np.int64))
    squares = encoding.add("ReduceSum", encoding.add("Mul", exact, exact), axes)
    length = encoding.add("Max", encoding.add("Sqrt", squares), encoding.keep(LEAST_LENGTH))
    return encoding.add("Cast", encoding.add("Div", exact, length), to=TensorProto.FLOAT)


def _add_pixels(encoding: _Nodes, _steps: Sequence[StepJson], _at: Sequence[int]) -> list[str]:
    from onnx import TensorProto

    pixels = encoding.add("Cast", IMAGE, to=TensorProto.FLOAT)
    return [encoding.add("Mul", pixels, encoding.keep(PER_PIXEL))]


def _pick(encoding: _Nodes, at: Sequence[int]) -> str:
    """Return the numbers at some positions; all of them, in order, need no node."""
    if list(at) == list(range(encoding.n_numbers)):
        return NUMBERS
    return encoding.add("Gather", NUMBERS, encoding.keep(np.array(at, dtype=np.int64)), axis=1)


def _pick_texts(encoding: _Nodes, position: int) -> str:
    """Return one column of texts, shape (n_rows,)."""
    return encoding.add("Gather", TEXTS, encoding.keep(np.int64(position)), axis=1)


ADDERS: Mapping[str, Any] = {
    "number": _add_number,
    "standardise": _add_standardise,
    "indicate": _add_indicate,
    "one_hot": _add_one_hot,
    "words": _add_words,
    "pixels": _add_pixels,
    "picture": _add_pixels,
}
