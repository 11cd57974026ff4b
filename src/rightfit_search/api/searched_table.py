"""A table that models are searched for, from what a call is given to a prepared dataset."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import ValidationError

from rightfit._core.arguments import read_path
from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of
from rightfit._core.formatting import join_sentences
from rightfit._core.frames import Table, read_frame
from rightfit._core.row_files import scan_rows
from rightfit._core.spelling import name_some, suggest
from rightfit._core.strict_model import list_faults, read_key
from rightfit.measuring.targets import Quality, choose_metric
from rightfit.models.onnx_session import first_line
from rightfit.models.schema import Task
from rightfit.params.faults import explain_faults
from rightfit_search.tables.description import DatasetBlock, DatasetSpec
from rightfit_search.tables.prepared import PreparedDataset, prepare_dataset
from rightfit_search.tables.splitting import Parted, assign_parts
from rightfit_search.tables.tables import read_records, require_names

NAME = "data"  # of the dataset


def read_table(table: object, *, texts: Collection[str] = (), keeps_codes: bool = False) -> Table:
    """Read what a search is given.

    Args:
        table: The table.
        texts: Columns of a CSV file that are texts whatever they look like.
        keeps_codes: As of :func:`~rightfit._core.row_files.scan_rows`.

    Raises:
        RightfitError: If it is no table, or holds no rows.
    """
    if isinstance(table, str | Path):
        path = read_path("table", table)
        with scan_rows(path, texts=texts, keeps_codes=keeps_codes) as scan:
            return require_names(read_frame(scan, entry="table"), entry="table")
    if isinstance(table, np.ndarray):
        raise RightfitError(
            "The table is an array, whose columns have no names. Give it as "
            "polars.DataFrame(table, schema=[...]), or use RightfitClassifier or RightfitRegressor."
        )
    if isinstance(table, Sequence):
        table = read_records(table, entry="table")
    try:
        frame = require_names(read_frame(table, entry="table"), entry="table")
    except (ValueError, pl.exceptions.PolarsError) as err:
        raise RightfitError(f"The table cannot be read: {first_line(err)}") from err
    if not frame.height:
        raise RightfitError("The table has no rows.")
    return frame


def name_target(table: object, target: str | int) -> str:
    """Return the target's name in the table that was read of a frame: a number becomes a text."""
    is_number = isinstance(target, Integral) and not isinstance(target, bool)
    if is_number and is_of(table, "pandas", "DataFrame"):
        return str(target)
    return target  # type: ignore[return-value]  # of another kind: check_target refuses it


def check_target(frame: Table, target: str) -> pl.Series:
    """Check that a column can be predicted; return its different values.

    Raises:
        RightfitError: If it is no column, or has fewer than two values.
    """
    if not isinstance(target, str) or target not in frame.columns:
        raise RightfitError(
            f"target must be a column of the table, but got {target!r}"
            f"{suggest(str(target), frame.columns)}. It has {name_some(frame.columns)}."
        )
    try:
        values = frame[target].drop_nulls().unique()
    except pl.exceptions.PolarsError as err:
        raise RightfitError(
            f"The target {target!r} holds {frame[target].dtype}, which cannot be told apart. Give "
            "texts, truth values or numbers."
        ) from err
    if values.len() < 2:
        raise RightfitError(
            f"The target {target!r} holds {values.to_list()} in all rows, so there is nothing to "
            "learn; name another column."
        )
    return values


def prepare_table(
    frame: Table,
    target: str,
    *,
    task: Task | None,
    quality: Quality | None,
    dataset: Mapping[str, object] | None,
    assign: Callable[[DatasetSpec, pl.DataFrame], Parted],
) -> PreparedDataset:
    """Prepare a table as the arguments of ``rightfit.search`` describe it.

    Raises:
        RightfitError: If they are wrong, say one thing twice, or do not fit the table.
    """
    settings: dict[str, object] = {
        "tables": [NAME], "target": {"column": target}, "task": task,
        "quality": quality_block(quality),
    }  # fmt: skip
    if not isinstance(dataset, Mapping | None):
        raise RightfitError(
            f"dataset must be a mapping of keys, as a dataset's block, but got {dataset!r:.80}."
        )
    stated = dataset or {}
    repeated = [
        key for key in ("tables", "task", "quality") if key in stated and settings[key] is not None
    ]
    if read_key(stated.get("target"), "column") not in (None, target):
        repeated.append("target")
    if repeated:
        raise RightfitError(
            f"dataset says {repeated}, which search is given outside of it; say each in one place."
        )
    if isinstance(aim := stated.get("target"), Mapping):
        stated = {**stated, "target": {"column": target, **aim}}
    settings |= stated
    if faults := explain_faults("", {"dataset": settings}, ["dataset"], DatasetBlock):
        raise RightfitError(join_sentences(faults))
    return prepare_rows(settings, frame, quality, assign)


def prepare_rows(
    block: Mapping[str, object],
    frame: Table,
    quality: Quality | None,
    assign: Callable[[DatasetSpec, pl.DataFrame], Parted] = assign_parts,
) -> PreparedDataset:
    """Prepare a table as a dataset's block describes it; see :func:`prepare_dataset`.

    Raises:
        RightfitError: If the block is not right, or the table or the metric does not fit it.
    """
    try:
        described = DatasetBlock.model_validate(block)
        return judge_by(quality, prepare_dataset(NAME, described, {NAME: frame}, assign=assign))
    except ValidationError as err:
        raise RightfitError(join_sentences(list_faults(err))) from err
    except ValueError as err:
        reason = " ".join(str(err).split())
        raise RightfitError(f"The search cannot be prepared: {reason}") from err


def quality_block(quality: Quality | None) -> object:
    """Return a metric as a dataset's block says it; ``None`` for a function."""
    if isinstance(quality, str):
        return {"name": quality}
    return None if _is_function(quality) else quality


def judge_by(quality: Quality | None, prepared: PreparedDataset) -> PreparedDataset:
    """Have a function judge a dataset; any other metric is in its block.

    Raises:
        RightfitError: If it cannot judge the targets, or cannot be sent to other processes.
    """
    if not _is_function(quality):
        return prepared
    card, labels = prepared.data_card, prepared.rows["label"].to_numpy()
    metric = choose_metric(quality, labels, card.task, card.input_schema.classes)
    metric.dump_function()
    return prepared.with_quality(metric)


def _is_function(quality: Quality | None) -> bool:
    return callable(quality.get("name") if isinstance(quality, Mapping) else quality)
