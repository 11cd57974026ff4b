"""The block of a project's first dataset, inferred from its catalog entry."""

from __future__ import annotations

from kedro.io import DatasetError

from rightfit.preparation.frames import read_frame
from rightfit.preparation.proposal import describe_dataset, write_block
from rightfit.verbs.stored import StoredResults


def describe_entry(results: StoredResults, entry: str, target: str | None, *, dataset: str) -> str:
    """Infer the description of a dataset from a catalog entry.

    Args:
        results: The project's catalog.
        entry: Name of the entry.
        target: Column to predict.
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
        raise ValueError(f"The table {entry} cannot be loaded: {err}") from err
    frame = read_frame(loaded, entry=entry)
    if target is None or target not in frame.columns:
        raise ValueError(
            f"--target must be a column of {entry}, one of {frame.columns}; got {target!r}."
        )
    return write_block(dataset, describe_dataset(frame, entry=entry, target=target))
