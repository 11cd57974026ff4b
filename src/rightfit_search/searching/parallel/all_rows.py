"""Choose on a sample, train on all rows: candidates learn from the train rows beyond the sample."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rightfit._core.formatting import count
from rightfit._core.processes.codec import hash_json
from rightfit._core.processes.leftovers import in_use, sweep_folders
from rightfit._core.progress import report_progress
from rightfit.models.bundle import Bundle
from rightfit_search.families.family import TrainingData
from rightfit_search.families.stored_rows import rows_in_blocks, store_rows
from rightfit_search.searching.cell import study_name
from rightfit_search.searching.parallel.planned_search import PlannedSearch, SearchOutcome
from rightfit_search.searching.row_curve import (
    Forecast,
    RowCurve,
    choose_n_rows,
    forecast_cpu_s,
    forecast_gain,
    predict_all_rows_s,
)
from rightfit_search.searching.search_scheduler import read_trials
from rightfit_search.searching.studies.trial_attributes import CONFIGURATION, CURVE
from rightfit_search.searching.task_worker import TaskWorker
from rightfit_search.searching.tasks import Task, TaskResult

logger = logging.getLogger(__name__)

CarryOut = Callable[[PlannedSearch, Task], TaskResult | None]


@dataclass(frozen=True)
class RowSource:
    """Train rows beyond the sample.

    Args:
        n_rows: How many there are.
        stream: Returns encoded batches, with ``label``, of ``n_rows`` of them.
        folder: Where they may be stored while candidates learn from them.
    """

    n_rows: int
    stream: Callable[..., Iterator[pl.DataFrame]]
    folder: Path


@dataclass(frozen=True)
class RowForecast:
    """What a training on more rows than the sample is expected to bring and to cost.

    Args:
        n_rows: Rows of that training.
        gain: Of the raw quality over that of the sample.
        metric: Name of the quality.
        cpu_s: CPU seconds of the training.
    """

    n_rows: int
    gain: Forecast
    metric: str
    cpu_s: Forecast

    def __str__(self) -> str:
        return (
            f"{self.n_rows:,} rows are expected to add {self.gain} of {self.metric} and to take "
            f"{self.cpu_s} CPU seconds"
        )


@dataclass(frozen=True)
class _Candidate:
    """A candidate with the task that trains it, and its learning curve where it was measured."""

    name: str
    search: PlannedSearch
    task: Task
    bundle: Bundle
    structure: Mapping[str, float]
    curve: RowCurve | None

    def read(self, task: Task) -> Bundle:
        """Read what a task has made."""
        search = self.search
        name = study_name(search.cell, search.settings)
        return TaskWorker(search.cell, search.settings, search.store, name).read_candidate(task)


def train_on_all_rows(
    searches: Sequence[PlannedSearch],
    outcomes: Mapping[str, SearchOutcome],
    source: RowSource,
    *,
    carry_out: CarryOut,
) -> tuple[dict[str, Bundle], dict[str, RowForecast]]:
    """Train the candidates that an application could choose on rows beyond their sample.

    Where quality alone decides, candidates are left out whose expected quality on all rows lies
    surely below another's. With ``training.rows: auto``, :func:`choose_n_rows` says how many rows
    are read. Rows are stored on disk, four bytes a value, and removed at the end; a run that was
    killed reads those that it finds whole, and candidates that it had finished.

    Args:
        searches: Completed searches of a dataset.
        outcomes: What they found, by the model's name.
        source: The rows.
        carry_out: Carries out a task of a search.

    Returns:
        The bundles of those that have learnt from more rows, and forecasts of these trainings, by
        candidate name.

    Raises:
        RightfitError: If the table has changed or cannot be read; all candidates stay as they were.
        OSError: If the rows cannot be stored; likewise.
    """
    if not source.n_rows:
        return {}, {}
    settings, cell = searches[0].settings, searches[0].cell
    sample = cell.final_rows() if cell.learns_validation else cell.train
    n_all = len(sample.labels) + source.n_rows
    n_rows = min(n_all, rows_in_blocks(settings.rows_memory_mib, sample.schema))
    candidates = [
        _forecast(search, name, bundle, carry_out)
        for search in searches
        for name, bundle in outcomes[search.cell.model].candidates.items()
    ]
    targets = settings.targets
    if targets is not None and not targets.applications.asks_costs:
        candidates = _leave_out_surely_worse(candidates, n_rows)
    curves = [candidate.curve for candidate in candidates if candidate.curve is not None]
    if settings.rows == "auto":
        if not curves:
            return {}, {}
        n_held, n_rows = n_rows, choose_n_rows(curves, n_rows)
        logger.info(
            "%s: auto chooses %s of %s rows: the last of them %s",
            cell.dataset,
            f"{n_rows:,}",
            f"{n_held:,}",
            "may add more than the error of the quality"
            if n_rows == n_held
            else "add less than the error of the quality, even at best",
        )
    if n_rows <= len(sample.labels):
        return {}, {}
    forecasts = {
        candidate.name: _forecast_rows(candidate, candidate.curve, len(sample.labels), n_rows)
        for candidate in candidates
        if candidate.curve is not None
    }
    for name, forecast in forecasts.items():
        logger.info("%s: %s", name, forecast)
    logger.info(
        "%s: %s of %s rows, %.2g GiB on disk, teach %s, each within %g MiB of memory",
        cell.dataset,
        f"{n_rows:,}",
        f"{n_all:,}",
        n_rows * sample.schema.n_features * 4 / 2**30,
        count(len(candidates), "candidate"),
        settings.rows_memory_mib,
    )
    key = hash_json([cell.data_version, n_rows], n_digits=12)
    held = source.folder.absolute() / f"rows-{key}"
    sweep_folders(path for path in source.folder.glob("rows-*") if path.name != held.name)
    held.mkdir(parents=True, exist_ok=True)
    trained = {}
    with in_use(held):
        try:
            for candidate in candidates:
                report_progress("training on more rows", candidate.name)
                task = replace(candidate.task, n_rows=n_rows)
                if not _has_learnt_more(candidate.read(task), candidate):
                    folder = held / "stored"
                    batches = _join(sample, source.stream(n_rows=n_rows - len(sample.labels)))
                    store_rows(folder, batches, sample.schema, n_rows=n_rows, seed=settings.seed)
                    result = carry_out(candidate.search, replace(task, stored_rows=str(folder)))
                    if result is not None:
                        logger.info("%s took %.3g CPU seconds", candidate.name, result.cpu_s)
                bundle = candidate.read(task)
                if _has_learnt_more(bundle, candidate):
                    trained[candidate.name] = bundle
                else:
                    logger.warning("%s stays as its sample has trained it", candidate.name)
        except Exception:  # not where somebody ends the run, which may go on later
            shutil.rmtree(held, ignore_errors=True)
            raise
        shutil.rmtree(held, ignore_errors=True)
    return trained, forecasts


def _forecast(search: PlannedSearch, name: str, bundle: Bundle, carry_out: CarryOut) -> _Candidate:
    """Measure a candidate's learning curve over rows; one whose trainings fail has none."""
    report_progress("forecasting", name)
    number, cell = int(name.rpartition("-")[2]), search.cell
    trial = read_trials(cell, search.settings, search.store)[number]
    last_point = trial.user_attrs[CURVE][-1]
    task = Task(
        "finish",
        number,
        trial.user_attrs[CONFIGURATION],
        last_point["kept_checkpoint"],
        learns_validation=cell.learns_validation,
        exports=search.exports,
    )
    result = carry_out(search, replace(task, kind="row_curve"))
    curve = None
    if result is not None and result.point is not None:
        point: dict[str, Any] = result.point
        point["cpu_s"] = [*point["cpu_s"], last_point["fit_cpu_s"]]
        curve = RowCurve(**point)
    else:
        logger.warning("%s: what more rows bring is not known", name)
    return _Candidate(name, search, task, bundle, last_point["structure"], curve)


def _forecast_rows(
    candidate: _Candidate, curve: RowCurve, n_sampled: int, n_rows: int
) -> RowForecast:
    """Forecast what more rows add to a training on the sample, validation included."""
    cell, configuration = candidate.search.cell, candidate.task.configuration
    work_s = predict_all_rows_s(cell, configuration, candidate.structure, n_rows)
    return RowForecast(
        n_rows,
        forecast_gain(curve, n_sampled, n_rows),
        cell.quality.name,
        forecast_cpu_s(curve, work_s),
    )


def _leave_out_surely_worse(candidates: Sequence[_Candidate], n_rows: int) -> list[_Candidate]:
    """Leave out candidates whose quality on more rows is at best below another's at worst."""
    ends = []
    for candidate in candidates:
        curve = candidate.curve
        if curve is None:
            ends.append((-np.inf, np.inf))
            continue
        gain = forecast_gain(curve, curve.n_rows[-1], n_rows)
        ends.append((curve.qualities[-1] + gain.low, curve.qualities[-1] + gain.high))
    best_low = max(low for low, _ in ends)
    return [c for c, (_, high) in zip(candidates, ends, strict=True) if high >= best_low]


def _has_learnt_more(bundle: Bundle, candidate: _Candidate) -> bool:
    return (bundle.n_training_rows or 0) > (candidate.bundle.n_training_rows or 0)


def _join(
    sample: TrainingData, frames: Iterator[pl.DataFrame]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield sample.rows, sample.labels
    features = list(sample.schema.features)
    for frame in frames:
        yield frame.select(features).to_numpy().astype(np.float32), frame["label"].to_numpy()
