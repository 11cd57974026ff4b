"""Train rows beyond the sample: read, labelled and encoded a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from rightfit._core.frames import ROW, RawTableError, ScannedTable, Table
from rightfit.data.request_path.encoder import Encoder
from rightfit_search.tables.assembling import add_label, join_and_derive, label_rows
from rightfit_search.tables.description import DatasetSpec
from rightfit_search.tables.encoding import apply_encoder
from rightfit_search.tables.splitting import assign_parts
from rightfit_search.tables.table_check import clean_table

N_BATCH_ROWS = 2**18  # of the main table, read at once


def stream_beyond_sample(
    spec: DatasetSpec,
    tables: Mapping[str, Table],
    encoder: Encoder,
    sample: pl.DataFrame,
    *,
    n_rows: int,
) -> Iterator[pl.DataFrame]:
    """Encode the train rows that ``max_train_rows`` excludes.

    The tables are split anew, which must give the same sample: otherwise they have changed.

    Args:
        spec: The dataset's description.
        tables: Raw tables by name.
        encoder: Fitted on the train rows of the sample.
        sample: The rows of all parts that were taken before, with ``label`` and ``part``.
        n_rows: Rows wanted; of more a seeded random share is read.

    Yields:
        Float32 features, then the column ``label``.

    Raises:
        RawTableError: If a table has changed since the sample was taken, or cannot be read.
    """
    main = tables[spec.main_table]
    _require_unchanged(tables)
    labelled = label_rows(spec, main)
    parted = assign_parts(spec, labelled)
    if not parted.rows.select("label", "part").equals(sample.select("label", "part")):
        raise RawTableError(_describe_change(spec, "since its sample was taken"))
    assert parted.beyond_sample is not None  # noqa: S101 -- as the split says
    beyond = np.flatnonzero(parted.beyond_sample)
    if n_rows < len(beyond):
        beyond = np.sort(np.random.default_rng(spec.seed).choice(beyond, n_rows, replace=False))
    expected = labelled.select(ROW, "label")[beyond]
    del labelled, parted, beyond
    positions = expected[ROW].to_numpy()
    for start in range(0, main.height, N_BATCH_ROWS):
        first, end = np.searchsorted(positions, (start, start + N_BATCH_ROWS))
        if first == end:
            continue
        batch = main.slice(start, N_BATCH_ROWS)
        if batch.height <= positions[end - 1] - start:
            raise RawTableError(_describe_change(spec, "while it was read"))
        batch = batch[positions[first:end] - start]
        target = clean_table(batch, spec.schemas[spec.main_table], [spec.target.column])
        if not add_label(target, spec.target)["label"].equals(expected["label"][first:end]):
            raise RawTableError(_describe_change(spec, "while it was read"))
        rows, _ = join_and_derive(spec, tables, batch)
        yield apply_encoder(encoder, rows).with_columns(expected["label"][first:end])
    _require_unchanged(tables)


def _require_unchanged(tables: Mapping[str, Table]) -> None:
    for table in tables.values():
        if isinstance(table, ScannedTable):
            table.require_unchanged()


def _describe_change(spec: DatasetSpec, when: str) -> str:
    return (
        f"The table {spec.main_table} has changed {when}: its targets are others. Run again once "
        "nothing writes to it."
    )
