"""Parts of a section of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Chart:
    """A figure with its title and texts.

    Args:
        figure: What is drawn.
        title: Names it.
        caption: What it shows, in a sentence from the data.
        alt: The same for readers who cannot see it.
    """

    figure: Figure
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Column:
    """The head of a column.

    Args:
        title: Its words, with the unit.
        numeric: Whether its cells are numbers, to be set flush right.
        wide: Whether its cells are sentences.
    """

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
class Fold:
    """Tables that open on demand; ``is_open``: from the start."""

    title: str
    tables: tuple[Table, ...]
    is_open: bool = False


@dataclass(frozen=True)
class Section:
    """One question and its answer: sentences, then points, charts and tables.

    Args:
        id: Anchor in the page.
        title: The question in a few words.
        sentences: Answer, each sentence from the data.
        points: Further findings as a list.
        charts: Drawn side by side where there is room.
        tables: Always visible.
        folds: Open on demand.
    """

    id: str
    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    folds: tuple[Fold, ...] = ()
