"""A Parquet table with lists and structs, shown in kedro-viz as any other table."""

from __future__ import annotations

from kedro_datasets._typing import TablePreview
from kedro_datasets.polars import EagerPolarsDataset

from rightfit._core.typed_tables import find_nested, write_as_text


class NestedTableDataset(EagerPolarsDataset):  # type: ignore[misc]  # kedro-datasets ships no types
    """Kedro's dataset of polars tables, whose preview shows lists and structs as JSON.

    kedro-viz cannot write the arrays that pandas makes of them.
    """

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows."""
        table = self._copy().load().head(nrows)
        shown = write_as_text(table, *find_nested(table))
        return TablePreview(shown.to_pandas().to_dict(orient="split"))
