"""The parts that an encoder's forms in numpy and ONNX share: JSON, input tensors, words.

Numbers of all numeric columns share one tensor, and so do texts: handing a tensor to onnxruntime
costs about a microsecond, so a tensor per column would cost more than most models.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NotRequired, TypedDict

import numpy as np

from rightfit.data.request_path.feeding import MAX_FLOAT, TRUTH, TensorInput, write_text

ENCODER_VERSION = 2
NUMBERS, TEXTS, IMAGE = "numbers", "texts", "image"
INPUT_OF = {
    "number": NUMBERS,
    "standardise": NUMBERS,
    "indicate": NUMBERS,
    "one_hot": TEXTS,
    "target_mean": TEXTS,
    "text": TEXTS,
    "words": TEXTS,
    "date": TEXTS,
    "pixels": IMAGE,
    "picture": IMAGE,
}
DTYPES = {NUMBERS: "float64", TEXTS: "string", IMAGE: "uint8"}
MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_ENCODED = 1e30  # size of an encoded number: a model adds up many of them, as float32
PER_PIXEL = np.float32(1) / np.float32(255)

WORD = "[0-9A-Za-z_{}-{}{}-{}{}-{}]+"  # see split_words
BORDERS = (0xC0, 0x1FFF, 0x2070, 0x2FFF, 0x3040, 0x10FFFF)  # between them: signs and punctuation
WORD_IN_PYTHON = re.compile(WORD.format(*map(chr, BORDERS)))
WORD_IN_ONNX = WORD.format(*(f"\\x{{{border:X}}}" for border in BORDERS))  # RE2's spelling
TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
LEAST_LENGTH = 1.0  # no weight is below 1, so only a text without known words has less: it stays 0


class StepJson(TypedDict, total=False):
    """A step of ``encoder.json``; which figures it has depends on its kind."""

    kind: str  # number or text (as it is), or one of the steps that encoder.py defines
    column: str
    fill: float
    mean: float
    scale: float
    categories: Sequence[str]
    means: Sequence[float]
    words: Sequence[str]
    weights: Sequence[float]
    parts: Sequence[str]
    fills: Sequence[float]
    scales: Sequence[float]
    month_first: bool
    month_names: bool
    shape: Sequence[int]


class EncoderJson(TypedDict):
    """Content of ``encoder.json``."""

    version: int
    steps: Sequence[StepJson]
    decimals: NotRequired[Mapping[str, str]]


def pass_columns(columns: Sequence[str], texts: Collection[str] = ()) -> EncoderJson:
    """Return the encoder of a model that reads raw columns: nothing changes, gaps stay gaps.

    Args:
        columns: The columns.
        texts: Those that are no numbers.
    """
    steps = [StepJson(kind="text" if name in texts else "number", column=name) for name in columns]
    return EncoderJson(version=ENCODER_VERSION, steps=steps)


def list_inputs(encoder: EncoderJson) -> tuple[TensorInput, ...]:
    """Return the tensors of raw columns that an encoder reads.

    Raises:
        ValueError: If the encoder is of another version.

    >>> step = StepJson(kind="indicate", column="age")
    >>> [number] = list_inputs(EncoderJson(version=ENCODER_VERSION, steps=[step]))
    >>> number.name, number.dtype, number.columns
    ('numbers', 'float64', ('age',))
    """
    if encoder["version"] != ENCODER_VERSION:
        raise ValueError(f"encoder.json must be of version {ENCODER_VERSION}: {encoder['version']}")
    steps = encoder["steps"]
    shape = None
    if pictures := [step["shape"] for step in steps if step["kind"] == "picture"]:
        height, width, n_channels = pictures[0]
        shape = height, width, n_channels
    inputs, decimals = [], encoder.get("decimals", {})
    for name, dtype in DTYPES.items():
        columns = dict.fromkeys(step["column"] for step in steps if INPUT_OF[step["kind"]] == name)
        if columns:
            marks = {c: decimals[c] for c in columns if c in decimals and name == NUMBERS}
            inputs.append(
                TensorInput(
                    name,
                    dtype,
                    tuple(columns),
                    shape if name == IMAGE else None,
                    _find_limits(steps, columns) if name == NUMBERS else (),
                    tuple(_find_booleans(steps)) if name == TEXTS else (),
                    marks,
                    tuple(dict.fromkeys(_find_texts(steps)) if name == TEXTS else marks),
                )
            )
    return tuple(inputs)


def _find_limits(steps: Sequence[StepJson], columns: Collection[str]) -> tuple[float, ...]:
    """Return the largest size of each column's numbers that float32 holds once they are encoded."""
    limits = dict.fromkeys(columns, MAX_FLOAT)
    for step in steps:
        if step["kind"] == "standardise":
            limit = abs(step["mean"]) + abs(step["scale"]) * MAX_ENCODED
        elif step["kind"] == "number":
            limit = MAX_FLOAT32
        else:
            continue
        limits[step["column"]] = min(limits[step["column"]], limit)
    return tuple(limits.values())


def _find_booleans(steps: Sequence[StepJson]) -> Iterator[str]:
    """Yield the columns whose categories are true and false, or one of them."""
    for step in steps:
        if (
            step["kind"] == "one_hot"
            and step["categories"]
            and not (set(step["categories"]) - set(TRUTH.values()))
        ):
            yield step["column"]


def _find_texts(steps: Sequence[StepJson]) -> Iterator[str]:
    """Yield the columns of texts that are not all written as numbers or truth values are."""
    for step in steps:
        if INPUT_OF[step["kind"]] == TEXTS and not all(map(_is_plain, step.get("categories", "?"))):
            yield step["column"]


def _is_plain(category: str) -> bool:
    """Tell whether a category is written as a number or a truth value is, as 007 is not."""
    if category.isascii() and category.isdigit():  # many are, of which each costs a microsecond
        return category == "0" or not category.startswith("0")
    try:
        return category in TRUTH.values() or write_text(float(category)) == category
    except ValueError:
        return False


def list_texts(inputs: Sequence[TensorInput]) -> set[str]:
    """Return the columns whose values are texts in a CSV file, also where all look like numbers."""
    return {name for tensor in inputs for name in tensor.texts}


def group_steps(
    encoder: EncoderJson, inputs: Sequence[TensorInput]
) -> Iterator[tuple[str, list[StepJson], list[int]]]:
    """Yield the steps in order, consecutive ones of one kind together.

    Yields:
        Kind, steps, and the positions of the steps' columns in the tensor that holds them.
    """
    positions = {
        tensor.name: {column: i for i, column in enumerate(tensor.columns)} for tensor in inputs
    }
    for kind, group in groupby(encoder["steps"], key=lambda step: step["kind"]):
        steps = list(group)
        yield kind, steps, [positions[INPUT_OF[kind]][step["column"]] for step in steps]


def split_words(text: str) -> list[str]:
    """Return the words of a text, in order.

    A text is split, counted, weighed and scaled the same in Python and in ONNX. What ONNX Runtime
    can do everywhere sets the rules: letters A to Z are lower-cased (its lower-casing of other
    letters needs a locale that small containers lack), and a word is a run of letters, digits,
    underscores and other characters that are no punctuation. The characters are listed, since two
    versions of Unicode would disagree about "letter". Weights are TF-IDF, scaled to length 1.

    >>> split_words("Isn't it GREAT? Élan, 3½ & naïve_x")
    ['isn', 't', 'it', 'great', 'Élan', '3', 'naïve_x']
    """
    return WORD_IN_PYTHON.findall(text.translate(TO_LOWER))
