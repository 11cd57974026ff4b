"""How good a candidate's answers to the test rows are, in the runtime that serves it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from rightfit.families.predictions import check_predictions
from rightfit.profiling.measuring.bench import Bench
from rightfit.profiling.measuring.jobs import Job
from rightfit.profiling.measuring.measurement import predict
from rightfit.profiling.measuring.state import Store, load_record, save_record
from rightfit.profiling.metrics import columns_from
from rightfit.profiling.profiles.cell import ProfiledCell
from rightfit.profiling.profiles.profile import ProfileBuilder
from rightfit.profiling.profiles.quality_interval import quality_interval
from rightfit.quality.deviations import find_deviations, pack_deviations, unpack_deviations
from rightfit.quality.metric import QualityMetric

NO_TARGETS = "no targets were given"


@dataclass(frozen=True)
class AnswerQuality:
    """Quality of a candidate's answers in a serving runtime, with its 95 % interval.

    Args:
        raw: In the dataset's own metric.
        raw_low: Lower end.
        raw_high: Upper end.
        deviations: Of that quality, from :func:`pack_deviations`.
        final: Quality on the rows that nothing was chosen by, with its interval; ``None`` where the
            test split was not divided.
    """

    raw: float
    raw_low: float
    raw_high: float
    deviations: str
    final: tuple[float, float, float] | None

    def __post_init__(self) -> None:
        """Refuse deviations of another form, which an older version may have stored."""
        unpack_deviations(self.deviations)


def set_quality(
    profile: ProfileBuilder, quality: AnswerQuality | str, metric: QualityMetric
) -> None:
    """Set the quality of a profile, or why there is none."""
    if isinstance(quality, str):
        profile.miss(columns_from("answers"), quality)
        return
    for end, raw in (("", quality.raw), ("_low", quality.raw_low), ("_high", quality.raw_high)):
        profile.values[f"quality_raw{end}"] = raw
        profile.values[f"quality{end}"] = metric.scale(raw)
    profile.quality_deviations = quality.deviations
    profile.final_quality_raw = quality.final
    if quality.final is None:
        profile.reasons["final_quality_raw"] = "all test rows were needed to choose"


def measure_quality(
    cell: ProfiledCell, job: Job, bench: Bench, store: Store
) -> AnswerQuality | str:
    """Judge a candidate's answers to the test split in a serving runtime.

    Args:
        cell: Holds the labels and the metric.
        job: Candidate and serving configuration.
        bench: Where and how; its rows are the test split's.
        store: Keeps the result, for any number of threads: they do not change the answers.

    Returns:
        The quality, or why there is none.
    """
    if cell.labels is None:
        return NO_TARGETS
    answering = replace(job, serving=replace(job.serving, n_threads=0))
    n_final = 0 if cell.final_rows is None else int(cell.final_rows.sum())
    asked = (*cell.quality.raw_parts, n_final)
    key = answering.key(quality=asked, data_version=cell.data_version, seed=cell.seed)
    kept = load_record(store, key, AnswerQuality)
    if kept is not None:
        return kept
    try:
        job.prepare()
        answers = check_predictions(
            predict(job.subject, bench), n_rows=len(cell.labels), schema=job.bundle.schema
        )
    except (RuntimeError, ValueError) as err:
        return str(err)
    result = judge_answers(cell, cell.labels, answers)
    save_record(store, key, result)
    return result


def judge_answers(
    cell: ProfiledCell, labels: npt.NDArray[Any], answers: npt.NDArray[Any]
) -> AnswerQuality:
    """Judge answers that are given already.

    Args:
        cell: Holds the metric, and which rows are left for the final judgement.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).
    """
    final = None
    if cell.final_rows is not None and cell.final_rows.any():
        final = _score(cell, labels[cell.final_rows], answers[cell.final_rows])
        labels, answers = labels[~cell.final_rows], answers[~cell.final_rows]
    return AnswerQuality(
        *_score(cell, labels, answers),
        deviations=pack_deviations(find_deviations(cell.quality, labels, answers)),
        final=final,
    )


def _score(
    cell: ProfiledCell, labels: npt.NDArray[Any], answers: npt.NDArray[Any]
) -> tuple[float, float, float]:
    """Return a raw quality and the ends of its interval."""
    low, high = quality_interval(cell.quality, labels, answers, seed=cell.seed)
    return cell.quality.score(labels, answers), low, high
