"""How good a candidate's predictions for the test rows are, in the runtime that serves it.

Each quality comes with its 95 % interval, given the number of test rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.processes.json_store import JsonStore
from rightfit.measuring.distributions import beta_quantile
from rightfit.measuring.metrics import columns_from
from rightfit.measuring.profile import FINAL_COLUMNS, ProfileBuilder
from rightfit.measuring.rounds.jobs import CandidateSet, Job
from rightfit.measuring.rounds.measurement import MeasurementContext, predict
from rightfit.models.predictions import check_predictions
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.standard_errors import (
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
        profile.reasons["final_quality_raw"] = "all test rows choose"
    else:
        profile.values |= dict(zip(FINAL_COLUMNS, quality.final, strict=True))


def measure_quality(
    candidate_set: CandidateSet, job: Job, bench: MeasurementContext, store: JsonStore
) -> PredictionQuality | str:
    """Judge a candidate's predictions for the test split in a serving runtime.

    Args:
        candidate_set: Holds the targets and the metric.
        job: Candidate and serving configuration.
        bench: Where and how; its rows are the test split's.
        store: Keeps the result, for any number of threads: they do not change the predictions.

    Returns:
        The quality, or why there is none.
    """
    if candidate_set.targets is None:
        return NO_TARGETS
    answering = replace(job, serving=replace(job.serving, n_threads=0))
    n_final = 0 if candidate_set.final_rows is None else int(candidate_set.final_rows.sum())
    quality_key = (*candidate_set.quality.raw_parts, n_final)
    key = answering.key(
        quality=quality_key, data_version=candidate_set.data_version, seed=candidate_set.seed
    )
    record = store.get_record(key, PredictionQuality)
    if record is not None:
        return record

    def answer() -> npt.NDArray[np.float32]:
        job.prepare()
        return predict(job.subject, bench)

    result = judge_answers(candidate_set, job.bundle.schema, answer)
    if isinstance(result, PredictionQuality):
        store.put_record(key, result)
    return result


def judge_answers(
    candidate_set: CandidateSet, schema: InputSchema, answer: Callable[[], npt.NDArray[Any]]
) -> PredictionQuality | str:
    """Judge what a model answers to the test rows, or say why it cannot be judged.

    Args:
        candidate_set: Holds the targets, the metric, and which rows are left for the final
            judgement.
        schema: Of the model.
        answer: Has the model answer all rows; may fail.
    """
    if candidate_set.targets is None:
        return NO_TARGETS
    try:
        predictions = check_predictions(answer(), n_rows=len(candidate_set.targets), schema=schema)
    except (RuntimeError, ValueError) as err:
        return str(err)
    targets, final = candidate_set.targets, None
    if candidate_set.final_rows is not None and candidate_set.final_rows.any():
        final = _score(
            candidate_set, targets[candidate_set.final_rows], predictions[candidate_set.final_rows]
        )
        targets, predictions = (
            targets[~candidate_set.final_rows],
            predictions[~candidate_set.final_rows],
        )
    return PredictionQuality(
        *_score(candidate_set, targets, predictions),
        deviations=pack_deviations(find_deviations(candidate_set.quality, targets, predictions)),
        final=final,
    )


def _score(
    candidate_set: CandidateSet, targets: npt.NDArray[Any], predictions: npt.NDArray[Any]
) -> tuple[float, float, float]:
    """Return a raw quality and the ends of its interval."""
    low, high = quality_interval(
        candidate_set.quality, targets, predictions, seed=candidate_set.seed
    )
    return candidate_set.quality.score(targets, predictions), low, high


def quality_interval(
    metric: QualityMetric, targets: npt.NDArray[Any], predictions: npt.NDArray[Any], *, seed: int
) -> tuple[float, float]:
    """Return the 95 % interval of a raw quality over test sets of this size.

    Accuracy: Clopper and Pearson's exact interval. ROC AUC: DeLong's variance (Biometrics 44,
    1988) on the logit scale. Balanced accuracy: recalls drawn from Jeffreys' posterior of each
    class, whose intervals hold for small classes too (Brown, Cai and DasGupta, Statistical
    Science 16, 2001); a bootstrap would call a class of ten hits certain. Means of a loss a row and
    r2: the normal interval by the rows' influence. All others: a percentile bootstrap, within each
    class.

    Args:
        metric: The dataset's metric.
        targets: True class positions, or values in regression, shape (n_rows,).
        predictions: Class probabilities, shape (n_rows, n_classes), or values, shape (n_rows, 1).
        seed: Seed of the draws.
    """
    if metric.name in ("accuracy", "balanced_accuracy"):
        hits = metric.decide(predictions).argmax(axis=1) == targets
        if metric.name == "accuracy":
            return share_interval(int(hits.sum()), len(hits))
        generator = np.random.default_rng(seed)
        recalls = [
            generator.beta(part.sum() + 0.5, (~part).sum() + 0.5, size=N_DRAWS)
            for part in (hits[targets == label] for label in np.unique(targets))
        ]
        return _middle(np.mean(recalls, axis=0))
    contributions = find_contributions(metric, targets, predictions)
    if contributions is None:
        n_rows = len(targets)
        n_draws = min(MAX_BOOTSTRAP_DRAWS, max(MIN_BOOTSTRAP_DRAWS, N_BOOTSTRAP_ROWS // n_rows))
        draws = resample(metric, targets, predictions, n_draws=n_draws, n_rows=n_rows, seed=seed)
        return _middle(draws)
    raw, error = metric.score(targets, predictions), float(np.sqrt((contributions**2).sum()))
    half_width = Z_95 * error
    if metric.name != "roc_auc":
        return raw - half_width, raw + half_width
    if not 0 < raw < 1:
        return raw, raw
    logit, on_logits = np.log(raw / (1 - raw)), half_width / (raw * (1 - raw))
    low, high = (1 / (1 + np.exp(-(logit + side * on_logits))) for side in (-1, 1))
    return float(low), float(high)


def share_interval(n_hits: int, n_rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, Clopper and Pearson's (Biometrika 26, 1934).

    Args:
        n_hits: Rows that count.
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
