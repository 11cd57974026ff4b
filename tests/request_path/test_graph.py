"""Polars, the graph and numpy encode numbers and categories to the same bits."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import checker

from rightfit.families.onnx_session import open_session
from rightfit.preparation.encoding import Encoder, Indicate, OneHot, Standardise, apply_encoder
from rightfit.request_path.graph import build_encoder
from rightfit.request_path.python_encoder import compile_encoder
from rightfit.request_path.raw_inputs import list_inputs
from rightfit.request_path.usage import make_feed

SCHEMA = {"x": pl.Float64, "n": pl.Int64, "c": pl.String, "b": pl.Boolean}
ROWS = st.fixed_dictionaries(
    {
        "x": st.none() | st.floats(-1e30, 1e30),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "c": st.none() | st.text() | st.sampled_from(["a", "Ä b"]),
        "b": st.none() | st.booleans(),
    }
)
FIGURES = st.floats(-1e6, 1e6)
SCALES = st.floats(1e-6, 1e6)


@given(
    rows=st.lists(ROWS, min_size=1, max_size=5),
    figures=st.tuples(FIGURES, FIGURES, SCALES, FIGURES, FIGURES, SCALES),
)
def test_numbers_and_categories_are_encoded_alike_everywhere(
    rows: list[dict[str, object]], figures: tuple[float, ...]
) -> None:
    steps = (
        *(
            Standardise(column=name, fill=fill, mean=mean, scale=scale)
            for name, (fill, mean, scale) in zip("xn", (figures[:3], figures[3:]), strict=True)
        ),
        Indicate(column="x"),
        OneHot(column="c", categories=("a", "Ä b")),
        OneHot(column="b", categories=("true",)),
    )
    encoder = Encoder(steps=steps)
    table = pl.DataFrame(rows, schema=SCHEMA)

    trained = apply_encoder(encoder, table).to_numpy()

    plain = encoder.model_dump(mode="json")
    columns = table.to_dict(as_series=False)
    feed = make_feed(columns, list_inputs(plain))
    graph = build_encoder(plain)
    checker.check_model(graph)
    [in_graph] = open_session(graph).run(["rows"], feed)
    assert np.isfinite(trained).all()
    np.testing.assert_array_equal(in_graph, trained)
    np.testing.assert_array_equal(compile_encoder(plain)(columns), trained)


@pytest.mark.parametrize("kind", ["words", "pixels"])
def test_no_rows_are_encoded_to_no_rows(kind: str) -> None:
    figures = {
        "words": {"words": ["a"], "weights": [1.0]},
        "pixels": {"shape": [1, 2, 1]},
    }
    encoder = Encoder.model_validate({"steps": [{"kind": kind, "column": "x", **figures[kind]}]})

    encoded = apply_encoder(encoder, pl.DataFrame(schema={"x": pl.String}))

    assert encoded.shape == (0, {"words": 1, "pixels": 2}[kind])
