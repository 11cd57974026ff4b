"""Answer with this model: ``python usage.py < rows.json``, or ``from usage import open_model``.

Needs numpy and onnxruntime, and Pillow if an image is a PNG or JPEG file; nothing else.
``rows.json`` is a list with one object per row; its keys are the raw columns that ``model.json``
lists, ``null`` stands for a missing value, and an image is a base64 text or a list of its bytes.
The ONNX file encodes the rows itself, but for decoding such a file.

Before it opens anything it compares the folder with ``SHA256SUMS``, which costs some milliseconds
at opening and nothing later. Those hashes show that files are what was exported, not by whom.
"""

from __future__ import annotations

import base64
import datetime
import functools
import io
import json
import re
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

if __package__:
    from rightfit.models.export_check import AGAIN, HASHES, check_files, check_graph
    from rightfit.models.onnx_session import (
        PROVIDERS,
        Filling,
        first_line,
        open_session,
        read_filling,
    )
else:  # run in an exported folder, which stands for itself
    from export_check import (  # type: ignore[import-not-found,no-redef]
        AGAIN,
        HASHES,
        check_files,
        check_graph,
    )
    from onnx_session import (  # type: ignore[import-not-found,no-redef]
        PROVIDERS,
        Filling,
        first_line,
        open_session,
        read_filling,
    )

Values = Sequence[Any] | npt.NDArray[Any]  # of one raw column, one per row; None: missing
Columns = Mapping[str, Values]
Floats = npt.NDArray[np.float32]
Answer = Callable[[Columns], Floats]

FOLDER = Path(__file__).parent
CALL = "model.json"
PROFILE = "profile.json"  # what was measured of the model; a server shows it
MAX_THREADS = 1_024
INPUT_DTYPES = ("string", "uint8", "int64", "float16", "float32", "float64")
TENSOR_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}
FORMATS = ("PNG", "JPEG")
MAX_PIXELS = 50_000_000  # of an image file; a small one can claim to hold gigabytes
OUTPUTS = ("probabilities", "values")  # of classes, or of a regression
TEXT, IMAGE = "string", "uint8"  # types of tensors that hold no numbers
WHOLE = "int64"
PLAIN: set[type] = {
    int,
    float,
    bool,
    type(None),
    np.float64,
    np.float32,
    np.int64,
}  # kinds of most values
PLAIN_OF: Mapping[str, set[type]] = {TEXT: PLAIN | {str}, IMAGE: {str, bytes}}
NOT_NUMBERS = (dict, list, bytes, str, datetime.date, datetime.time, datetime.timedelta)
NOT_HELD = {TEXT: (dict, list, bytes), IMAGE: (dict, float, bool)}
MAX_FLOAT = sys.float_info.max
TRUTH = {"1": "true", "0": "false"}  # how numbers stand for categories that are true or false
MAX_SHOWN = 40  # characters of a value
TWICE = "A column is there twice"

# Numbers written as texts: what stands for a gap, and by decimal mark a number and what to drop.
GAPS = {"", "-", "--", ".", "?", "NA", "N/A", "n/a", "n.a.", "#N/A", "<NA>", "NaN", "nan", "NULL"}
GAPS |= {"null", "None", "none", "nil", "missing", "unknown", "k.A.", "k. A.", "#NV", "unbekannt"}
BLANKS, SIGNS = " \u00a0\u202f", "%€$£"
_NUMBER = (
    "^[{blanks}]*(?:[-+]?[{blanks}]*[{signs}]?|[{signs}][{blanks}]*[-+])[{blanks}]*"
    "(?:(?:[0-9]+|[1-9][0-9]{{0,2}}(?:[{thousands}{blanks}'\u2019][0-9]{{3}})+)(?:[{decimal}][0-9]*)?"
    "|[{decimal}][0-9]+)(?:[eE][-+]?[0-9]+)?[{blanks}]*[{signs}]?[{blanks}]*$"
)
NUMBER_TEXTS = {
    decimal: _NUMBER.format(blanks=BLANKS, signs=SIGNS, decimal=decimal, thousands=thousands)
    for decimal, thousands in (".,", ",.")
}
DROPPED = {decimal: f"[{BLANKS}{SIGNS}'\u2019+{thousands}]" for decimal, thousands in (".,", ",.")}


@dataclass(frozen=True)
class TensorInput:
    """One input tensor of a model that reads raw columns, shape (n_rows, n_columns).

    Args:
        name: Its name in the ONNX graph.
        dtype: ``string``; ``uint8``, the bytes of one image column, shape (n_rows, n_bytes);
            ``int64``, of which none may be missing; or a float type of numpy, where NaN stands for
            a missing value.
        columns: Raw columns it holds, in order.
        image_shape: ``(height, width, channels)`` that image files are decoded and resized to;
            ``None`` if the bytes are the pixels, or there is no image.
        limits: Of numbers, the largest size of each column's values; empty: any finite number.
        booleans: Of texts, the columns whose categories are true and false.
        decimals: Of numbers, by column the decimal mark of those that training read from texts.
        texts: Columns whose values are texts in a CSV file, also where all look like numbers.
    """

    name: str
    dtype: str
    columns: tuple[str, ...]
    image_shape: tuple[int, int, int] | None = None
    limits: tuple[float, ...] = ()
    booleans: tuple[str, ...] = ()
    decimals: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @functools.cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """The limits, shape (n_columns, 1)."""
        limits = self.limits or [MAX_FLOAT] * len(self.columns)
        return np.array(limits, dtype=np.float64)[:, None]


@dataclass(frozen=True)
class CompiledInput(TensorInput):
    """An input tensor of a compiled graph, whose gaps are filled before the graph runs."""

    filling: Filling | None = None


@dataclass(frozen=True)
class ExportedModel:
    """An exported model's file and how it is called: what is read of ``model.json``.

    Args:
        onnx_file: Name of its file in the folder.
        n_threads: Threads it was measured with.
        device: ``cpu`` or ``cuda``.
        inputs: Its input tensors.
        classes: In the order of its answers; empty: it answers a value.
        threshold: Probability from which on the second of two classes is the answer; ``None``: the
            likelier one is.
        costs: Of several classes, what each predicted one (column) costs where each (row) is true;
            ``None``: the likeliest one is the answer.
    """

    onnx_file: str
    n_threads: int
    device: str
    inputs: tuple[TensorInput, ...]
    classes: tuple[str, ...]
    threshold: float | None
    costs: Sequence[Sequence[float]] | None = None


def read_export(folder: Path = FOLDER, *, needed: Sequence[str] = ()) -> ExportedModel:
    """Check that a folder is as it was exported, and read how its model is called.

    Args:
        folder: An exported folder.
        needed: Files that are opened besides the model and its description.

    Raises:
        ValueError: If a file is missing, is not listed in ``SHA256SUMS`` or does not fit its hash,
            lies elsewhere, or describes no model.
        OSError: If a file cannot be read.
    """
    listed = check_files(folder, needed=(CALL, *needed))
    path = folder / CALL
    try:
        model = _parse_call(json.loads(path.read_bytes()))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as err:
        cause = f"{type(err).__name__}: {str(err)[:200]}"
        raise ValueError(f"{path} does not describe an exported model ({cause}). {AGAIN}") from err
    if model.onnx_file not in listed:
        raise ValueError(f"{path} names {model.onnx_file!r}, which {HASHES} does not list. {AGAIN}")
    check_graph(folder / model.onnx_file)
    return model


def make_feed(columns: Columns, inputs: Sequence[TensorInput]) -> dict[str, npt.NDArray[Any]]:
    """Turn raw columns into the input tensors of a model.

    Args:
        columns: Raw values by column, all of one length.
        inputs: Tensors that the model reads.

    Raises:
        ValueError: If a column is missing, or holds what its tensor cannot.

    >>> numbers = TensorInput("numbers", "float64", ("a", "b"))
    >>> make_feed({"a": [1], "b": [None], "c": ["x"]}, [numbers])
    {'numbers': array([[ 1., nan]])}
    """
    feed: dict[str, npt.NDArray[Any]] = {}
    try:
        for tensor in inputs:
            values = [columns[name] for name in tensor.columns]
            for name, decimal in tensor.decimals.items():
                values[tensor.columns.index(name)] = read_numbers(columns[name], decimal)
            check_kinds(values, tensor)
            if tensor.dtype == IMAGE:
                feed[tensor.name] = _make_image(values[0], tensor.image_shape)
            elif tensor.dtype == TEXT:
                texts = [
                    _write_texts(column, is_boolean=name in tensor.booleans)
                    for name, column in zip(tensor.columns, values, strict=True)
                ]
                feed[tensor.name] = np.ascontiguousarray(np.array(texts, dtype=object).T)
            else:
                with np.errstate(over="ignore"):  # what float32 cannot hold is refused next
                    numbers = _make_numbers(values, tensor)
                check_sizes(numbers[:, : len(values)].T, tensor)
                feed[tensor.name] = (
                    _make_whole(numbers, tensor) if tensor.dtype == WHOLE else numbers
                )
    except KeyError:
        names = {name for tensor in inputs for name in tensor.columns}
        lacking = sorted(names - set(columns))
        raise ValueError(
            f"The request lacks the columns {lacking}; a missing value is written null."
        ) from None
    except OverflowError:  # a whole number that float64 does not hold
        for tensor in inputs:
            for name in tensor.columns if tensor.dtype != TEXT else ():
                for number, value in enumerate(columns[name]):
                    if isinstance(value, int) and abs(value) > MAX_FLOAT:
                        _refuse(name, number, value, f"a number up to {MAX_FLOAT:.3g}")
        raise
    return feed


def read_numbers(column: Values, decimal: str) -> Values:
    """Return a column with the texts that are numbers or gaps read as such.

    Args:
        column: Raw values.
        decimal: The decimal mark, a point or a comma; the other one parts thousands.

    >>> read_numbers(["1.234,5 €", "12 %", "n/a", 7, "many"], ",")
    [1234.5, 12.0, None, 7, 'many']
    """

    def read(text: str) -> float | str | None:
        if text.strip(BLANKS) in GAPS:
            return None
        if not re.fullmatch(NUMBER_TEXTS[decimal], text):
            return text
        return float(re.sub(DROPPED[decimal], "", text).replace(decimal, "."))

    if isinstance(column, np.ndarray) and column.dtype.kind not in "OU":
        return column
    return [read(value) if isinstance(value, str) else value for value in column]


def check_kinds(columns: Sequence[Values], tensor: TensorInput) -> None:
    """Refuse values of a kind that a tensor cannot hold; numpy would take some for others.

    Args:
        columns: Raw values of each of the tensor's columns.
        tensor: The tensor.

    Raises:
        ValueError: Naming the first such value.

    >>> check_kinds([["3"]], TensorInput("numbers", "float64", ("a",)))
    Traceback (most recent call last):
        ...
    ValueError: Row 0: 'a' must be a number or null: '3'
    """
    if type(columns[0]) is list:  # all columns at once: a request has microseconds
        kinds = set(map(type, chain.from_iterable(columns)))
    else:
        kinds = {
            kind
            for values in columns
            for kind in (
                {values.dtype.type} if isinstance(values, np.ndarray) else set(map(type, values))
            )
        }
    if kinds <= PLAIN_OF.get(tensor.dtype, PLAIN):
        return
    wrong = NOT_HELD.get(tensor.dtype, NOT_NUMBERS)
    for name, values in zip(tensor.columns, columns, strict=True):
        for number, value in enumerate(values):
            if isinstance(value, wrong):
                kind = "a text" if tensor.dtype == TEXT else "a number"
                _refuse(name, number, value, kind, tensor.decimals.get(name, ""))


def check_sizes(numbers: npt.NDArray[Any], tensor: TensorInput) -> None:
    """Refuse numbers that are infinite, or too large for a model, which reads float32.

    Args:
        numbers: Shape (n_columns, n_rows); NaN: missing.
        tensor: The tensor.

    Raises:
        ValueError: Naming the first such number.
    """
    is_larger = np.abs(numbers) > tensor.sizes
    if np.count_nonzero(is_larger):  # faster than any()
        column, row = np.argwhere(is_larger)[0].tolist()
        limit = float(tensor.sizes[column, 0])
        requirement = f"a number between -{limit:.3g} and {limit:.3g},"
        _refuse(tensor.columns[column], row, float(numbers[column, row]), requirement)


def _refuse(name: str, number: int, value: object, requirement: str, decimal: str = "") -> None:
    shown_value = reprlib.repr(value)[:MAX_SHOWN]
    hint = f" (in texts {decimal!r} is the decimal mark)" if decimal else ""
    raise ValueError(f"Row {number}: {name!r} must be {requirement} or null: {shown_value}{hint}")


def _make_numbers(values: Sequence[Values], tensor: TensorInput) -> npt.NDArray[Any]:
    """Return numbers as a graph reads them, shape (n_rows, n_columns + n_indicated)."""
    n_columns, n_rows = len(values), len(values[0])
    filling = tensor.filling if isinstance(tensor, CompiledInput) else None
    n_indicated = len(filling.indicated) if filling else 0
    dtype = "float64" if tensor.dtype == WHOLE else tensor.dtype
    if type(values[0]) is np.ndarray:  # ten times as fast as to turn columns that were stacked
        table = np.zeros((n_rows, n_columns + n_indicated), dtype=dtype)
        for i, column in enumerate(values):
            if len(column) != n_rows:
                raise ValueError("The columns of a request must be of one length.")
            table[:, i] = column
    elif n_rows == 1:  # twice as fast as nested lists; each column must hold one value
        row = [value for (value,) in values]
        if filling and n_indicated:  # gaps are usual
            indicated = [float(row[i] is None) for i in filling.indicated.tolist()]
            fill = filling.fill.tolist()
            row = [fill[i] if value is None else value for i, value in enumerate(row)] + indicated
        table = np.array([row], dtype=dtype)
    else:
        no_gaps = [[0.0] * n_rows] * n_indicated
        table = np.ascontiguousarray(np.array([*values, *no_gaps], dtype=dtype).T)
    if filling:
        filling.apply(table)
    return table


def _make_whole(numbers: npt.NDArray[Any], tensor: TensorInput) -> npt.NDArray[Any]:
    """Return numbers as whole ones; refuse others, and missing values."""
    is_whole = numbers == np.floor(numbers)
    if not is_whole.all():
        row, column = np.argwhere(~is_whole)[0].tolist()
        raise ValueError(
            f"Row {row}: {tensor.columns[column]!r} must be a whole number: "
            f"{float(numbers[row, column])}"
        )
    return numbers.astype(WHOLE)


def _write_texts(column: Values, *, is_boolean: bool = False) -> Values:
    """Return categories as texts; where they are texts already, none is looked at by itself.

    >>> [_write_texts(column) for column in (["a", "b"], ["a", None], [0, None])]
    [['a', 'b'], ['a', ''], ['0', '']]
    """
    if len(column) == 1 or is_boolean:
        return [write_text(value, is_boolean=is_boolean) for value in column]
    texts: Values = column
    for _ in range(2):
        try:
            "".join(texts)  # which only texts can be
        except TypeError:
            texts = ["" if text is None else text for text in column]
        else:
            return texts
    return [write_text(value) for value in column]


def open_graph(
    graph: Path | bytes, inputs: Sequence[TensorInput], *, n_threads: int, device: str
) -> Answer:
    """Open an ONNX model that reads raw columns.

    Args:
        graph: The file, or its content.
        inputs: Its inputs. How a compiled graph's are filled, the graph says itself.
        n_threads: Threads of one call.
        device: ``cpu`` or ``cuda``.

    Returns:
        A function from raw columns to the model's answers, shape (n_rows, n_outputs).

    Raises:
        ValueError: If onnxruntime cannot open it or use the device, its inputs are others, or its
            metadata does not fit them.
    """
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    session = open_session(graph, n_threads=n_threads, device=device)
    run = session.run
    outputs = [tensor.name for tensor in session.get_outputs() if tensor.name in OUTPUTS]
    if {tensor.name for tensor in session.get_inputs()} != {
        tensor.name for tensor in inputs
    } or not outputs:
        path = graph if isinstance(graph, Path) else "The graph"
        raise ValueError(f"{path} has other inputs or outputs than its description says. {AGAIN}")

    types = {tensor.name: TENSOR_TYPES.get(tensor.type) for tensor in session.get_inputs()}
    fillings = read_filling(session)
    compiled = []
    for tensor in inputs:
        filling = fillings.get(tensor.name)
        if filling is not None and len(filling.fill) != len(tensor.columns):
            raise ValueError(
                f"The graph fills {len(filling.fill)} columns of {tensor.name}. {AGAIN}"
            )
        described = {key: getattr(tensor, key) for key in TensorInput.__dataclass_fields__}
        described["dtype"] = types.get(tensor.name) or tensor.dtype
        compiled.append(CompiledInput(**described, filling=filling))

    def answer(columns: Columns) -> Floats:
        feed = make_feed(columns, compiled)
        try:
            answers: Floats = run(outputs, feed)[0]
        except InvalidArgument as err:  # an image of another size
            raise ValueError(" ".join(str(err).split())) from err
        return answers

    return answer


def open_model(folder: Path = FOLDER, model: ExportedModel | None = None) -> Answer:
    """Open the exported model with the threads it was measured with.

    Args:
        folder: An exported folder.
        model: Its description, where :func:`read_export` has checked the folder before.

    Returns:
        A function from raw columns, a list of values each, to class probabilities, shape
        (n_rows, n_classes), in the order of ``classes`` in ``model.json``; without classes, to
        values, shape (n_rows, 1).

    Raises:
        ValueError: As :func:`read_export`; or if onnxruntime cannot open the model.
        OSError: If a file cannot be read.
    """
    model = model or read_export(folder)
    return open_graph(
        folder / model.onnx_file, model.inputs, n_threads=model.n_threads, device=model.device
    )


def to_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn a list of rows into columns; all rows must have the keys of the first.

    >>> to_columns([{"a": 1, "b": "x"}, {"a": None, "b": "y"}])
    {'a': [1, None], 'b': ['x', 'y']}
    """
    require_same_columns(rows)
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def require_same_columns(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rows that have other columns than the first.

    Raises:
        ValueError: Naming the first such row.
    """
    for number, row in enumerate(rows):
        if row.keys() != rows[0].keys():
            raise ValueError(
                f"Row {number} has other columns than the first; a missing value is written null."
            )


def _make_image(values: Values, shape: Sequence[int] | None) -> npt.NDArray[Any]:
    if shape is not None:
        return np.stack([decode_image(read_bytes(value), shape) for value in values])
    if isinstance(values, np.ndarray):
        return values
    return np.array([np.frombuffer(read_bytes(value), np.uint8) for value in values])


def read_bytes(value: Any) -> bytes:
    """Return the bytes of a request's image: bytes, a base64 text, or a list of numbers.

    >>> [read_bytes(value) for value in (b"ab", "YWI=", [97, 98])]
    [b'ab', b'ab', b'ab']
    """
    if value is None or isinstance(value, int):
        raise ValueError("An image is missing; it is a base64 text or a list of its bytes.")
    return base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)


def decode_image(content: bytes, shape: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Decode an image file and resize it, upright, without keeping its proportions.

    Args:
        content: A PNG or JPEG file.
        shape: Height, width and channels: 1 for grey, 3 for red, green and blue.

    Returns:
        The pixels row by row, channels last, shape (height * width * channels,).

    Raises:
        ValueError: If it is no such file, is damaged, or has too many pixels.
    """
    from PIL import Image, ImageOps

    height, width, n_channels = shape
    mode = "L" if n_channels == 1 else "RGB"
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"more than {MAX_PIXELS:,} pixels")
            image.draft(mode, (width, height))  # a large JPEG is decoded small at once
            upright = ImageOps.exif_transpose(image.convert(mode))
            resized = upright.resize((width, height), Image.Resampling.BILINEAR)
    except Exception as err:  # of damaged files Pillow raises many kinds, struct.error among them
        raise ValueError(f"An image is no PNG or JPEG file that can be read: {err}") from err
    return np.asarray(resized, dtype=np.uint8).reshape(-1)


def write_text(value: Any, *, is_boolean: bool = False) -> str:
    """Write a category as text; a missing one is empty.

    JSON does not tell 7.0 from 7, so both are ``7``. Among truth values 1 is true and 0 is false.

    >>> [write_text(value) for value in ("JFK", 7, 7.0, 2e16, True, None, float("nan"))]
    ['JFK', '7', '7', '20000000000000000', 'true', '', '']
    >>> [write_text(value) for value in (np.float32(7), np.float32(0.1), np.True_)]
    ['7', '0.1', 'true']
    >>> [write_text(value, is_boolean=True) for value in (True, 1, 0.0, "1")]
    ['true', 'true', 'false', '1']
    """
    if type(value) is str:
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    is_whole = isinstance(value, float | np.floating) and value.is_integer()
    text = str(int(value)) if is_whole else str(value)
    return TRUTH.get(text, text) if is_boolean else text


def name_answers(
    answers: Floats,
    classes: Sequence[str],
    threshold: float | None = None,
    costs: Sequence[Sequence[float]] | None = None,
) -> list[dict[str, Any]]:
    """Write answers as JSON types: of each row its class and the probability of each, or a value.

    With a threshold, the second class is named from that probability on; with costs, the class that
    is expected to cost least.

    Raises:
        ValueError: If an answer is not finite, or there is not one for each class.

    >>> name_answers(np.array([[0.25, 0.75]], dtype=np.float32), ["no", "yes"])
    [{'class': 'yes', 'probabilities': {'no': 0.25, 'yes': 0.75}}]
    >>> name_answers(np.array([[0.1, 0.9]], dtype=np.float32), ["no", "yes"])[0]["probabilities"]
    {'no': 0.1, 'yes': 0.9}
    >>> name_answers(np.array([[1.5]], dtype=np.float32), [])
    [{'value': 1.5}]
    >>> name_answers(np.array([[0.7, 0.3]], dtype=np.float32), ["no", "yes"], 0.25)[0]["class"]
    'yes'
    >>> costs = [[0, 1, 1], [1, 0, 1], [9, 9, 0]]
    >>> name_answers(np.array([[0.5, 0.3, 0.2]], dtype=np.float32), "abc", costs=costs)[0]["class"]
    'c'
    """
    if answers.shape[1:] != (len(classes) or 1,):
        raise ValueError(f"The model answers {answers.shape}, its classes are {len(classes)}.")
    if not np.isfinite(answers).all():
        number = int(np.isfinite(answers).all(axis=1).argmin())
        raise ValueError(
            f"Row {number}: the model's answer is not finite; a number of the row is too large."
        )
    if not classes:
        return [{"value": value} for [value] in _list_digits(answers)]
    least = None if threshold is None else np.float32(threshold)  # answers are of 32 bits too
    expected = answers if costs is None else -(answers @ np.array(costs))
    return [
        {
            "class": classes[int(row.argmax() if least is None else row[1] >= least)],
            "probabilities": dict(zip(classes, shares, strict=True)),
        }
        for row, shares in zip(expected, _list_digits(answers), strict=True)
    ]


def _list_digits(answers: Floats) -> list[list[float]]:
    """Return answers as Python numbers of the fewest digits that stand for the same float32."""
    return [[float(str(number)) for number in row] for row in answers]


def main() -> None:
    """Read rows from standard input, write their answers."""
    try:
        model = read_export()
        answer = open_model(model=model)
        rows = json.load(sys.stdin, object_pairs_hook=_read_row)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("Standard input must be a list with one object per row.")
        answers = name_answers(
            answer(to_columns(rows)), model.classes, model.threshold, model.costs
        )
    except Exception as err:  # rows and files from anywhere raise many kinds
        sys.exit(f"{type(err).__name__}: {first_line(err)}")
    json.dump(answers, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _read_row(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError(TWICE)
    return row


def _parse_call(content: Any) -> ExportedModel:
    inputs = tuple(_parse_input(entry) for entry in content["inputs"])
    onnx_file, n_threads = content["onnx_file"], content["n_threads"]
    classes, threshold = tuple(content["classes"]), content["threshold"]
    costs = content.get("costs")
    wrong = {
        "onnx_file": not isinstance(onnx_file, str) or not onnx_file.endswith(".onnx"),
        "n_threads": type(n_threads) is not int or not 1 <= n_threads <= MAX_THREADS,
        "device": content["device"] not in PROVIDERS,
        "inputs": not inputs,
        "classes": not all(isinstance(name, str) for name in classes),
        "threshold": threshold is not None
        and (len(classes) != 2 or type(threshold) not in (int, float)),
        "costs": costs is not None and np.array(costs, float).shape != (len(classes),) * 2,
    }
    if faults := [name for name, is_wrong in wrong.items() if is_wrong]:
        raise ValueError(f"wrong: {', '.join(faults)}")
    return ExportedModel(onnx_file, n_threads, content["device"], inputs, classes, threshold, costs)


def _parse_input(content: Any) -> TensorInput:
    name, dtype, columns = content["name"], content["dtype"], tuple(content["columns"])
    shape = None if content["image_shape"] is None else tuple(content["image_shape"])
    is_shape = shape is None or (
        len(shape) == 3  # height, width, channels
        and all(type(size) is int and 0 < size < MAX_PIXELS for size in shape)
        and shape[2] in (1, 3)
    )
    limits, booleans, texts = (
        tuple(content.get(key, ())) for key in ("limits", "booleans", "texts")
    )
    decimals = dict(content.get("decimals", {}))
    if not (
        isinstance(name, str)
        and dtype in INPUT_DTYPES
        and len(limits) in (0, len(columns))
        and all(type(limit) in (int, float) and 0 < limit <= MAX_FLOAT for limit in limits)
        and all(isinstance(column, str) for column in (*booleans, *texts))
        and is_shape
        and columns
        and all(isinstance(column, str) for column in columns)
        and decimals.keys() <= set(columns)
        and all(decimal in list(NUMBER_TEXTS) for decimal in decimals.values())
    ):
        raise ValueError(f"wrong input: {str(name)[:80]}")
    return TensorInput(name, dtype, columns, shape, limits, booleans, decimals, texts)


if __name__ == "__main__":
    main()
