"""The encoder as JSON, and the input tensors that the raw columns it reads make up.

Numbers of all numeric columns share one tensor, and so do texts: handing a tensor to onnxruntime
costs about a microsecond, so a tensor per column would cost more than most models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypedDict, cast

import numpy as np

from rightfit.request_path.usage import TensorInput

ENCODER_VERSION = 1
NUMBERS, TEXTS, IMAGE = "numbers", "texts", "image"
INPUT_OF = {
    "number": NUMBERS,
    "standardise": NUMBERS,
    "indicate": NUMBERS,
    "one_hot": TEXTS,
    "text": TEXTS,
    "words": TEXTS,
    "pixels": IMAGE,
    "picture": IMAGE,
}
DTYPES = {NUMBERS: "float64", TEXTS: "string", IMAGE: "uint8"}
PER_PIXEL = np.float32(1) / np.float32(255)


class StepJson(TypedDict, total=False):
    """A step of ``encoder.json``; which figures it has depends on its kind."""

    kind: str  # number or text (as it is), standardise, indicate, one_hot, words, pixels or picture
    column: str
    fill: float
    mean: float
    scale: float
    categories: Sequence[str]
    words: Sequence[str]
    weights: Sequence[float]
    shape: Sequence[int]


class EncoderJson(TypedDict):
    """Content of ``encoder.json``."""

    version: int
    steps: Sequence[StepJson]


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
    >>> list_inputs(EncoderJson(version=1, steps=[step]))
    (TensorInput(name='numbers', dtype='float64', columns=('age',), image_shape=None),)
    """
    if encoder["version"] != ENCODER_VERSION:
        raise ValueError(f"encoder.json must be of version {ENCODER_VERSION}: {encoder['version']}")
    return tuple(
        TensorInput(name, dtype, columns, find_shape(encoder) if name == IMAGE else None)
        for name, dtype in DTYPES.items()
        if (columns := _list_columns(encoder, name))
    )


def check_encoder(content: object) -> EncoderJson:
    """Return the content of an ``encoder.json`` that may come from anywhere.

    Raises:
        ValueError: Naming the first thing that is not as it must be.

    >>> check_encoder({"version": 1, "steps": [{"kind": "number", "column": "age"}]})["version"]
    1
    """
    if not isinstance(content, dict) or content.get("version") != ENCODER_VERSION:
        raise ValueError(f"it must be an object of version {ENCODER_VERSION}")
    steps = content.get("steps")
    if not isinstance(steps, list) or not steps:
        raise ValueError("steps must be a list of at least one step")
    for place, step in enumerate(steps):
        kind = step.get("kind") if isinstance(step, dict) else None
        if not isinstance(kind, str) or kind not in INPUT_OF:
            raise ValueError(f"steps.{place}.kind must be one of {sorted(INPUT_OF)}")
        figures = {"column": _is_text, **FIGURES.get(kind, {})}
        wrong = [name for name, is_right in figures.items() if not is_right(step.get(name))]
        if wrong:
            raise ValueError(f"steps.{place}: {wrong} of a step {kind!r} are missing or wrong")
        if kind == "words" and len(step["words"]) != len(step["weights"]):
            raise ValueError(f"steps.{place} must have a weight for each word")
    return cast(EncoderJson, content)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(cast(float, value))


def _is_scale(value: object) -> bool:
    return _is_number(value) and value != 0


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _is_shape(value: object) -> bool:
    is_triple = isinstance(value, list) and len(value) == 3
    return is_triple and all(type(size) is int and size > 0 for size in cast(list[object], value))


FIGURES: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "standardise": {"fill": _is_number, "mean": _is_number, "scale": _is_scale},
    "one_hot": {"categories": _are_texts},
    "words": {"words": _are_texts, "weights": _are_numbers},
    "pixels": {"shape": _is_shape},
    "picture": {"shape": _is_shape},
}
"""What a step has beside kind and column, by its kind."""


def find_shape(encoder: EncoderJson) -> tuple[int, int, int] | None:
    """Return what image files are resized to; ``None`` if there are none."""
    for step in encoder["steps"]:
        if step["kind"] == "picture":
            height, width, n_channels = step["shape"]
            return height, width, n_channels
    return None


def group_steps(encoder: EncoderJson) -> list[list[StepJson]]:
    """Return the steps in order, consecutive ones of one kind together."""
    groups: list[list[StepJson]] = []
    for step in encoder["steps"]:
        if groups and groups[-1][0]["kind"] == step["kind"]:
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups


def find_positions(steps: Sequence[StepJson], inputs: Sequence[TensorInput]) -> list[int]:
    """Return the positions of the steps' columns in the tensor that holds them."""
    name = INPUT_OF[steps[0]["kind"]]
    columns = next(one.columns for one in inputs if one.name == name)
    return [columns.index(step["column"]) for step in steps]


def _list_columns(encoder: EncoderJson, name: str) -> tuple[str, ...]:
    found = [step["column"] for step in encoder["steps"] if INPUT_OF[step["kind"]] == name]
    return tuple(dict.fromkeys(found))
