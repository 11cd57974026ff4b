"""Parts of a section of the report: sentences and tables, and the columns that several share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rightfit._core.formatting import format_number
from rightfit.measuring.serving import Serving


@dataclass(frozen=True)
class Column:
    """A column: its head, the text of its cell for a row, and the class name of its cells."""

    title: str
    write: Callable[[Any], str]
    style: Literal["number", "wide", "word"] = "word"


@dataclass(frozen=True)
class Table:
    """Rows of ready-made texts under a caption."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def text(title: str, write: Callable[[Any], str]) -> Column:
    """Describe a column of words."""
    return Column(title, write)


def number(title: str, write: Callable[[Any], str]) -> Column:
    """Describe a column of numbers."""
    return Column(title, write, "number")


def sentence(title: str, write: Callable[[Any], str]) -> Column:
    """Describe a column of sentences."""
    return Column(title, write, "wide")


def figure(title: str, column: str) -> Column:
    """Describe a column of plain numbers, which the rows hold by a name."""
    return number(title, lambda row: format_number(_read(row, column)))


def _read(row: Any, column: str) -> Any:
    return row[column] if isinstance(row, Mapping) else getattr(row, column)


KEYS = {
    "application": text("Application", lambda row: _read(row, "application")),
    "dataset": text("Dataset", lambda row: _read(row, "dataset")),
    "model": text("Family", lambda row: _read(row, "model")),
    "candidate": text("Candidate", lambda row: _read(row, "candidate")),
    "serving": text(
        "Serving", lambda row: Serving(row["runtime"], row["n_threads"], row["device"]).label
    ),
}
"""Columns that say whose row it is; a row holds them by these names, or the serving's fields."""


def keys(*names: str) -> list[Column]:
    """Return columns of :data:`KEYS`."""
    return [KEYS[name] for name in names]


def tabulate(caption: str, rows: Iterable[object], *columns: Column) -> Table:
    """Write a table, one line per row.

    >>> tabulate("Squares", [1, 2], number("n²", lambda n: str(n * n))).rows
    (('1',), ('4',))
    """
    return Table(
        caption=caption,
        columns=columns,
        rows=tuple(tuple(column.write(row) for column in columns) for row in rows),
    )


@dataclass(frozen=True)
class Section:
    """One question and its answer, closed until it is asked: sentences, points, tables."""

    id: str
    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
