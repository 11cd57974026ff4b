"""The encoder's graph, in one call or column by column, and numpy encode to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import checker

from rightfit.data.request_path.encoder import Encoder, Indicate, OneHot, Standardise, TargetMean
from rightfit.data.request_path.encoder_graph import build_encoder
from rightfit.data.request_path.opening import compile_encoder
from rightfit_search.tables import encoding
from rightfit_search.tables.encoding import apply_encoder

SCHEMA = {"x": pl.Float64, "n": pl.Int64, "c": pl.String, "b": pl.Boolean}
ROWS = st.fixed_dictionaries(
    {
        "x": st.none() | st.floats(-1e23, 1e23),
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
        TargetMean(column="c", categories=("a", "Ä b"), means=(0.1, -1.7, 1e-9)),
        TargetMean(column="b", categories=(), means=(0.3,)),
    )
    encoder = Encoder(steps=steps)
    table = pl.DataFrame(rows, schema=SCHEMA)

    trained = apply_encoder(encoder, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "N_BATCH_ROWS", 1)  # as of a table that is larger than a batch
        by_column = apply_encoder(encoder, table)

    plain: Any = encoder.model_dump(mode="json")
    checker.check_model(build_encoder(plain))
    requested = compile_encoder(plain)(table.to_dict(as_series=False))
    assert np.isfinite(trained.to_numpy()).all()
    assert by_column.equals(trained)
    np.testing.assert_array_equal(requested, trained.to_numpy())


def test_numbers_categories_and_gaps_are_encoded_as_written() -> None:
    encoder = Encoder(
        steps=(
            Standardise(column="x", fill=3.0, mean=1.0, scale=2.0),
            Indicate(column="x"),
            OneHot(column="c", categories=("a",)),
        )
    )
    rows = pl.DataFrame({"x": [5.0, None], "c": ["a", None]})

    encoded = apply_encoder(encoder, rows)

    assert encoded.columns == ["x", "x_missing", "c=a", "c=<other>"]
    assert encoded.rows() == [(2.0, 0.0, 1.0, 0.0), (1.0, 1.0, 0.0, 1.0)]


@pytest.mark.parametrize("kind", ["words", "pixels"])
def test_no_rows_are_encoded_to_no_rows(kind: str) -> None:
    figures = {
        "words": {"words": ["a"], "weights": [1.0]},
        "pixels": {"shape": [1, 2, 1]},
    }
    encoder = Encoder.model_validate({"steps": [{"kind": kind, "column": "x", **figures[kind]}]})

    encoded = apply_encoder(encoder, pl.DataFrame(schema={"x": pl.String}))

    assert encoded.shape == (0, {"words": 1, "pixels": 2}[kind])
