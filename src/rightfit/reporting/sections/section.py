"""Parts of a section of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


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
