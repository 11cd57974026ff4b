"""The block of a project's first dataset, inferred from its catalog entry."""

from __future__ import annotations

from typing import Any

from kedro.io import DatasetError

from rightfit.preparation.block import DatasetBlock, complete_block
from rightfit.preparation.frames import read_tables
from rightfit.verbs.stored import StoredResults

WHOLE = {"title", "licence", "source", "notes"}  # nothing to review in them yet


def describe_entry(
    results: StoredResults, entry: str, target: str | None, *, dataset: str
) -> dict[str, Any]:
    """Infer the description of a dataset from a catalog entry.

    Args:
        results: The project's catalog.
        entry: Name of the entry.
        target: Column to predict.
        dataset: The dataset's name.

    Returns:
        The complete block, as plain YAML types.

    Raises:
        ValueError: If the entry cannot be loaded, the column is not in it, or something cannot be
            inferred.
    """
    try:
        frame = results.load_current(entry)
    except DatasetError as err:
        raise ValueError(f"The table {entry} cannot be loaded: {err}") from err
    tables = read_tables({entry: entry}, (frame,))
    columns = tables[entry].columns
    if target not in columns:
        raise ValueError(f"--target must be a column of {entry}, one of {columns}; got {target!r}.")
    block = DatasetBlock.model_validate({"tables": [entry], "target": {"column": target}})
    spec = complete_block(block, tables, dataset_name=dataset).spec
    described: dict[str, Any] = spec.model_dump(mode="json", exclude_defaults=True, exclude=WHOLE)
    return described
