"""Tables whose rows are dataclasses: the fields are the columns, in their order.

A field that is a dataclass itself becomes a struct, a tuple or list of one kind becomes a list.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal, TypeVar, get_args, get_origin

import polars as pl

Row = TypeVar("Row")

DTYPES: dict[type, type[pl.DataType]] = {
    str: pl.String,
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
}


def table_schema(row_type: type[Any]) -> dict[str, pl.DataType | type[pl.DataType]]:
    """Return the columns of a table with their types, from the fields of its rows.

    >>> from dataclasses import make_dataclass
    >>> Point = make_dataclass("Point", [("x", float), ("name", str | None)])
    >>> table_schema(Point)
    {'x': Float64, 'name': String}
    >>> table_schema(make_dataclass("Line", [("points", tuple[Point, ...])]))
    {'points': List(Struct({'x': Float64, 'name': String}))}
    """
    hints = typing.get_type_hints(row_type)
    return {field.name: column_type(hints[field.name]) for field in dataclasses.fields(row_type)}


def column_type(hint: Any) -> pl.DataType | type[pl.DataType]:
    """Return the type of a column that holds values of a hint; ``None`` is allowed in any."""
    if get_origin(hint) is Literal:
        return pl.String
    if get_origin(hint) in (tuple, list):
        return pl.List(column_type(get_args(hint)[0]))
    if get_origin(hint) in (types.UnionType, typing.Union):
        return column_type(next(kind for kind in get_args(hint) if kind is not types.NoneType))
    if dataclasses.is_dataclass(hint):
        return pl.Struct(table_schema(typing.cast(Any, hint)))
    return DTYPES[hint]


def write_rows(rows: Iterable[Row], row_type: type[Row]) -> pl.DataFrame:
    """Build a table from its rows."""
    schema = table_schema(row_type)
    is_flat = not any(isinstance(kind, pl.List | pl.Struct) for kind in schema.values())
    plain = vars if is_flat else dataclasses.asdict
    return pl.DataFrame([plain(typing.cast(Any, row)) for row in rows], schema=schema)


def read_rows(table: pl.DataFrame, row_type: type[Row]) -> list[Row]:
    """Return a table's rows; columns that are no field of theirs are left out.

    Structs within a row come as dictionaries, lists as lists.
    """
    names = [field.name for field in dataclasses.fields(row_type)]  # type: ignore[arg-type]
    return [row_type(**row) for row in table.select(names).to_dicts()]


def find_nested(table: pl.DataFrame) -> list[str]:
    """Return the names of the columns that hold lists or structs."""
    return [name for name, kind in table.schema.items() if kind.is_nested()]


def write_as_text(table: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Write columns of lists or structs as JSON, for a CSV file."""
    texts = [
        pl.Series(name, [json.dumps(cell) for cell in table[name].to_list()]) for name in columns
    ]
    return table.with_columns(texts)
