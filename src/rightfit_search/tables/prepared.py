"""A dataset prepared in one go, and later rows encoded like those it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.frames import Table, require_columns
from rightfit.data.request_path.encoder import Encoder
from rightfit.data.request_path.raw_inputs import IMAGE, list_inputs
from rightfit.data.request_path.row_reading import read_values
from rightfit.models.quality.metric import QualityMetric
from rightfit_search.tables.assembling import assemble, derive
from rightfit_search.tables.completion import complete_block
from rightfit_search.tables.data_card import DataCard, make_data_card
from rightfit_search.tables.description import DatasetBlock, DatasetSpec
from rightfit_search.tables.encoding import encode_part, fit_encoder, refit_target_means
from rightfit_search.tables.splitting import PARTS, Parted, assign_parts
from rightfit_search.tables.table_check import RawCheck, blank_outliers, check_tables
from rightfit_search.tables.tables import cast_without_loss, parse_dtype


@dataclass(frozen=True)
class PreparedDataset:
    """A dataset ready for searches.

    Args:
        spec: Its complete description.
        rows: Rows of all parts, not encoded, with ``label`` and ``part``.
        encoder: Fitted on the train rows.
        data_card: What it is.
    """

    spec: DatasetSpec
    rows: pl.DataFrame
    encoder: Encoder
    data_card: DataCard

    def with_quality(self, metric: QualityMetric) -> PreparedDataset:
        """Return the dataset judged by another metric."""
        stated = {"quality": metric}
        inferred = tuple(key for key in self.data_card.inferred if not key.startswith("quality"))
        card = self.data_card.model_copy(update=stated | {"inferred": inferred})
        return replace(self, spec=self.spec.model_copy(update=stated), data_card=card)

    def take(self, part: str) -> pl.DataFrame:
        """Return the rows of ``train``, ``validation`` or ``test``, not encoded."""
        return self.rows.filter(pl.col("part") == part)

    def encode(self, part: str) -> pl.DataFrame:
        """Return the encoded rows of a part: float32 features, then the column ``label``."""
        return encode_part(self.encoder, self.rows, part)

    def encode_for_all(self) -> tuple[Encoder, dict[str, pl.DataFrame]]:
        """Return an encoder for a training on all rows, and the rows of each part encoded by it.

        Target means are those of all rows, and out of fold in the rows themselves.
        """
        rows = self.rows.with_columns(part=pl.lit("train"))
        encoder = refit_target_means(self.encoder, rows)
        encoded = encode_part(encoder, rows, "train")
        return encoder, {part: encoded.filter(self.rows["part"] == part) for part in PARTS}


def prepare_dataset(
    name: str,
    block: DatasetBlock,
    tables: Mapping[str, Table],
    *,
    assign: Callable[[DatasetSpec, pl.DataFrame], Parted] = assign_parts,
) -> PreparedDataset:
    """Complete a dataset's description from its tables, check them, assemble and encode the rows.

    Args:
        name: The dataset's name.
        block: What is said about it; the rest is inferred.
        tables: Raw tables by name.
        assign: Splits the labelled rows; by default as the description says.

    Raises:
        RightfitError: If something cannot be inferred, or a table does not fit; lists all faults.
    """
    complete = complete_block(block, tables, dataset_name=name)
    spec = complete.spec
    check = RawCheck(
        tables=check_tables(spec, tables, dataset_name=name),
        inferred=complete.list_inferred(block),
        remarks=complete.remarks,
    )
    rows, counts = assemble(spec, tables, assign=assign)
    encoder = fit_encoder(spec.features, rows, spec.list_decimals())
    card = make_data_card(
        spec, dataset_name=name, rows=rows, encoder=encoder, raw_check=check, row_counts=counts
    )
    return PreparedDataset(spec, rows, encoder, card)


def read_new_rows(spec: DatasetSpec, encoder: Encoder, table: Table) -> pl.DataFrame:
    """Read rows that no model has seen, as those of a dataset of one table were.

    Args:
        spec: The dataset's description.
        encoder: Fitted on its train rows.
        table: Rows with the columns that the features are made of; others are ignored.

    Returns:
        The columns that the encoder reads, one row per row of the table.

    Raises:
        RightfitError: If a column is missing, or holds values of another kind.
    """
    derived = {derived_column.name for derived_column in spec.derived}
    sources = {step.column for step in encoder.steps} | {
        derived_column.column for derived_column in spec.derived
    }
    groups = spec.schemas[spec.main_table].by_column()
    needed = [name for name in groups if name in sources - derived]
    require_columns(table, needed)
    inputs = {name: tensor for tensor in list_inputs(encoder.to_json()) for name in tensor.columns}
    computed_from = {derivation.column for derivation in spec.derived}
    columns = []
    for name in needed:
        column, group = table[name], groups[name]
        if name in inputs and name not in computed_from and inputs[name].name != IMAGE:
            columns.append(blank_outliers(read_values(column, inputs[name]), group))
            continue
        cast = cast_without_loss(column, group.dtype, group.decimal)
        if cast is None:  # numbers that do not fit the described dtype stay as they are
            is_number = column.dtype.is_numeric() or column.dtype == pl.Boolean
            if not (is_number and parse_dtype(group.dtype).is_numeric()):
                raise RightfitError(
                    f"The column {name!r} holds {column.dtype}, but the model was trained on "
                    f"{group.dtype}. Convert it."
                )
            cast = column
        cast = blank_outliers(cast, group)
        columns.append(cast.fill_nan(None) if cast.dtype.is_float() else cast)
    rows = pl.DataFrame(columns)
    for derived_column in spec.derived:
        rows = rows.with_columns(derive(derived_column).alias(derived_column.name))
    return rows
