"""Open a model that answers raw columns, in a measured process or elsewhere.

Where its encoder is no graph of its own, requests are encoded in numpy, as a server does beside a
native model: onnxruntime would be a burden to a process that serves without it. The rows are those
of the graph (``encoder_graph.py``), bit for bit. All numeric columns are scaled at once: a numpy
call per column would cost a multiple.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.data.request_path.dates import DATE_PARTS, read_texts
from rightfit.data.request_path.feeding import Columns, Plan, write_text
from rightfit.data.request_path.raw_inputs import (
    IMAGE,
    LEAST_LENGTH,
    NUMBERS,
    PER_PIXEL,
    TEXTS,
    EncoderJson,
    StepJson,
    group_steps,
    list_inputs,
    split_words,
)
from rightfit.data.request_path.usage import Answer, Floats, open_graph
from rightfit.models.bundle import Bundle, read_bundle
from rightfit.models.imported.feeds import Feed, find_feeds, find_form, reads_columns
from rightfit.models.imported.row_table import make_texts
from rightfit.models.runtimes import open_predictor

Build = Callable[[Columns], Any]
Inputs = Mapping[str, npt.NDArray[Any]]
Part = Callable[[Inputs], Floats]


def open_request(
    path: str,
    *,
    family: str | None,
    runtime: str,
    n_threads: int,
    device: str,
    sha256: str | None,
    encoder: str,
    graph: str | None,
) -> Callable[[], Answer]:
    """Check a model bundle and return what opens it behind its encoder.

    The parent has checked the files of the ``bundle.json`` with this hash, and sends no bundle that
    it does not trust but for its ONNX files. Without a graph the encoder runs in Python; only the
    native runtime imports the family.
    """
    bundle = read_bundle(Path(path), family=family, trust=True, checked_sha256=sha256)

    def open_answer() -> Answer:
        content: EncoderJson = json.loads(Path(encoder).read_text(encoding="utf-8"))
        if graph is not None:
            inputs = list_inputs(content)
            return open_graph(Path(graph), inputs, n_threads=n_threads, device=device)
        is_raw = reads_columns(bundle, runtime)
        build: Build = (
            compile_rows(bundle, runtime, content) if is_raw else compile_encoder(content)
        )
        model = open_predictor(bundle, runtime=runtime, n_threads=n_threads, device=device)
        return EncodedModel(build, model)

    return open_answer


@dataclass(frozen=True)
class EncodedModel:
    """A model behind its encoder.

    Args:
        feed: Makes of a request what the model reads.
        model: The model.
    """

    feed: Build
    model: Callable[[Any], Floats]

    def __call__(self, columns: Columns) -> Floats:
        """Answer raw columns."""
        return self.model(self.feed(columns))


def compile_rows(bundle: Bundle, runtime: str, encoder: EncoderJson) -> Build:
    """Return a function from a request's columns to the rows that a bundle's model reads.

    Args:
        bundle: Its model reads columns by name.
        runtime: The runtime.
        encoder: Says which columns are texts.
    """
    feeds = find_feeds(bundle, runtime)
    if feeds:
        return lambda columns: {feed.name: _fill(feed, columns) for feed in feeds}
    features = bundle.schema.features
    texts = {step["column"] for step in encoder["steps"] if step["kind"] == "text"}
    if find_form(bundle, runtime) == "pandas":
        import pandas as pd

        return lambda columns: pd.DataFrame(
            {
                name: make_texts(list(columns[name]))
                if name in texts
                else np.asarray(columns[name], dtype=np.float64)
                for name in features
            }
        )
    import polars as pl

    schema = {name: pl.String() if name in texts else pl.Float64() for name in features}
    return lambda columns: pl.DataFrame({name: columns[name] for name in features}, schema=schema)


def _fill(feed: Feed, columns: Columns) -> npt.NDArray[Any]:
    n_rows = len(columns[feed.columns[0]])
    if feed.dtype == "str":
        texts = [[write_text(value) for value in columns[name]] for name in feed.columns]
        return np.array(texts, dtype=object).T.reshape(n_rows, *feed.shape)
    values = np.array([columns[name] for name in feed.columns], dtype=np.float64)
    return np.ascontiguousarray(values.T.reshape(n_rows, *feed.shape).astype(feed.dtype))


def compile_encoder(encoder: EncoderJson) -> Callable[[Columns], Floats]:
    """Prepare an encoder for many requests.

    Returns:
        A function from raw columns to the rows that a model reads, float32, shape
        (n_rows, n_features).

    Raises:
        ValueError: If the encoder is of another version.
    """
    inputs = list_inputs(encoder)
    parts = [PARTS[kind](steps, at) for kind, steps, at in group_steps(encoder, inputs)]
    plan = Plan(inputs)

    def encode(columns: Columns) -> Floats:
        feed = plan.feed(columns)
        blocks = [part(feed) for part in parts]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)

    return encode


def _number(_steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    chosen = _select(at)
    return lambda feed: feed[NUMBERS][:, chosen].astype(np.float32)


def _standardise(steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    fill, mean = (np.array([step[key] for step in steps]) for key in ("fill", "mean"))
    # times the reciprocal, as in the graph: a quotient differs in the last bit
    per_scale = np.array([1 / step["scale"] for step in steps])
    chosen = _select(at)

    def part(feed: Inputs) -> Floats:
        values = feed[NUMBERS][:, chosen]
        filled = np.where(np.isnan(values), fill, values)
        scaled: Floats = ((filled - mean) * per_scale).astype(np.float32)
        return scaled

    return part


def _indicate(_steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    chosen = _select(at)
    return lambda feed: np.isnan(feed[NUMBERS][:, chosen]).astype(np.float32)


def _one_hot(steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    sizes = [len(step["categories"]) + 1 for step in steps]  # the last one is for all others
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    columns = [
        (position, start + size - 1, {name: start + i for i, name in enumerate(step["categories"])})
        for step, position, start, size in zip(steps, at, starts, sizes, strict=True)
    ]
    width = sum(sizes)

    def part(feed: Inputs) -> Floats:
        texts = feed[TEXTS]
        encoded = np.zeros((len(texts), width), dtype=np.float32)
        for position, other, indices in columns:
            for i, text in enumerate(texts[:, position]):
                encoded[i, indices.get(text, other)] = 1
        return encoded

    return part


def _target_mean(steps: Sequence[StepJson], at: Sequence[int]) -> Part:
    columns = [
        (position, other, dict(zip(step["categories"], means, strict=True)))
        for step, position in zip(steps, at, strict=True)
        for *means, other in [step["means"]]
    ]

    def part(feed: Inputs) -> Floats:
        encoded = [
            [means.get(row[position], other) for position, other, means in columns]
            for row in feed[TEXTS].tolist()  # faster than item by item
        ]
        return np.array(encoded, dtype=np.float32).reshape(-1, len(columns))

    return part


def _words(step: StepJson, position: int) -> Part:
    """Multiply the counts of words by their weights and scale each row to length 1."""
    indices = {word: index for index, word in enumerate(step["words"])}
    weights = np.array(step["weights"], dtype=np.float32)

    def part(feed: Inputs) -> Floats:
        texts = feed[TEXTS][:, position].tolist()
        counts = np.zeros((len(texts), len(indices)), dtype=np.float32)
        for row, text in zip(counts, texts, strict=True):
            for word in split_words(text):
                if (index := indices.get(word)) is not None:
                    row[index] += 1
        weighed = (counts * weights).astype(np.float64)
        length = np.sqrt(np.square(weighed).sum(axis=1, keepdims=True))
        scaled: Floats = (weighed / np.maximum(length, LEAST_LENGTH)).astype(np.float32)
        return scaled

    return part


def _join_parts(
    make: Callable[[StepJson, int], Part], steps: Sequence[StepJson], at: Sequence[int]
) -> Part:
    """Return a part that lays those of single steps side by side."""
    parts = [make(step, position) for step, position in zip(steps, at, strict=True)]
    if len(parts) == 1:
        return parts[0]
    return lambda feed: np.concatenate([part(feed) for part in parts], axis=1)


def _date(step: StepJson, position: int) -> Part:
    columns = [DATE_PARTS.index(part) for part in step["parts"]]
    fill, mean = np.array(step["fills"]), np.array(step["means"])
    per_scale = 1 / np.array(step["scales"])

    def part(feed: Inputs) -> Floats:
        texts = feed[TEXTS][:, position].tolist()
        is_date, parts = read_texts(
            texts, month_first=step["month_first"], month_names=step.get("month_names", False)
        )
        filled = np.where(is_date > 0, parts[:, columns], fill)
        scaled: Floats = ((filled - mean) * per_scale).astype(np.float32)
        return scaled

    return part


def _pixels(_steps: Sequence[StepJson], _at: Sequence[int]) -> Part:
    return lambda feed: feed[IMAGE].astype(np.float32) * PER_PIXEL


def _select(at: Sequence[int]) -> Any:
    """Return an index of columns; a slice where they follow each other, which copies nothing."""
    is_run = list(at) == list(range(at[0], at[0] + len(at)))
    return slice(at[0], at[0] + len(at)) if is_run else list(at)


PARTS: Mapping[str, Callable[[Sequence[StepJson], Sequence[int]], Part]] = {
    "number": _number,
    "standardise": _standardise,
    "indicate": _indicate,
    "one_hot": _one_hot,
    "target_mean": _target_mean,
    "words": partial(_join_parts, _words),
    "date": partial(_join_parts, _date),
    "pixels": _pixels,
    "picture": _pixels,
}
