"""Open a model that answers raw columns, in a measured process or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.families.bundle import Bundle, read_bundle
from rightfit.families.imported.bundle_rows import find_feeds, find_form, reads_columns
from rightfit.families.imported.feeding import Feed
from rightfit.families.imported.row_table import make_texts
from rightfit.families.runtimes import open_model
from rightfit.request_path.python_encoder import compile_encoder
from rightfit.request_path.raw_inputs import EncoderJson, list_inputs
from rightfit.request_path.usage import Answer, Columns, open_graph, write_text

Build = Callable[[Columns], Any]


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
        model = open_model(bundle, runtime=runtime, n_threads=n_threads, device=device)
        return lambda columns: model(build(columns))

    return open_answer


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
    texts = {step["column"] for step in encoder["steps"] if step["kind"] == "text"}
    if find_form(bundle, runtime) == "pandas":
        return _compile_pandas(bundle.schema.features, texts)
    return _compile_polars(bundle.schema.features, texts)


def _fill(feed: Feed, columns: Columns) -> npt.NDArray[Any]:
    n_rows = len(columns[feed.columns[0]])
    if feed.dtype == "str":
        texts = [[write_text(value) for value in columns[name]] for name in feed.columns]
        return np.array(texts, dtype=object).T.reshape(n_rows, *feed.shape)
    values = np.array([columns[name] for name in feed.columns], dtype=np.float64)
    return np.ascontiguousarray(values.T.reshape(n_rows, *feed.shape).astype(feed.dtype))


def _compile_pandas(features: Sequence[str], texts: set[str]) -> Build:
    import pandas as pd

    def build(columns: Columns) -> Any:
        return pd.DataFrame(
            {
                name: make_texts(list(columns[name]))
                if name in texts
                else np.asarray(columns[name], dtype=np.float64)
                for name in features
            }
        )

    return build


def _compile_polars(features: Sequence[str], texts: set[str]) -> Build:
    import polars as pl

    schema = {name: pl.String() if name in texts else pl.Float64() for name in features}

    def build(columns: Columns) -> Any:
        return pl.DataFrame({name: columns[name] for name in features}, schema=schema)

    return build
