"""Judge stored predictions by the metrics and segments of applications; no model is opened."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import numpy as np
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit.measuring.profile import PREDICTIONS, profiles_schema
from rightfit.measuring.profiles.prediction_quality import judge_again
from rightfit.measuring.profiles.stored_predictions import MAX_VALUES, JudgedRows, makes_segments
from rightfit.measuring.targets import Quality, choose_metric
from rightfit.models.quality.bounds import complete_quality
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.schema import Task
from rightfit.ranking.applications.applications import Application, Applications

logger = logging.getLogger(__name__)

MIN_SEGMENT_ROWS = 30  # fewer tell too little to choose by
NO_SEGMENTS = f"must have texts, numbers, dates or truth values, {MAX_VALUES:,} different at most"
KEYS = pl.Schema(
    {
        "application": pl.String,
        "dataset": pl.String,
        "segment": pl.String,
        "n_rows": pl.Int64,
        "reason": pl.String,
    }
)
_QUALITY = ("quality", "final_quality", PREDICTIONS)  # how columns begin that speak of it
SCHEMA = KEYS | {
    name: dtype for name, dtype in profiles_schema().items() if name.startswith(_QUALITY)
}

Functions = Mapping[str, Quality]  # that judge, by application


def require_judgeable(
    applications: Mapping[str, Application],
    columns: pl.DataFrame,
    targets: pl.Series,
    task: Task | None,
) -> None:
    """Refuse metrics and columns of applications that fit no such rows, before anything slow.

    Args:
        applications: What is asked for.
        columns: The rows' raw columns.
        targets: What is to be predicted, as classes or values.
        task: What is predicted; ``None``: no metric is tried.

    Raises:
        RightfitError: If one does not fit; lists all of them.
    """
    faults = []
    for name, application in applications.items():
        if application.per is not None and application.per not in columns.columns:
            known = ", ".join(columns.columns)
            faults.append(f"{name}.per: there is no column {application.per!r:.80} among {known}")
        elif application.per is not None and not makes_segments(columns[application.per]):
            faults.append(f"{name}.per: the column {application.per!r:.80} {NO_SEGMENTS}")
        if application.quality is not None and task is not None:
            try:
                complete_quality(application.quality, targets, task)
            except ValueError as err:
                faults.append(f"{name}.{err}")
    if faults:
        raise RightfitError(f"applications: {'; '.join(faults)}")


def judge_applications(
    profiles: pl.DataFrame,
    applications: Applications,
    rows: Mapping[str, JudgedRows],
    functions: Functions = MappingProxyType({}),
) -> pl.DataFrame:
    """Judge the candidates as the applications do that name a metric or a column.

    Args:
        profiles: All profiles.
        applications: What is asked for.
        rows: Test rows and predictions of each dataset.
        functions: Functions that judge in place of an application's ``quality``.

    Returns:
        The columns of profiles that speak of quality, a row per application, dataset and hash of
        predictions; and one more per value of the column that the application names. A value that
        is not judged has one row, with the reason.

    Raises:
        RightfitError: If a metric judges none of the datasets, none has the column, or predictions
            are not stored.
    """
    tables = [
        pl.DataFrame(judged, schema=SCHEMA)
        for name, application in applications.items()
        if name in functions or application.has_own_quality
        for judged in _judge(name, application, profiles, rows, functions.get(name))
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *tables])


def _judge(
    name: str,
    application: Application,
    profiles: pl.DataFrame,
    rows: Mapping[str, JudgedRows],
    function: Quality | None,
) -> Iterator[list[dict[str, object]]]:
    """Yield the judgements of an application, dataset by dataset."""
    faults = []
    for dataset in profiles["dataset"].unique(maintain_order=True).to_list():
        if dataset not in rows:
            faults.append(f"the predictions for {dataset} were not kept: measure it again")
            continue
        judged_rows, mine = rows[dataset], profiles.filter(dataset=dataset)
        key: dict[str, object] = {"application": name, "dataset": dataset}
        try:
            metric = _find_metric(application, judged_rows, function)
            whole = judge_again(judged_rows, mine, metric)
        except ValueError as err:
            faults.append(f"{dataset}: {str(err).removeprefix('quality: ')}")
            continue
        n_rows = int((~judged_rows.final_rows).sum())
        yield [key | {"n_rows": n_rows} | row for row in whole.rows(named=True)]
        if application.per is None:
            continue
        if application.per not in judged_rows.columns.columns:
            known = ", ".join(judged_rows.columns.columns) or "none"
            faults.append(
                f"{dataset} has no column {application.per!r:.80} (per) to choose by, which "
                f"{NO_SEGMENTS}; it has {known}"
            )
            continue
        yield [key | row for row in _judge_segments(application.per, judged_rows, mine, metric)]
    if len(faults) == profiles["dataset"].n_unique():
        raise RightfitError(
            f"applications.{name}: {'; '.join(faults)}. Correct the application's quality or per."
        )
    for fault in faults:
        logger.warning("%s: %s; there the dataset's metric chooses for all rows", name, fault)


def _find_metric(
    application: Application, rows: JudgedRows, function: Quality | None
) -> QualityMetric:
    if function is not None:
        return choose_metric(function, rows.targets, rows.task, ())
    block = application.quality
    if block is None:
        return rows.metric
    return complete_quality(block, pl.Series(rows.targets), rows.task)


def _judge_segments(
    column: str, rows: JudgedRows, profiles: pl.DataFrame, metric: QualityMetric
) -> Iterator[dict[str, object]]:
    """Yield the judgements on the rows of each value of a column, in the order of the values."""
    values = rows.columns[column].cast(pl.String)
    for value in values.drop_nulls().unique().sort().to_list():
        among = (values == value).fill_null(value=False).to_numpy()
        n_rows = int(np.sum(among & ~rows.final_rows))
        key: dict[str, object] = {"segment": value, "n_rows": n_rows}
        if n_rows < MIN_SEGMENT_ROWS:
            reason = f"its {n_rows} test rows are fewer than {MIN_SEGMENT_ROWS}"
            yield key | {"reason": reason}
            continue
        try:
            judged = judge_again(rows, profiles, metric, among)
        except ValueError as err:
            yield key | {"reason": str(err)}
            continue
        yield from (key | row for row in judged.rows(named=True))
