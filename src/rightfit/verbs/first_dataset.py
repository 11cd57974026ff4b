"""The block of a project's first dataset, inferred from its catalog entry."""

from __future__ import annotations

from kedro.io import DatasetError

from rightfit.preparation.frames import read_frame
from rightfit.preparation.inferring.proposal import describe_dataset, write_block
from rightfit.preparation.spec import Target
from rightfit.spelling import find_nearest
from rightfit.verbs.stored import StoredResults


def describe_entry(
    results: StoredResults,
    entry: str,
    column: str | None,
    *,
    at_least: float | None,
    dataset: str,
) -> str:
    """Infer the description of a dataset from a catalog entry.

    Args:
        results: The project's catalog.
        entry: Name of the entry.
        column: Column to predict.
        at_least: The column's value from which on a row belongs to the second of two classes;
            ``None`` where its values are the classes.
        dataset: The dataset's name.

    Returns:
        The complete block as YAML, to stand below ``datasets``.

    Raises:
        ValueError: If the entry cannot be loaded, the column is not in it, or something cannot be
            inferred.
    """
    try:
        loaded = results.load_current(entry)
    except DatasetError as err:
        others = set(results.list_entries()) - {entry}
        nearest = find_nearest(entry, sorted(others))
        question = f"Did you mean {nearest}? " if nearest else ""
        raise ValueError(
            f"The table {entry} cannot be loaded. {question}If a pipeline of yours makes it, give "
            f"it a catalog entry and run that pipeline first. {err}"
        ) from err
    frame = read_frame(loaded, entry=entry)
    if column is None or column not in frame.columns:
        raise ValueError(
            f"--target must be a column of {entry}, one of {frame.columns}; got {column!r}."
        )
    target = Target(column=column, at_least=at_least)
    return write_block(dataset, describe_dataset(frame, entry=entry, target=target))
