"""How good a candidate's predictions for the test rows are, in the runtime that serves it.

Each quality comes with its 95 % interval, given the number of test rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rightfit._core.errors import RightfitError
from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.distributions import beta_quantile
from rightfit.measuring.metrics import columns_from
from rightfit.measuring.profile import FINAL_COLUMNS, PREDICTIONS, ProfileBuilder
from rightfit.measuring.profiles.stored_predictions import JudgedRows, locate_predictions
from rightfit.measuring.rounds.jobs import CandidateSet, Job
from rightfit.measuring.rounds.measurement import MeasurementContext, predict
from rightfit.models.predictions import check_predictions
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.scorers import find_range
from rightfit.models.quality.standard_errors import (
    Floats,
    find_contributions,
    find_deviations,
    pack_deviations,
    resample,
    unpack_deviations,
)
from rightfit.models.schema import InputSchema

NO_TARGETS = "no targets were given"

CONFIDENCE = 0.95
Z_95 = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
COUNTED = ("accuracy", "balanced_accuracy")  # metrics whose intervals follow from counts of hits
OF_RARE_CLASS = ("roc_auc", "average_precision")  # which a single row of a class decides
N_DRAWS = 4_000
# A bootstrap computes the metric on two million rows in all, but 200 times at least: one or two
# seconds for any scorer of scikit-learn and up to ten thousand rows.
N_BOOTSTRAP_ROWS, MIN_BOOTSTRAP_DRAWS, MAX_BOOTSTRAP_DRAWS = 2_000_000, 200, 1_000


@dataclass(frozen=True)
class PredictionQuality:
    """Quality of a candidate's predictions in a serving runtime, with its 95 % interval.

    Args:
        raw: In the dataset's own metric.
        raw_low: Lower end.
        raw_high: Upper end.
        deviations: Of that quality, from :func:`pack_deviations`.
        final: Quality on the test rows that were kept aside, with its interval; ``None`` where the
            test split was not divided.
        predictions: Hash that the predictions are stored by; ``None``: they are not.
    """

    raw: float
    raw_low: float
    raw_high: float
    deviations: str
    final: tuple[float, float, float] | None
    predictions: str | None = None

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
    values = quality_values(quality, metric)
    profile.quality_deviations = str(values.pop("quality_deviations"))
    profile.quality_metric = str(values.pop("quality_metric"))
    profile.predictions_sha256 = quality.predictions
    profile.values |= values
    if quality.final is None:
        profile.reasons["final_quality_raw"] = "no test rows are held out: all of them choose"


def quality_values(quality: PredictionQuality, metric: QualityMetric) -> dict[str, Any]:
    """Return a quality as the columns of a profile that speak of it."""
    values: dict[str, Any] = {
        "quality_deviations": quality.deviations,
        "quality_metric": metric.title,
        **dict(zip(FINAL_COLUMNS, quality.final or (None,) * 3, strict=True)),
    }
    for end, raw in (("", quality.raw), ("_low", quality.raw_low), ("_high", quality.raw_high)):
        values[f"quality_raw{end}"] = raw
        values[f"quality{end}"] = metric.scale(raw)
    return values


def gather_rows(candidate_set: CandidateSet) -> JudgedRows | None:
    """Return the test rows that all candidates are judged by; ``None``: no targets are known."""
    if candidate_set.targets is None or not candidate_set.candidates:
        return None
    final_rows = candidate_set.final_rows
    columns = candidate_set.columns
    return JudgedRows(
        candidate_set.quality,
        next(iter(candidate_set.candidates.values())).schema.task,
        candidate_set.targets,
        np.zeros(len(candidate_set.targets), dtype=np.bool_) if final_rows is None else final_rows,
        candidate_set.seed,
        pl.DataFrame() if columns is None else columns,
    )


def measure_quality(
    candidate_set: CandidateSet,
    job: Job,
    bench: MeasurementContext,
    store: JsonStore,
    *,
    rows: JudgedRows | None,
) -> PredictionQuality | str:
    """Judge a candidate's predictions for the test split in a serving runtime.

    Args:
        candidate_set: What the candidate belongs to.
        job: Candidate and serving configuration.
        bench: Where and how; its rows are the test split's.
        store: Keeps result and predictions, for any number of threads: they do not change them.
        rows: The test rows, from :func:`gather_rows`.

    Returns:
        The quality, or why there is none.
    """
    if rows is None:
        return NO_TARGETS
    answering = replace(job, serving=replace(job.serving, n_threads=0))
    quality_key = (*rows.metric.raw_parts, int(rows.final_rows.sum()), "predictions are kept")
    key = answering.key(
        quality=quality_key, data_version=candidate_set.data_version, seed=rows.seed
    )
    record = store.get_record(key, PredictionQuality)
    name = None if record is None else record.predictions
    if record is not None and name and locate_predictions(store, name).exists():
        return record

    def answer() -> npt.NDArray[np.float32]:
        job.prepare()
        return predict(job.subject, bench)

    result = judge_answers(rows, job.bundle.schema, answer, store)
    if isinstance(result, PredictionQuality):
        store.put_record(key, result)
    return result


def judge_answers(
    rows: JudgedRows | None,
    schema: InputSchema,
    answer: Callable[[], npt.NDArray[Any]],
    store: JsonStore,
) -> PredictionQuality | str:
    """Judge what a model answers to the test rows, or say why it cannot be judged.

    Args:
        rows: The test rows, from :func:`gather_rows`.
        schema: Of the model.
        answer: Has the model answer all rows; may fail.
        store: Keeps the predictions.
    """
    if rows is None:
        return NO_TARGETS
    try:
        predictions = check_predictions(answer(), n_rows=len(rows.targets), schema=schema)
    except (RuntimeError, ValueError) as err:
        return str(err)
    quality = judge_rows(
        rows.metric, rows.targets, predictions, ~rows.final_rows, rows.final_rows, seed=rows.seed
    )
    return replace(quality, predictions=rows.store(store, predictions))


def judge_rows(
    metric: QualityMetric,
    targets: npt.NDArray[Any],
    predictions: npt.NDArray[Any],
    rows: npt.NDArray[np.bool_],
    final_rows: npt.NDArray[np.bool_] | None,
    *,
    seed: int,
    quick: bool = False,
) -> PredictionQuality:
    """Judge predictions on the rows that choose, and on those that were kept aside.

    Args:
        metric: Judges them.
        targets: True class positions, or values, shape (n_rows,).
        predictions: Shape (n_rows, n_outputs).
        rows: Those that choose, shape (n_rows,).
        final_rows: Those that were kept aside; ``None``, or no row: they are not judged.
        seed: Of the interval's draws.
        quick: Whether a metric whose error has no formula is computed 200 times for it, instead of
            up to 1,200 times; the interval is then the normal one.

    Raises:
        ValueError: If the metric cannot judge them.
    """

    def score(among: npt.NDArray[np.bool_]) -> tuple[tuple[float, float, float], Floats]:
        labels, answers = targets[among], predictions[among]
        raw, effects = metric.score(labels, answers), find_contributions(metric, labels, answers)
        deviations = find_deviations(metric, labels, answers, effects=effects)
        if metric.name in COUNTED or (effects is None and not quick):
            return (raw, *quality_interval(metric, labels, answers, seed=seed)), deviations
        effects = deviations if effects is None else effects
        return (raw, *_normal_interval(metric, raw, effects, labels, answers)), deviations

    figures, deviations = score(rows)
    has_final = final_rows is not None and final_rows.any()
    return PredictionQuality(
        *figures,
        deviations=pack_deviations(deviations),
        final=score(final_rows)[0] if final_rows is not None and has_final else None,
    )


def judge_again(
    rows: JudgedRows,
    profiles: pl.DataFrame,
    metric: QualityMetric,
    among: npt.NDArray[np.bool_] | None = None,
) -> pl.DataFrame:
    """Judge the stored predictions that profiles name by another metric.

    Args:
        rows: The test rows, with predictions.
        profiles: Of their dataset.
        metric: Judges them.
        among: Rows that count, shape (n_rows,); ``None``: all, and those kept aside by themselves.

    Returns:
        One row per hash: the columns of a profile that speak of its quality.

    Raises:
        RightfitError: If predictions are not stored, or the metric cannot judge them.
    """
    named = dict(zip(profiles[PREDICTIONS], profiles["candidate"], strict=True))
    named.pop(None, None)
    judged = []
    for name, candidate in named.items():
        if name not in rows.predictions:
            raise RightfitError(
                f"the predictions of {candidate} are not stored: measure again, which predicts "
                "once more (kedro run --pipelines evaluation,ranking)"
            )
        quality = judge_rows(
            metric,
            rows.targets,
            rows.predictions[name],
            ~rows.final_rows if among is None else among & ~rows.final_rows,
            rows.final_rows if among is None else None,
            seed=rows.seed,
            quick=True,
        )
        if not np.isfinite(quality.raw):
            raise RightfitError(f"the metric {metric.name} is {quality.raw} for {candidate}")
        judged.append({PREDICTIONS: name} | quality_values(quality, metric))
    return pl.DataFrame(judged, infer_schema_length=None)


def quality_interval(
    metric: QualityMetric, targets: npt.NDArray[Any], predictions: npt.NDArray[Any], *, seed: int
) -> tuple[float, float]:
    """Return the 95 % interval of a raw quality over test sets of this size.

    Accuracy: Clopper and Pearson's exact interval. ROC AUC: DeLong's variance (Biometrics 44,
    1988) on the logit scale. Balanced accuracy: recalls drawn from Jeffreys' posterior of each
    class, whose intervals hold for small classes too (Brown, Cai and DasGupta, Statistical
    Science 16, 2001); a bootstrap would call a class of ten hits certain. Means of a loss a row and
    r2: the normal interval by the rows' influence. Shares and areas that no row's influence tells
    of, such as a perfect ROC AUC: Clopper and Pearson's. All others: a percentile bootstrap, within
    each class.

    Args:
        metric: The dataset's metric.
        targets: True class positions, or values in regression, shape (n_rows,).
        predictions: Class probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1).
        seed: Seed of the draws.
    """
    if metric.name in COUNTED:
        hits = metric.decide(predictions).argmax(axis=1) == targets
        if metric.name == "accuracy":
            return share_interval(int(hits.sum()), len(hits))
        generator = np.random.default_rng(seed)
        recalls = [
            generator.beta(part.sum() + 0.5, (~part).sum() + 0.5, size=N_DRAWS)
            for part in (hits[targets == label] for label in np.unique(targets))
        ]
        return _middle(np.mean(recalls, axis=0))
    effects = find_contributions(metric, targets, predictions)
    if effects is None:
        n_rows = len(targets)
        n_draws = min(MAX_BOOTSTRAP_DRAWS, max(MIN_BOOTSTRAP_DRAWS, N_BOOTSTRAP_ROWS // n_rows))
        draws = resample(metric, targets, predictions, n_draws=n_draws, n_rows=n_rows, seed=seed)
        low, high = _middle(draws)
        raw = metric.score(targets, predictions)
        return min(low, raw), max(high, raw)  # resamples are calibrated worse than all rows
    raw = metric.score(targets, predictions)
    return _normal_interval(metric, raw, effects, targets, predictions)


def _normal_interval(
    metric: QualityMetric,
    raw: float,
    effects: Floats,
    targets: npt.NDArray[Any],
    predictions: npt.NDArray[Any],
) -> tuple[float, float]:
    """Return the interval by the rows' influence, within the values that the metric can take.

    That of a ROC AUC is normal on the logit scale. Where rows show no spread, as all are right or
    wrong or a class has one row, it is the exact interval of a share: of two classes among the rows
    of the smaller one, which may be few.
    """
    name, (lowest, highest) = metric.name, find_range(metric.name)
    if lowest == 0:
        is_precision = name.startswith("precision")
        classes = metric.decide(predictions).argmax(axis=1) if is_precision else targets
        counts = np.unique(classes, return_counts=True)[1]
        is_by_class = predictions.shape[1] == 2 and not name.endswith(("_micro", "_weighted"))
        n_rows = int(counts.min() if is_by_class else counts.sum())
        share = round(raw, 12)  # a sum of shares misses 1 by rounding
        if not 0 < share < 1 or (n_rows == 1 and name in OF_RARE_CLASS):
            return share_interval(share * n_rows, n_rows)
    half_width = Z_95 * float(np.sqrt((effects**2).sum()))
    if name != "roc_auc":
        return max(lowest, raw - half_width), min(highest, raw + half_width)
    logit, on_logits = np.log(raw / (1 - raw)), half_width / (raw * (1 - raw))
    low, high = (1 / (1 + np.exp(-(logit + side * on_logits))) for side in (-1, 1))
    return float(low), float(high)


@functools.cache  # rows that fall into many segments have few different counts
def share_interval(n_hits: float, n_rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, Clopper and Pearson's (Biometrika 26, 1934).

    Args:
        n_hits: Rows that count, or the sum of shares of them.
        n_rows: All rows, at least 1.

    >>> low, high = share_interval(0, 10)
    >>> low, round(high, 3)
    (0.0, 0.308)
    """
    tail, n_misses = (1 - CONFIDENCE) / 2, n_rows - n_hits
    low = beta_quantile(tail, n_hits, n_misses + 1) if n_hits else 0.0
    high = beta_quantile(1 - tail, n_hits + 1, n_misses) if n_misses else 1.0
    return low, high


def _middle(draws: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


_SEED = 0  # a dataset's rows have one part in every run


def find_final_rows(
    targets: npt.NDArray[Any], *, share: float, min_rows: int
) -> npt.NDArray[np.bool_]:
    """Tell which test rows are left out of choosing, and judge only what was chosen.

    A winner is chosen by its quality among many candidates, so that figure flatters it. Rows that
    nothing was chosen by give one that does not.

    Args:
        targets: True class positions, or values in regression, shape (n_rows,).
        share: Share of the rows to leave out; of each class so many, rounded down, but one at
            least.
        min_rows: A test split with fewer rows is not divided: all of them choose. Nor is one with a
            class of a single row: many metrics need rows of each.

    Returns:
        Shape (n_rows,); the same for every candidate.

    >>> int(find_final_rows(np.array([0, 0, 0, 0, 1, 1]), share=0.5, min_rows=6).sum())
    3
    """
    final = np.zeros(len(targets), dtype=np.bool_)
    if len(targets) < min_rows or not share:
        return final
    rng = np.random.default_rng(_SEED)
    is_class = targets.dtype.kind in "iu"
    strata = np.unique(targets) if is_class else [None]
    for label in strata:
        rows = np.flatnonzero(targets == label) if label is not None else np.arange(len(targets))
        if len(rows) == 1:
            return np.zeros_like(final)
        final[rng.permutation(rows)[: max(1, int(share * len(rows)))]] = True
    return final
