"""Encode requests in numpy, as a server does beside a native model.

The rows are those of the encoder's graph (``encoder_graph.py``), bit for bit; the graph would add
onnxruntime to a process that serves without it. All numeric columns are scaled at once: a numpy
call per column would cost a multiple.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.request_path.raw_inputs import (
    IMAGE,
    NUMBERS,
    PER_PIXEL,
    TEXTS,
    EncoderJson,
    StepJson,
    find_positions,
    group_steps,
    list_inputs,
)
from rightfit.request_path.usage import Columns, Floats, make_feed
from rightfit.request_path.words import LEAST_LENGTH, split_words

Feed = Mapping[str, npt.NDArray[Any]]
Part = Callable[[Feed], Floats]


def compile_encoder(encoder: EncoderJson) -> Callable[[Columns], Floats]:
    """Prepare an encoder for many requests.

    Returns:
        A function from raw columns to the rows that a model reads, float32, shape
        (n_rows, n_features).

    Raises:
        ValueError: If the encoder is of another version.
    """
    inputs = list_inputs(encoder)
    parts = [
        PARTS[steps[0]["kind"]](steps, find_positions(steps, inputs))
        for steps in group_steps(encoder)
    ]

    def encode(columns: Columns) -> Floats:
        feed = make_feed(columns, inputs)
        blocks = [part(feed) for part in parts]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)

    return encode


def _number(_steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    chosen = _select(at)

    def part(feed: Feed) -> Floats:
        numbers: Floats = feed[NUMBERS][:, chosen].astype(np.float32)
        return numbers

    return part


def _standardise(steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    fill, mean = (np.array([step[key] for step in steps]) for key in ("fill", "mean"))
    # times the reciprocal, as in the graph: a quotient differs in the last bit
    per_scale = np.array([1 / step["scale"] for step in steps])
    chosen = _select(at)

    def part(feed: Feed) -> Floats:
        values = feed[NUMBERS][:, chosen]
        known = np.where(np.isnan(values), fill, values)
        scaled: Floats = ((known - mean) * per_scale).astype(np.float32)
        return scaled

    return part


def _indicate(_steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    chosen = _select(at)

    def part(feed: Feed) -> Floats:
        missing: Floats = np.isnan(feed[NUMBERS][:, chosen]).astype(np.float32)
        return missing

    return part


def _one_hot(steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    sizes = [len(step["categories"]) + 1 for step in steps]  # the last one is for all others
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    columns = [
        (position, start + size - 1, {name: start + i for i, name in enumerate(step["categories"])})
        for step, position, start, size in zip(steps, at, starts, sizes, strict=True)
    ]
    width = sum(sizes)

    def part(feed: Feed) -> Floats:
        texts = feed[TEXTS]
        encoded = np.zeros((len(texts), width), dtype=np.float32)
        for position, other, places in columns:
            for i, text in enumerate(texts[:, position]):
                encoded[i, places.get(text, other)] = 1
        return encoded

    return part


def _words(steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    known = [
        (
            position,
            {word: place for place, word in enumerate(step["words"])},
            np.array(step["weights"], dtype=np.float32),
        )
        for step, position in zip(steps, at, strict=True)
    ]

    def part(feed: Feed) -> Floats:
        blocks = [_weigh(feed[TEXTS][:, at], places, weights) for at, places, weights in known]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)

    return part


def _weigh(texts: npt.NDArray[Any], places: Mapping[str, int], weights: Floats) -> Floats:
    """Multiply the counts of words by their weights and scale each row to length 1."""
    counts = np.zeros((len(texts), len(places)), dtype=np.float32)
    for row, text in zip(counts, texts.tolist(), strict=True):
        for word in split_words(text):
            if (place := places.get(word)) is not None:
                row[place] += 1
    weighed = (counts * weights).astype(np.float64)
    length = np.sqrt(np.square(weighed).sum(axis=1, keepdims=True))
    scaled: Floats = (weighed / np.maximum(length, LEAST_LENGTH)).astype(np.float32)
    return scaled


def _pixels(_steps: Sequence[StepJson], _at: Sequence[int]) -> Part:
    def part(feed: Feed) -> Floats:
        pixels: Floats = feed[IMAGE].astype(np.float32) * PER_PIXEL
        return pixels

    return part


def _select(at: Sequence[int]) -> Any:
    """Return an index of columns; a slice where they follow each other, which copies nothing."""
    is_run = list(at) == list(range(at[0], at[0] + len(at)))
    return slice(at[0], at[0] + len(at)) if is_run else list(at)


PARTS: Mapping[str, Callable[[Sequence[StepJson], Sequence[int]], Part]] = {
    "number": _number,
    "standardise": _standardise,
    "indicate": _indicate,
    "one_hot": _one_hot,
    "words": _words,
    "pixels": _pixels,
    "picture": _pixels,
}
