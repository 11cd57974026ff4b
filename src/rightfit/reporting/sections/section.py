"""Parts of a section of the report: sentences and tables, and the columns that several share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rightfit.formatting import format_number
from rightfit.naming import words
from rightfit.profiling.serving import Serving


@dataclass(frozen=True)
class Column:
    """The head of a column."""

    title: str
    numeric: bool = False
    wide: bool = False

    @property
    def style(self) -> str:
        """Class names of its cells."""
        return "number" if self.numeric else "wide" if self.wide else "word"


@dataclass(frozen=True)
class Table:
    """Rows of ready-made texts under a caption."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Cells:
    """A column with the text of its cell for a row."""

    column: Column
    write: Callable[[Any], str]


def text(title: str, write: Callable[[Any], str]) -> Cells:
    """Describe a column of words."""
    return Cells(Column(title), write)


def number(title: str, write: Callable[[Any], str]) -> Cells:
    """Describe a column of numbers."""
    return Cells(Column(title, numeric=True), write)


def sentence(title: str, write: Callable[[Any], str]) -> Cells:
    """Describe a column of sentences."""
    return Cells(Column(title, wide=True), write)


def figure(title: str, column: str) -> Cells:
    """Describe a column of plain numbers, which the rows hold by a name."""
    return number(title, lambda row: format_number(_read(row, column)))


def _read(row: Any, column: str) -> Any:
    return row[column] if isinstance(row, Mapping) else getattr(row, column)


KEYS = {
    "application": text("Application", lambda row: words(_read(row, "application"))),
    "dataset": text("Dataset", lambda row: words(_read(row, "dataset"))),
    "model": text("Family", lambda row: words(_read(row, "model"))),
    "candidate": text("Candidate", lambda row: _read(row, "candidate")),
    "serving": text(
        "Serving", lambda row: Serving(row["runtime"], row["n_threads"], row["device"]).label
    ),
}
"""Columns that say whose row it is; a row holds them by these names, or the serving's fields."""


def keys(*names: str) -> list[Cells]:
    """Return columns of :data:`KEYS`."""
    return [KEYS[name] for name in names]


def tabulate(caption: str, rows: Iterable[object], *cells: Cells) -> Table:
    """Write a table, one line per row.

    >>> tabulate("Squares", [1, 2], number("n²", lambda n: str(n * n))).rows
    (('1',), ('4',))
    """
    return Table(
        caption=caption,
        columns=tuple(cell.column for cell in cells),
        rows=tuple(tuple(cell.write(row) for cell in cells) for row in rows),
    )


@dataclass(frozen=True)
class Section:
    """One question and its answer, closed until it is asked: sentences, points, tables."""

    id: str
    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
