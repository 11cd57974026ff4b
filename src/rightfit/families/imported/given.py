"""Models as somebody has them, in memory or as files, each made a bundle in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rightfit.errors import RightfitError
from rightfit.families.bundle import Bundle
from rightfit.families.imported.bundling import bundle_object
from rightfit.families.imported.facts import Facts, describe_object
from rightfit.families.imported.row_table import RowTable


class GivenModel(Protocol):
    """A model that can be made a bundle."""

    @property
    def facts(self) -> Facts:
        """What it says of itself."""

    def bundle(
        self, folder: Path, *, name: str, rows: RowTable | None, classes: tuple[str, ...] | None
    ) -> Bundle:
        """Write it as a bundle.

        Args:
            folder: Folder to create, below one that no other user can read.
            name: The model's name.
            rows: Rows to try it on, all columns that there are; ``None``: there are none.
            classes: The classes, empty in regression; ``None``: its answers are not judged.

        Raises:
            RightfitError: If it does not answer the rows.
        """


@dataclass(frozen=True)
class GivenObject:
    """A model of this process."""

    model: Any
    facts: Facts

    def bundle(
        self, folder: Path, *, name: str, rows: RowTable | None, classes: tuple[str, ...] | None
    ) -> Bundle:
        """See :class:`GivenModel`."""
        if rows is None:
            raise RightfitError(
                f"{self.facts.name} needs rows to be measured with: give some that it can answer, "
                "as in measure(model, X_test)."
            )
        return bundle_object(
            self.model, folder, name=name, facts=self.facts, rows=rows, classes=classes
        )


def take_model(model: Any) -> GivenModel:
    """Recognise a model.

    Raises:
        RightfitError: If it is none that could be measured.
    """
    return GivenObject(model, describe_object(model))
