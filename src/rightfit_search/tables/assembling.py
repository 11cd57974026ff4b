"""Put one row per example together: label, part, joined and derived columns, not yet encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from rightfit._core.frames import ROW, RawTableError, Table
from rightfit.data.request_path.dates import DATE_PARTS, read_texts
from rightfit_search.tables.description import RESERVED_COLUMNS, DatasetSpec
from rightfit_search.tables.description_parts import (
    ClockMinutes,
    ColumnSplit,
    Derived,
    GroupShare,
    LatestShare,
    Target,
)
from rightfit_search.tables.splitting import Parted, assign_parts
from rightfit_search.tables.table_check import clean_table
from rightfit_search.tables.tables import take_rows


class DroppedRows(BaseModel):
    """Rows left out for one reason."""

    model_config = ConfigDict(frozen=True)

    reason: str
    n_rows: int


class RowCounts(BaseModel):
    """Rows read, left out and kept; per joined table the rows without a partner.

    ``beyond_sample`` counts the train rows among those left out that ``max_train_rows`` excludes,
    ``taught`` the kept ones whose label is a teacher's answer, which took ``labelling_s`` of the
    seconds of each search.
    """

    model_config = ConfigDict(frozen=True)

    read: int
    dropped: tuple[DroppedRows, ...]
    kept: int
    beyond_sample: int = 0
    taught: int = 0
    labelling_s: float = 0.0
    unmatched: dict[str, int]


def assemble(
    spec: DatasetSpec,
    tables: Mapping[str, Table],
    *,
    assign: Callable[[DatasetSpec, pl.DataFrame], Parted] = assign_parts,
) -> tuple[pl.DataFrame, RowCounts]:
    """Build the rows that models learn from and are tested on.

    Of the main table, the columns that decide which rows are kept are read whole, all others for
    these rows alone.

    Args:
        spec: The dataset's description.
        tables: Raw tables by name.
        assign: Splits the labelled rows; by default as the description says.

    Returns:
        The rows, in the main table's order: the features' source columns, columns of one value
        (which imported models may read), ``label`` (class position, or the value to predict) and
        ``part`` (train, validation or test); and the count of rows.

    Raises:
        RawTableError: If a part lacks rows of a class, or a derived column cannot be computed.
    """
    main = tables[spec.main_table]
    labelled = label_rows(spec, main)
    parted = assign(spec, labelled)
    row_parts = parted.rows.select(ROW, "label", "part")
    columns = list(spec.schemas[spec.main_table].by_column())
    taken, features = take_rows(main, columns, row_parts[ROW]), spec.features.columns
    unused = set(columns).difference(features, RESERVED_COLUMNS, [spec.target.column])
    constants = [name for name in columns if name in unused and taken[name].n_unique() <= 1]
    rows, unmatched = join_and_derive(spec, tables, taken, columns=(*features, *constants))
    n_missing = main.height - labelled.height - parted.n_taught
    dropped = [(f"{spec.target.column} is missing", n_missing)]
    counts = RowCounts(
        read=main.height,
        dropped=tuple(
            DroppedRows(reason=reason, n_rows=n_rows)
            for reason, n_rows in (*dropped, *parted.dropped)
            if n_rows
        ),
        kept=row_parts[ROW].n_unique(),
        beyond_sample=0 if parted.beyond_sample is None else int(parted.beyond_sample.sum()),
        taught=parted.n_taught,
        labelling_s=parted.labelling_s,
        unmatched=unmatched,
    )
    return rows.with_columns(row_parts["label"], row_parts["part"]), counts


def label_rows(spec: DatasetSpec, main: Table) -> pl.DataFrame:
    """Return the main table's rows whose target is known, with their ``label``.

    Returns:
        The columns of :func:`read_deciding`, and ``label``.
    """
    return add_label(read_deciding(spec, main), spec.target)


def read_deciding(spec: DatasetSpec, main: Table) -> pl.DataFrame:
    """Return the columns that decide on the part of the main table's rows.

    Returns:
        The target, the columns of the split, and the row's position as :data:`ROW`. Dates as texts
        are days since 1970 where a split by time would misread them.
    """
    deciding = {spec.target.column}
    if isinstance(spec.split, ColumnSplit):
        deciding.add(spec.split.column)
    times: set[str] = set()
    for share in (spec.split, spec.validation):
        if isinstance(share, LatestShare):
            times.update(share.time_columns)
        if isinstance(share, GroupShare):
            deciding.update(share.group_columns)
    deciding |= times
    rows = clean_table(main, spec.schemas[spec.main_table], deciding).with_row_index(ROW)
    return rows.with_columns(
        _order_in_time(rows[name], month_first=name in spec.features.month_first) for name in times
    )


def _order_in_time(column: pl.Series, *, month_first: bool) -> pl.Series:
    """Return days since 1970 where all texts are dates and their alphabet would not order them."""
    if column.dtype != pl.String:
        return column
    texts = column.drop_nulls().unique().sort()
    texts = texts.filter(texts.str.strip_chars() != "")
    for begins_with_month in (True,) if month_first else (False, True):
        is_date, parts = read_texts(texts.to_list(), month_first=begins_with_month)
        if is_date.all():
            days = parts[:, DATE_PARTS.index("days")]
            if (np.diff(days) < 0).any():
                return column.replace_strict(texts, days, default=None, return_dtype=pl.Float64)
            break
    return column


def join_and_derive(
    spec: DatasetSpec,
    tables: Mapping[str, Table],
    main: pl.DataFrame,
    *,
    columns: Sequence[str] | None = None,
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Complete rows of the main table by joins and derived columns.

    Args:
        spec: The dataset's description.
        tables: Raw tables by name.
        main: Rows of the main table, with all described columns.
        columns: What to return; ``None``: the features' source columns.

    Returns:
        These columns of these rows, in their order; and per joined table the rows without a
        partner.

    Raises:
        RawTableError: If a derived column cannot be computed.
    """
    rows, unmatched = clean_table(main, spec.schemas[spec.main_table]), {}
    for join in spec.joins:
        added = [pl.col(column).alias(join.prefix + column) for column in join.columns]
        other = clean_table(tables[join.table], spec.schemas[join.table])
        # m:1 refuses repeated keys in the other table, which would multiply rows
        rows = rows.join(
            other.select(*join.keys, *added, pl.lit(True).alias("_matched")),
            on=list(join.keys),
            how="left",
            validate="m:1",
            maintain_order="left",
        )
        unmatched[join.table] = rows["_matched"].null_count()
        rows = rows.drop("_matched")
    for derived in spec.derived:  # one by one: a derived column may read an earlier one
        try:
            rows = rows.with_columns(derive(derived).alias(derived.name))
        except pl.exceptions.PolarsError as err:
            reason = " ".join(str(err).split())
            raise RawTableError(
                f"The derived column {derived.name} ({derived.op} of {derived.column}) cannot be "
                f"computed: {reason}. Correct derived."
            ) from err
    return rows.select(spec.features.columns if columns is None else columns), unmatched


def add_label(main: pl.DataFrame, target: Target) -> pl.DataFrame:
    """Add what is predicted as ``label`` and drop the rows whose target is missing.

    It is the class position, or the value itself where there are neither classes nor a limit. A
    column that is itself called ``label`` is replaced.

    >>> target = Target(column="delay", at_least=30, classes=("no", "yes"))
    >>> add_label(pl.DataFrame({"delay": [29, 30, None]}), target)["label"].to_list()
    [0, 1]
    """
    labelled = main.filter(pl.col(target.column).is_not_null())
    if target.at_least is not None:
        label = (pl.col(target.column) >= target.at_least).cast(pl.Int64)
    elif not target.classes:
        label = pl.col(target.column).cast(pl.Float64)
    else:
        position = {name: i for i, name in enumerate(target.classes)}
        text = pl.col(target.column).cast(pl.String)
        label = text.replace_strict(position, return_dtype=pl.Int64)
    return labelled.with_columns(label.alias("label"))


def derive(derived: Derived) -> pl.Expr:
    """Return the expression of a derived column.

    >>> clock = ClockMinutes(op="clock_minutes", name="departure", column="hhmm")
    >>> pl.DataFrame({"hhmm": [106, 2359]}).select(derive(clock))["hhmm"].to_list()
    [66, 1439]
    """
    column = pl.col(derived.column)
    if isinstance(derived, ClockMinutes):
        return column // 100 * 60 + column % 100
    if derived.time_zone is not None:
        column = column.dt.convert_time_zone(derived.time_zone)
    return column.dt.weekday()
