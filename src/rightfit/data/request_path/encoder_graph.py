"""The encoder as an ONNX graph, alone or in front of a model: raw columns in, answers out.

Each kind of step is defined here. Numbers are filled, centred and scaled as float64 and then
rounded to float32. Training rows pass the encoder alone. In front of a model both are compiled as
one graph (``models/graph_passes``), which answers as the two in a row do but for rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from rightfit._core.errors import RightfitError
from rightfit._core.processes.codec import hash_json
from rightfit.data.request_path.awkward_requests import N_EXTREME, draw_requests
from rightfit.data.request_path.dates import (
    DATE_PARTS,
    LETTERS,
    MONTHS,
    N_NUMBERS,
    NUMBER,
    place_month,
    read_parts,
)
from rightfit.data.request_path.feeding import TensorInput
from rightfit.data.request_path.raw_inputs import (
    IMAGE,
    INPUT_OF,
    LEAST_LENGTH,
    NUMBERS,
    PER_PIXEL,
    TEXTS,
    WORD_IN_ONNX,
    EncoderJson,
    StepJson,
    group_steps,
    list_inputs,
)
from rightfit.data.request_path.usage import Floats, open_graph
from rightfit.models.bundle import Bundle
from rightfit.models.graph_passes import REQUEST_PASSES
from rightfit.models.graph_passes.compiling import COLUMNS, compile_graph, note
from rightfit.models.onnx_graph import GraphBuilder, declare, raise_opset, read_opsets, set_opsets
from rightfit.models.predictions import is_rounding
from rightfit.models.runtimes import GRAPH_VERSION

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

Predictions = tuple[Floats, Floats]

MODEL_INPUT = "rows"  # of a bundle's ONNX file: encoded rows
ENCODER_PREFIX = "encoder/"  # begins the names of the encoder's tensors
MODEL_PREFIX = "model/"  # begins the names of the model's tensors
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators, in every build of it
ML_DOMAIN = "ai.onnx.ml"
VERSIONS = {"": 17, ML_DOMAIN: 3, CONTRIB: 1}  # of operators, where the model does not say
IR_VERSION = 8  # that goes with them
MIN_OPSET = 13
OPERATORS = {
    np.add: "Add",
    np.subtract: "Sub",
    np.multiply: "Mul",
    np.divide: "Div",
    np.floor: "Floor",
    np.less: "Less",
}


def locate_graph(measurements: Path, bundle: Bundle, runtime: str, encoder: EncoderJson) -> Path:
    """Return where encoder and model are kept as the graph that is measured, or would be.

    Its name is the hash of what it is made of; the hash of its content is in the profile.

    Args:
        measurements: Folder of the measurements.
        bundle: The model.
        runtime: A runtime of ONNX files.
        encoder: Content of ``encoder.json``.
    """
    made_of = [bundle.sha256, runtime, encoder, GRAPH_VERSION]
    return measurements / "graphs" / f"{hash_json(made_of)}.onnx"


def join_encoder(model_file: Path, encoder: EncoderJson, *, compiles: bool = True) -> bytes:
    """Put an encoder in front of a model, and compile both as one graph.

    A pass that would change the answers to awkward requests is left out, which is logged.

    Args:
        model_file: A bundle's ONNX file.
        encoder: Content of ``encoder.json``.
        compiles: Whether passes rewrite the graph; if not, it is the two graphs in a row.

    Returns:
        An ONNX model with the inputs that :func:`rightfit.data.request_path.raw_inputs.list_inputs`
        names and the answers of the model; a compiled one may read numbers as float32, and says in
        its metadata what fills their gaps.

    Raises:
        RightfitError: If the model has another input or too old a format.
    """
    joined = _join(model_file, encoder)
    if not compiles:
        return bytes(joined.SerializeToString())
    inputs = [
        replace(tensor, image_shape=None) for tensor in list_inputs(encoder)
    ]  # decoded images

    @functools.cache
    def predict_plainly() -> Predictions:
        return _predict(joined.SerializeToString(), encoder, inputs)

    def predicts_alike(content: bytes) -> bool:
        return all(map(is_rounding, predict_plainly(), _predict(content, encoder, inputs)))

    compiled = compile_graph(joined, REQUEST_PASSES, predicts_alike, name=model_file.parent.name)
    return compiled.content


def _predict(graph: bytes, encoder: EncoderJson, inputs: Sequence[TensorInput]) -> Predictions:
    """Let a graph answer awkward requests; return the answers to usual and to extreme numbers."""
    answer = open_graph(graph, inputs, n_threads=1, device="cpu")
    answers = answer(draw_requests(encoder))
    return answers[:-N_EXTREME], answers[-N_EXTREME:]


def _join(model_file: Path, encoder: EncoderJson) -> ModelProto:
    import onnx.compose

    model = onnx.load(model_file)
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [tensor.name for tensor in model.graph.input if tensor.name not in constants]
    if names != [MODEL_INPUT]:
        raise RightfitError(
            f"The model cannot be joined with its encoder: its inputs are {names}, not "
            f"{[MODEL_INPUT]}."
        )
    model = raise_opset(model, MIN_OPSET)
    joined: ModelProto = onnx.compose.add_prefix(model, MODEL_PREFIX, rename_outputs=False)
    versions = read_opsets(joined)
    builder = _EncoderNodes(encoder, ml_version=versions.get(ML_DOMAIN, VERSIONS[ML_DOMAIN]))
    builder.add("Identity", builder.rows, outputs=[MODEL_PREFIX + MODEL_INPUT])
    builder.nodes.extend(joined.graph.node)
    del joined.graph.node[:], joined.graph.input[:]
    joined.graph.node.extend(builder.nodes)
    joined.graph.initializer.extend(builder.constants)
    joined.graph.input.extend(_declare(tensor, encoder) for tensor in builder.inputs)
    set_opsets(joined, builder.list_versions() | versions)
    columns = dict.fromkeys(name for tensor in builder.inputs for name in tensor.columns)
    note(joined, COLUMNS, list(columns))
    return joined


def build_encoder(encoder: EncoderJson) -> bytes:
    """Return an encoder alone as an ONNX model: its output is ``rows``, which models read."""
    from onnx import helper

    builder = _EncoderNodes(encoder, ml_version=VERSIONS[ML_DOMAIN])
    builder.add("Identity", builder.rows, outputs=[MODEL_INPUT])
    rows = declare(MODEL_INPUT, "float32", None)
    inputs = [_declare(tensor, encoder) for tensor in builder.inputs]
    graph = helper.make_graph(
        builder.nodes, "encoder", inputs, [rows], initializer=builder.constants
    )
    opsets = [helper.make_opsetid(*opset) for opset in builder.list_versions().items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    content: bytes = model.SerializeToString()
    return content


class _EncoderNodes(GraphBuilder):
    """The nodes of an encoder; ``rows`` is the tensor of encoded rows."""

    def __init__(self, encoder: EncoderJson, *, ml_version: int) -> None:
        super().__init__(ENCODER_PREFIX)
        self.ml_version = ml_version  # of the domain ``ai.onnx.ml``
        self.places: dict[tuple[int, tuple[str, ...]], str] = {}  # of texts among categories
        self.inputs = list_inputs(encoder)
        self.n_numbers = sum(
            len(tensor.columns) for tensor in self.inputs if tensor.name == NUMBERS
        )
        parts = [
            part
            for kind, steps, at in group_steps(encoder, self.inputs)
            for part in ADDERS[kind](self, steps, at)
        ]
        self.rows = parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def list_versions(self) -> dict[str, int]:
        """Return the versions of the operators that the nodes need."""
        used = {"", *(node.domain for node in self.nodes)}
        return {domain: version for domain, version in VERSIONS.items() if domain in used}


def _declare(tensor: TensorInput, encoder: EncoderJson) -> ValueInfoProto:
    width = len(tensor.columns)
    if tensor.name == IMAGE:
        step = next(step for step in encoder["steps"] if INPUT_OF[step["kind"]] == IMAGE)
        width = int(np.prod(step["shape"]))
    return declare(tensor.name, "object" if tensor.name == TEXTS else tensor.dtype, width)


def _add_number(builder: _EncoderNodes, _steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    return [builder.cast(_pick(builder, at), "float32")]


def _add_standardise(
    builder: _EncoderNodes, steps: Sequence[StepJson], at: Sequence[int]
) -> list[str]:
    fill, mean = (
        builder.keep(np.array([[step[key] for step in steps]])) for key in ("fill", "mean")
    )
    # times the reciprocal, as in numpy: a quotient differs in the last bit
    per_scale = builder.keep(np.array([[1 / step["scale"] for step in steps]]))
    values = _pick(builder, at)
    filled = builder.add("Where", builder.add("IsNaN", values), fill, values)
    scaled = builder.add("Mul", builder.add("Sub", filled, mean), per_scale)
    return [builder.cast(scaled, "float32")]


def _add_indicate(
    builder: _EncoderNodes, _steps: Sequence[StepJson], at: Sequence[int]
) -> list[str]:
    missing = builder.add("IsNaN", _pick(builder, at))
    return [builder.cast(missing, "float32")]


def _add_one_hot(builder: _EncoderNodes, steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    values = builder.keep(np.array([0, 1], dtype=np.float32))
    parts = []
    for step, position in zip(steps, at, strict=True):
        index = _find_place(builder, step, position)
        width = builder.keep(np.int64(len(step["categories"]) + 1))
        parts.append(builder.add("OneHot", index, width, values, axis=-1))
    return parts


def _add_target_mean(
    builder: _EncoderNodes, steps: Sequence[StepJson], at: Sequence[int]
) -> list[str]:
    return [
        builder.add(
            "Gather",
            builder.keep(np.array(step["means"], dtype=np.float32)[:, None]),
            _find_place(builder, step, position),
            axis=0,
        )
        for step, position in zip(steps, at, strict=True)
    ]


def _find_place(builder: _EncoderNodes, step: StepJson, position: int) -> str:
    """Return each text's place among the step's categories, shape (n_rows,); others come last."""
    categories = tuple(step["categories"])
    if (position, categories) not in builder.places:
        builder.places[position, categories] = _look_up(
            builder, _pick_texts(builder, position), categories
        )
    return builder.places[position, categories]


def _add_words(builder: _EncoderNodes, steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    parts = []
    for step, position in zip(steps, at, strict=True):
        text = _pick_texts(builder, position)
        split = _split(builder, _lower(builder, text), WORD_IN_ONNX)
        # Given weights, the vectorizer would add them up, which rounds otherwise than a product.
        counts = builder.add(
            "TfIdfVectorizer",
            split,
            mode="TF",
            min_gram_length=1,
            max_gram_length=1,
            max_skip_count=0,
            ngram_counts=[0],
            ngram_indexes=[*range(len(step["words"]))],
            pool_strings=[*step["words"]],
        )
        weighed = builder.add(
            "Mul", counts, builder.keep(np.array([step["weights"]], dtype=np.float32))
        )
        exact = builder.cast(weighed, "float64")
        axes = builder.keep(np.array([1], dtype=np.int64))
        squares = builder.add("ReduceSum", builder.add("Mul", exact, exact), axes)
        length = builder.add("Max", builder.add("Sqrt", squares), builder.keep(LEAST_LENGTH))
        parts.append(builder.cast(builder.add("Div", exact, length), "float32"))
    return parts


def _add_date(builder: _EncoderNodes, steps: Sequence[StepJson], at: Sequence[int]) -> list[str]:
    whole = builder.keep(np.array([0, 0, 0, N_NUMBERS], dtype=np.int64))
    start, stop, axis = (builder.keep(np.array([i], dtype=np.int64)) for i in (0, N_NUMBERS, 1))
    parts = []
    for step, position in zip(steps, at, strict=True):
        text = _pick_texts(builder, position)
        found = _split(builder, text, NUMBER, pad_value="0")
        padded = builder.add("Pad", builder.cast(found, "float64"), whole)
        numbers = _Columns(builder, builder.add("Slice", padded, start, stop, axis))
        if step.get("month_names"):
            numbers = place_month(numbers, _find_months(builder, text))
        is_date, values = read_parts(numbers, month_first=step["month_first"])
        columns = np.array([DATE_PARTS.index(part) for part in step["parts"]], dtype=np.int64)
        chosen = builder.add("Gather", values.name, builder.keep(columns), axis=1)
        fill, mean = (builder.keep(np.array([step[key]])) for key in ("fills", "means"))
        filled = builder.add("Where", builder.cast(is_date.name, "bool"), chosen, fill)
        per_scale = builder.keep(1 / np.array([step["scales"]]))
        scaled = builder.add("Mul", builder.add("Sub", filled, mean), per_scale)
        parts.append(builder.cast(scaled, "float32"))
    return parts


def _find_months(builder: _EncoderNodes, text: str) -> _Columns:
    """Return the month that each word names, 0 for none, shape (n_rows, n_words)."""
    words = _split(builder, _lower(builder, text), LETTERS)
    place = _look_up(builder, words, [*MONTHS])
    months = builder.keep(np.array([*MONTHS.values(), 0], dtype=np.float64))
    return _Columns(builder, builder.add("Gather", months, place, axis=0))


def _lower(builder: _EncoderNodes, text: str) -> str:
    """Lower the letters A to Z."""
    return builder.add("StringNormalizer", text, case_change_action="LOWER", locale="C")


def _split(builder: _EncoderNodes, text: str, pattern: str, *, pad_value: str = "") -> str:
    """Return the parts of texts that a pattern of RE2 matches, shape (n_rows, n_parts)."""
    return builder.add(
        "Tokenizer",
        text,
        domain=CONTRIB,
        mark=0,
        mincharnum=1,
        pad_value=pad_value,
        tokenexp=pattern,
    )


def _look_up(builder: _EncoderNodes, texts: str, known: Sequence[str]) -> str:
    """Return the position of each text among those that are known; others come last."""
    names = [*known, ""]  # never an empty list, which onnxruntime refuses
    table: dict[str, Any] = {"keys_strings": names, "values_int64s": [*range(len(names))]}
    if builder.ml_version == 1:
        table = {"classes_strings": names}
    return builder.add("LabelEncoder", texts, domain=ML_DOMAIN, default_int64=len(known), **table)


class _Columns(NDArrayOperatorsMixin):
    """A tensor of float64 that numpy's functions and operators add nodes to (NEP 13 and 18).

    Args:
        builder: Gets the nodes.
        name: Of the tensor.
    """

    def __init__(self, builder: GraphBuilder, name: str) -> None:
        self.builder = builder
        self.name = name

    def __array_ufunc__(self, function: np.ufunc, _method: str, *inputs: Any) -> _Columns:
        names = [
            value.name
            if isinstance(value, _Columns)
            else self.builder.keep(np.asarray(value, np.float64))
            for value in inputs
        ]
        return self._add(OPERATORS[function], *names)

    def __array_function__(
        self, _function: Any, _types: Any, inputs: tuple[Sequence[_Columns]], options: Any
    ) -> _Columns:
        """Lay columns side by side: ``np.concatenate``."""
        return self._add("Concat", *(columns.name for columns in inputs[0]), **options)

    def __getitem__(self, index: tuple[slice, Sequence[int]]) -> _Columns:
        """Return some columns: ``[:, positions]``."""
        positions = self.builder.keep(np.array(index[1], dtype=np.int64))
        return self._add("Gather", self.name, positions, axis=1)

    def astype(self, dtype: npt.DTypeLike) -> _Columns:
        """Cast."""
        return _Columns(self.builder, self.builder.cast(self.name, np.dtype(dtype).name))

    def sum(self, *, axis: int, keepdims: bool) -> _Columns:  # noqa: ARG002 -- as ReduceSum does
        """Sum each row."""
        axes = self.builder.keep(np.array([axis], dtype=np.int64))
        return self._add("ReduceSum", self.name, axes)

    def _add(self, operator: str, *names: str, **attributes: Any) -> _Columns:
        return _Columns(self.builder, self.builder.add(operator, *names, **attributes))


def _add_pixels(
    builder: _EncoderNodes, _steps: Sequence[StepJson], _at: Sequence[int]
) -> list[str]:
    pixels = builder.cast(IMAGE, "float32")
    return [builder.add("Mul", pixels, builder.keep(PER_PIXEL))]


def _pick(builder: _EncoderNodes, at: Sequence[int]) -> str:
    """Return the numbers at some positions; all of them, in order, need no node."""
    if list(at) == list(range(builder.n_numbers)):
        return NUMBERS
    return builder.add("Gather", NUMBERS, builder.keep(np.array(at, dtype=np.int64)), axis=1)


def _pick_texts(builder: _EncoderNodes, position: int) -> str:
    """Return one column of texts, shape (n_rows,)."""
    return builder.add("Gather", TEXTS, builder.keep(np.int64(position)), axis=1)


ADDERS: Mapping[str, Any] = {
    "number": _add_number,
    "standardise": _add_standardise,
    "indicate": _add_indicate,
    "one_hot": _add_one_hot,
    "target_mean": _add_target_mean,
    "words": _add_words,
    "date": _add_date,
    "pixels": _add_pixels,
    "picture": _add_pixels,
}
