"""Rows on disk for models that somebody has, a file for each form in which they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rightfit.families.bundle import Bundle
from rightfit.families.imported.bundle_rows import find_feeds, find_form, make_rows
from rightfit.families.imported.row_table import RowTable
from rightfit.families.runtimes import RUNTIMES, can_serve
from rightfit.profiling.measuring.jobs import RowsFile


def write_model_rows(
    bundles: Mapping[str, Bundle],
    table: RowTable | None,
    folder: Path,
    runtimes: Iterable[str] = RUNTIMES,
) -> dict[tuple[str, str], RowsFile]:
    """Write the rows that each model reads in each runtime, the same ones once.

    Args:
        bundles: The models by name.
        table: All columns that there are; ``None``: values are drawn at random.
        folder: Where to; no other user may read it.
        runtimes: Runtimes that are wanted.

    Returns:
        Files by name and runtime.

    Raises:
        RightfitError: If a model reads other columns.
    """
    written: dict[object, RowsFile] = {}
    files = {}
    wanted = [
        (name, runtime)
        for runtime in runtimes
        for name, bundle in bundles.items()
        if can_serve(bundle, runtime)
    ]
    for name, runtime in wanted:
        bundle = bundles[name]
        feeds = find_feeds(bundle, runtime)
        key = feeds or (find_form(bundle, runtime), bundle.schema.features)
        if key not in written:
            rows = make_rows(bundle, runtime, table)
            written[key] = RowsFile.write(rows, folder, f"rows-{len(written)}")
        files[name, runtime] = written[key]
    return files
