"""A run accepts what ``rightfit init`` writes, whatever the table's names and values."""

from __future__ import annotations

import datetime
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rightfit._core.processes.json_store import JsonStore
from rightfit_kedro.config_loader import load_configuration, make_loader
from rightfit_kedro.parameters import complete_parameters
from rightfit_kedro.pipelines.data_engineering import nodes
from rightfit_kedro.validation import find_faults
from rightfit_kedro.verbs.init import describe_entry, name_dataset, plan_files
from rightfit_search.tables.description import DatasetBlock

pytestmark = pytest.mark.whole

N_ROWS = 60
NUMBERS = [float(i * i % 97) for i in range(N_ROWS)]
SPECIAL = [  # to a YAML reader, to OmegaConf, to polars, to pattern matching, or to a terminal
    "1e3", "007", "1_000", "0x1F", "1:30", ".5", "-1", "+1", ".inf", "nan", "null", "~", "no",
    "Yes", "true", "y", "2026-01-31", "12:00:00", "=", "<<", "- a", "? a", "a: b", "a #b", "#a",
    "&a", "*a", "a*", "a?", "!a", "%a", "@a", "`a`", "[a]", "{a}", "{a: b}", "'a'", '"a"', "it's",
    "a,b", "|", ">", "", " ", " a ", "a  b", "a\nb", "a\tb", "\n", "\\", "\\n", "${a}", "$a",
    "\\${a}", "\\\\${a}", "${oc.env:HOME}", "v1..v3", "v1", "v2", "^a.*$", "^a", "*", "label",
    "part", "_row", "split", "train", "test", "id", "é", "語", "\u2028", "\x85", "\u202e", "\0",
    "\x1b[31m", "\ufeff", "🙂", "x" * 300, "x y " * 100, "---", "...",
]  # fmt: skip
NAMES = st.sampled_from(SPECIAL) | st.text(min_size=1, max_size=8)
FRACTIONS = [0.0, 1.0, 2.5, -3.25, 1e-300, 1e39, 1e300, 1.7e308]
VALUES = st.one_of(
    st.lists(st.sampled_from(SPECIAL), min_size=2, max_size=5),
    st.lists(st.sampled_from(SPECIAL), min_size=N_ROWS, max_size=N_ROWS),
    st.lists(st.text(max_size=8), min_size=1, max_size=5),
    st.lists(st.sampled_from([0, 1, 2, 7, -1, 10**6, 2**53 + 1, 2**63 - 1]), min_size=1),
    st.lists(st.sampled_from(FRACTIONS), min_size=1),
    st.lists(st.sampled_from([*FRACTIONS, math.inf, -math.inf, math.nan]), min_size=1),
    st.just(NUMBERS),
    st.sampled_from([
        [datetime.date(2026, 1, 31), datetime.date(1, 1, 1)],
        [datetime.datetime(2026, 1, 31, 12), datetime.datetime(1970, 1, 1)],
        [datetime.time(1), datetime.time(2)], [datetime.timedelta(1), datetime.timedelta(2)],
        [b"\xff", b""], [[1], [2, 3]], [{"a": 1}, {"a": 2}], [None], [True, False],
    ]),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Draw a table whose first column is to be predicted."""
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    kinds: list[list[Any]] = [
        draw(st.lists(st.sampled_from(SPECIAL), min_size=2, max_size=4, unique=True) | VALUES),
        NUMBERS,
        *(draw(VALUES) for _ in names[2:]),
    ]
    columns = []
    for name, (stride, kind) in zip(names, enumerate(kinds, 1), strict=True):
        values = [kind[i // stride % len(kind)] for i in range(N_ROWS)]
        for place in draw(st.lists(st.integers(0, N_ROWS - 1), max_size=3)):
            values[place] = draw(st.sampled_from([None, kind[0]]))
        columns.append(pl.Series("", values, strict=False).alias(name))
    n_rows = draw(st.sampled_from([*[N_ROWS] * 20, 7, 1, 0]))
    return pl.DataFrame(columns).head(n_rows)


class Catalog:
    """The project's catalog, with one table."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table

    def load_current(self, entry: str) -> pl.DataFrame:
        return self._table

    def list_entries(self) -> list[str]:
        return []

    def find_source(self, entry: str) -> None:
        """It lies in no file."""


def begin(table: pl.DataFrame, column: str, at_least: float | None, entry: str) -> dict[str, Any]:
    """Write what init writes, and read it as a run does."""
    name = name_dataset(entry)
    block = describe_entry(Catalog(table), entry, column, at_least=at_least, dataset=name)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        base.mkdir()
        for file in plan_files(base, {}, dataset=name, block=block):
            file.path.write_text(file.text, encoding="utf-8")
        return load_configuration(make_loader(Path(folder), env="base"), "parameters")


def prepare(block: DatasetBlock, table: pl.DataFrame) -> list[pl.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        inferred = JsonStore(Path(folder))
        spec, check = nodes.check_raw_tables(block, inferred, table, dataset_name="d")
    rows, counts = nodes.assemble_rows(spec, check, table)
    _, *parts, _ = nodes.encode_rows(spec, check, counts, rows, dataset_name="d")
    return parts


@settings(max_examples=60)
@given(tables(), st.sampled_from([None, None, None, 1.0]))
@example(pl.DataFrame({"v1..v3": ["a", "b"] * (N_ROWS // 2), "b": NUMBERS}), None)
def test_run_accepts_what_init_writes(table: pl.DataFrame, at_least: float | None) -> None:
    column, refusal = table.columns[0], "?"
    try:
        parameters = begin(table, column, at_least, "orders")
    except ValueError as err:
        parameters, refusal = {}, str(err)
    if not parameters:
        assert len(refusal.splitlines()) == 1
        return

    faults = find_faults(complete_parameters(parameters), stages=[])
    block = DatasetBlock.model_validate(parameters["datasets"]["orders"])
    parts = prepare(block, table)
    named = {name for group in block.schemas["orders"].columns for name in group.names}
    assert faults == []
    assert block.target.column == column
    assert named <= set(table.columns)
    derived = {step.name for step in block.derived}
    assert set(block.features.columns if block.features else ()) <= named | derived
    assert all(np.isfinite(part.to_numpy()).all() for part in parts)


def test_names_and_classes_that_mean_something_elsewhere_are_kept() -> None:
    names = [name for name in SPECIAL if name not in ("", "*", "^a.*$")]
    classes = sorted(SPECIAL)
    rows = range(len(classes) * 20)
    table = pl.DataFrame(
        {"variety": [classes[i % len(classes)] for i in rows]}
        | {name: [float((i * i + place) % 97) for i in rows] for place, name in enumerate(names)}
    )

    block = DatasetBlock.model_validate(begin(table, "variety", None, "no")["datasets"]["no"])

    assert block.target.classes == tuple(classes)
    assert block.features is not None
    assert block.features.numeric == tuple(n for n in names if n not in ("label", "part"))
    assert prepare(block, table)[0].columns[:-1] == list(block.features.numeric)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"^a.*$": NUMBERS}, "stands for several columns"),
        ({"x": [*NUMBERS[:-1], math.inf]}, "NaN or infinity"),
        ({"y": ["a"] * 59 + ["b"]}, "Each class needs a row"),
        ({"y": [2.5] * 60}, "it is 2.5 in every row"),
        ({"y": [1.0, 1e200] * 30}, "values up to 1.0e\\+200"),
        ({"y": [b"a", b"b"] * 30}, "'y' is Binary; classes need"),
        ({"y": [[1], [2]] * 30}, r"'y' is List\(Int64\); allowed"),
    ],
)
def test_refusal_of_a_table_is_one_line(columns: dict[str, Any], told: str) -> None:
    table = pl.DataFrame({"y": ["a", "b"] * 30, "x": NUMBERS, **columns})

    with pytest.raises(ValueError, match=told) as raised:
        begin(table, "y", None, "orders")

    assert "\n" not in str(raised.value)
