"""The block of a project's first dataset, inferred from its catalog entry."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from kedro.io import DatasetError

from rightfit.parameters.faults import explain_faults
from rightfit.preparation.assembling import assemble
from rightfit.preparation.checking import check_tables
from rightfit.preparation.encoding import fit_encoder_steps
from rightfit.preparation.frames import read_tables
from rightfit.preparation.inferring.proposal import describe_dataset, write_block
from rightfit.preparation.spec import DatasetSpec, Target
from rightfit.preparation.tables import Table
from rightfit.processes.regular_files import find_special, require_regular
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
        ValueError: If the entry cannot be loaded or is no regular file, the column is not in it, or
            something cannot be inferred.
    """
    place = results.find_source(entry)
    for special in () if place is None else find_special(place):
        require_regular(special)
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
    tables = read_tables({entry: entry}, [loaded])
    columns = tables[entry].columns
    if column is None or column not in columns:
        raise ValueError(f"--target must be a column of {entry}, one of {columns}; got {column!r}.")
    said = {"column": column, "at_least": at_least}
    if faults := explain_faults("", {"target": said}, ["target"], Target):
        raise ValueError("; ".join(faults))
    target = Target(column=column, at_least=at_least)
    try:
        proposal = describe_dataset(tables[entry], entry=entry, target=target)
        _prepare(proposal.spec, tables, dataset_name=dataset)
    except ValueError as err:
        reason = " ".join(str(err).split())
        raise ValueError(f"The table {entry} cannot be described: {reason}") from err
    return write_block(dataset, proposal)


def _prepare(spec: DatasetSpec, tables: Mapping[str, Table], *, dataset_name: str) -> None:
    """Prepare the table as a run does, so that no run refuses the block."""
    check_tables(spec, tables, dataset_name=dataset_name)
    rows, _ = assemble(spec, tables)
    fit_encoder_steps(spec.features, rows.filter(pl.col("part") == "train"))
