"""Tables whose rows are dataclasses: the fields are the columns, in their order."""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import polars as pl

Row = TypeVar("Row")

DTYPES: dict[type, type[pl.DataType]] = {
    str: pl.String,
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
}


def table_schema(row_type: type[Any]) -> dict[str, type[pl.DataType]]:
    """Return the columns of a table with their types, from the fields of its rows.

    >>> from dataclasses import make_dataclass
    >>> table_schema(make_dataclass("Point", [("x", float), ("name", str | None)]))
    {'x': Float64, 'name': String}
    """
    hints = get_type_hints(row_type)
    return {field.name: DTYPES[_value_type(hints[field.name])] for field in fields(row_type)}


def write_rows(rows: Iterable[Row], row_type: type[Row]) -> pl.DataFrame:
    """Build a table from its rows."""
    return pl.DataFrame([vars(row) for row in rows], schema=table_schema(row_type))


def read_rows(table: pl.DataFrame, row_type: type[Row]) -> list[Row]:
    """Return a table's rows; columns that are no field of theirs are left out."""
    names = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
    return [row_type(**row) for row in table.select(names).to_dicts()]


def _value_type(hint: Any) -> type:
    if get_origin(hint) is Literal:
        return str
    kinds: list[type] = [kind for kind in get_args(hint) or (hint,) if kind is not types.NoneType]
    return kinds[0]
