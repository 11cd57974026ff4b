"""The short ways to a graph's tensors end at the same ones as the long way, which refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from rightfit.data.request_path.feeding import Plan, TensorInput, make_feed
from rightfit.models.lookups import Lookup
from rightfit.models.onnx_session import Filling

NUMBERS = TensorInput("numbers", "float32", ("a", "b"), limits=(100.0, 1e30))
FILLINGS = {"numbers": Filling(np.array([7.0, 8.0]), np.array([1]))}
TEXTS = TensorInput("texts", "string", ("c", "d"))
TABLES = {0: ({"x": 1, "": 2}, 0), 1: ({"x": 10, "true": 20}, 0)}
FORMS: Mapping[str, Callable[[Mapping[str, list[Any]]], Any]] = {
    "lists": dict,
    "tuples": lambda columns: {name: tuple(values) for name, values in columns.items()},
    "arrays": lambda columns: {
        name: np.array(values, dtype=float if name in "ab" else object)
        for name, values in columns.items()
    },
    "polars": lambda columns: pl.DataFrame(columns, strict=False),
    "categories of polars": lambda columns: pl.DataFrame(
        columns, schema_overrides={name: pl.Categorical for name in columns if name in "cd"}
    ),
    "pandas": lambda columns: pl.DataFrame(columns).to_pandas(),
    "categories of pandas": lambda columns: (
        pl.DataFrame(columns)
        .to_pandas()
        .astype({name: "category" for name in columns if name in "cd"})
    ),
    "Arrow": lambda columns: dict(
        zip(columns, map(pa.array, columns.values()), strict=True)  # type: ignore[arg-type]
    ),
    "dictionaries of Arrow": lambda columns: {
        name: pa.array(values).dictionary_encode() if name in "cd" else pa.array(values)
        for name, values in columns.items()
    },
}


def make_columns(n_rows: int) -> dict[str, list[Any]]:
    rng = np.random.default_rng(n_rows)
    return {
        "d": [["x", "true", None, "unseen"][i] for i in rng.integers(0, 4, n_rows)],
        "b": [None if gap else 0.1 * i for i, gap in enumerate(rng.random(n_rows) < 0.2)],
        "a": [float(value) for value in rng.normal(size=n_rows)],
        "c": [["x", "", None, "é"][i] for i in rng.integers(0, 4, n_rows)],
        "further": ["x"] * n_rows,
    }


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize("n_rows", [1, 2, 40, 300])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_request_makes_the_same_tensors(
    form: str, n_rows: int, *, is_turned: bool
) -> None:
    columns = make_columns(n_rows)
    turned = ["numbers"] if is_turned else []

    plan = Plan([NUMBERS, TEXTS], [Lookup("places", TABLES)], FILLINGS, turned)
    fed = plan.feed(FORMS[form](columns))

    expected = make_feed(columns, [NUMBERS, TEXTS])
    table = fed["numbers"].T if is_turned else fed["numbers"]
    assert fed["numbers"].flags.c_contiguous
    filled = FILLINGS["numbers"].widen(expected["numbers"])
    np.testing.assert_array_equal(table, filled)
    tables = list(TABLES.values())
    sums = [
        sum(table.get(text, other) for text, (table, other) in zip(row, tables, strict=True))
        for row in expected["texts"].tolist()
    ]
    assert fed["places"].tolist() == sums


@pytest.mark.parametrize("n_rows", [1, 3, 300])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("a", "3"),
        ("a", 101.0),
        ("a", float("inf")),
        ("a", 10**400),
        ("a", [1]),
        ("c", b"x"),
        ("c", ["x"]),
    ],
)
def test_what_the_long_way_refuses_is_refused_in_its_words(
    column: str, value: object, n_rows: int
) -> None:
    columns = make_columns(n_rows)
    columns[column][-1] = value
    plan = Plan([NUMBERS, TEXTS], [Lookup("places", TABLES)])

    with pytest.raises(ValueError, match=f"Row {n_rows - 1}: '{column}' must be") as refused:
        make_feed(columns, [NUMBERS, TEXTS])
    with pytest.raises(ValueError, match="must be") as refused_by_plan:
        plan.feed(columns)

    assert str(refused_by_plan.value) == str(refused.value)


def test_a_row_that_is_not_as_usual_is_not_written() -> None:
    _, writers = Plan([NUMBERS, TEXTS], [Lookup("places", TABLES)]).plan_row(None)
    columns = {"a": ["3"], "b": [1.0], "c": ["x"], "d": ["x"]}

    with pytest.raises(TypeError, match="unsupported operand"):
        for write in writers:
            write(columns)
