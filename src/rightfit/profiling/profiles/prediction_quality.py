"""How good a candidate's predictions for the test rows are, in the runtime that serves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit.families.predictions import check_predictions
from rightfit.families.schema import InputSchema
from rightfit.processes.json_store import JsonStore
from rightfit.profiling.measuring.jobs import CandidateSet, Job
from rightfit.profiling.measuring.measurement import Bench, predict
from rightfit.profiling.metrics import columns_from
from rightfit.profiling.profile import FINAL_COLUMNS, ProfileBuilder
from rightfit.profiling.profiles.quality_interval import quality_interval
from rightfit.quality.metric import QualityMetric
from rightfit.quality.standard_errors import find_deviations, pack_deviations, unpack_deviations

NO_TARGETS = "no targets were given"


@dataclass(frozen=True)
class PredictionQuality:
    """Quality of a candidate's predictions in a serving runtime, with its 95 % interval.

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
    profile: ProfileBuilder, quality: PredictionQuality | str, metric: QualityMetric
) -> None:
    """Set the quality of a profile, or why there is none."""
    if isinstance(quality, str):
        profile.miss(columns_from("predictions"), quality)
        return
    for end, raw in (("", quality.raw), ("_low", quality.raw_low), ("_high", quality.raw_high)):
        profile.values[f"quality_raw{end}"] = raw
        profile.values[f"quality{end}"] = metric.scale(raw)
    profile.quality_deviations = quality.deviations
    if quality.final is None:
        profile.reasons["final_quality_raw"] = "all test rows were needed to choose"
    else:
        profile.values |= dict(zip(FINAL_COLUMNS, quality.final, strict=True))


def measure_quality(
    given: CandidateSet, job: Job, bench: Bench, store: JsonStore
) -> PredictionQuality | str:
    """Judge a candidate's predictions for the test split in a serving runtime.

    Args:
        given: Holds the targets and the metric.
        job: Candidate and serving configuration.
        bench: Where and how; its rows are the test split's.
        store: Keeps the result, for any number of threads: they do not change the predictions.

    Returns:
        The quality, or why there is none.
    """
    if given.targets is None:
        return NO_TARGETS
    answering = replace(job, serving=replace(job.serving, n_threads=0))
    n_final = 0 if given.final_rows is None else int(given.final_rows.sum())
    asked = (*given.quality.raw_parts, n_final)
    key = answering.key(quality=asked, data_version=given.data_version, seed=given.seed)
    kept = store.get_record(key, PredictionQuality)
    if kept is not None:
        return kept

    def answer() -> npt.NDArray[np.float32]:
        job.prepare()
        return predict(job.subject, bench)

    result = judge_answers(given, job.bundle.schema, answer)
    if isinstance(result, PredictionQuality):
        store.put_record(key, result)
    return result


def judge_answers(
    given: CandidateSet, schema: InputSchema, answer: Callable[[], npt.NDArray[Any]]
) -> PredictionQuality | str:
    """Judge what a model answers to the test rows, or say why it cannot be judged.

    Args:
        given: Holds the targets, the metric, and which rows are left for the final judgement.
        schema: Of the model.
        answer: Has the model answer all rows; may fail.
    """
    if given.targets is None:
        return NO_TARGETS
    try:
        predictions = check_predictions(answer(), n_rows=len(given.targets), schema=schema)
    except (RuntimeError, ValueError) as err:
        return str(err)
    targets, final = given.targets, None
    if given.final_rows is not None and given.final_rows.any():
        final = _score(given, targets[given.final_rows], predictions[given.final_rows])
        targets, predictions = targets[~given.final_rows], predictions[~given.final_rows]
    return PredictionQuality(
        *_score(given, targets, predictions),
        deviations=pack_deviations(find_deviations(given.quality, targets, predictions)),
        final=final,
    )


def _score(
    given: CandidateSet, targets: npt.NDArray[Any], predictions: npt.NDArray[Any]
) -> tuple[float, float, float]:
    """Return a raw quality and the ends of its interval."""
    low, high = quality_interval(given.quality, targets, predictions, seed=given.seed)
    return given.quality.score(targets, predictions), low, high


_SEED = 0  # a dataset's rows have one part in every run


def find_final_rows(
    targets: npt.NDArray[Any], *, share: float, min_rows: int
) -> npt.NDArray[np.bool_]:
    """Tell which test rows are left out of choosing, and judge only what was chosen.

    A winner is chosen by its quality among many candidates, so that figure flatters it. Rows that
    nothing was chosen by give one that does not.

    Args:
        targets: True class positions, or values in regression, shape (n_rows,).
        share: Share of the rows to leave out; of each class so many, rounded down.
        min_rows: A test split with fewer rows is not divided: all of them choose.

    Returns:
        Shape (n_rows,); the same for every candidate.

    >>> int(find_final_rows(np.array([0, 0, 0, 0, 1, 1]), share=0.5, min_rows=6).sum())
    3
    """
    final = np.zeros(len(targets), dtype=np.bool_)
    if len(targets) < min_rows:
        return final
    rng = np.random.default_rng(_SEED)
    is_class = targets.dtype.kind in "iu"
    strata = np.unique(targets) if is_class else [None]
    for label in strata:
        rows = np.flatnonzero(targets == label) if label is not None else np.arange(len(targets))
        final[rng.permutation(rows)[: int(share * len(rows))]] = True
    return final
