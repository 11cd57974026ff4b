"""How a raw quality deviates over samples of rows: its standard error, and row by row.

Candidates answer the same test rows, so that their qualities can be compared in pairs. The terms
that each row, or each resample, adds to the deviation of a candidate's raw quality are kept: the
squares add up to the variance of that quality, the products with another candidate's to the
covariance (:mod:`rightfit.ranking.uncertainty.paired_comparison`). In a table they are a text, the
largest of them and half floats in base64, as short as any other column's.
"""

from __future__ import annotations

import base64
import math
import warnings
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt

from rightfit._core.errors import RightfitError
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.params import COST
from rightfit.models.quality.scorers import average_ranks, squared_differences

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Metrics with a formula of their own.
RATIOS = ("f1", "jaccard", "precision", "recall")  # of two classes, and their averages over classes
AVERAGES = ("_macro", "_micro", "_weighted")
SHARES = ("accuracy", "balanced_accuracy", "roc_auc")
N_DRAWS, N_DRAWN_ROWS = 24, 1_000  # for an error within a sixth, in some milliseconds a look
MAX_DEVIATIONS = 1_000  # rows beyond are added up in so many groups, the same for all candidates
N_RESAMPLES, N_RESAMPLED_ROWS = 200, 2_000
_SEED = 0  # the same for every candidate, or their rows would not belong together


def standard_error(metric: QualityMetric, labels: Array, answers: Array, *, raw: float) -> float:
    """Return the standard error of a raw quality over samples of rows of this size.

    By a closed form, else roughly, by a bootstrap.

    Args:
        metric: The dataset's metric.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).
        raw: Their raw quality.
    """
    if metric.name in SHARES:
        return share_error(metric.name, raw, np.bincount(labels))
    effects = find_contributions(metric, labels, answers)
    if effects is not None:
        return math.sqrt(float((effects**2).sum()))
    drawn = min(len(labels), N_DRAWN_ROWS)
    values = resample(metric, labels, answers, n_draws=N_DRAWS, n_rows=drawn, seed=_SEED)
    return float(values.std(ddof=1)) * math.sqrt(drawn / len(labels))


def share_error(name: str, raw: float, counts: npt.NDArray[np.int64]) -> float:
    """Return the standard error of a share of rows or pairs that are answered rightly.

    Shares of hits are binomial; of a balanced accuracy every class is taken to have the same. For
    the ROC AUC it is Hanley and McNeil's formula (Radiology 143, 1982), which is somewhat too large
    for well separated classes (at 0.92 by a quarter).

    >>> round(share_error("accuracy", 0.9, np.array([40, 60])), 4)
    0.03
    """
    counts = counts[counts > 0]
    hit_variance = max(raw * (1 - raw), 0.0)
    if name == "accuracy":
        return math.sqrt(hit_variance / counts.sum())
    if name == "balanced_accuracy":
        return math.sqrt(hit_variance * (1 / counts).sum()) / len(counts)
    n_negative, n_positive = counts
    above_two = raw / (2 - raw)  # chance that a positive ranks above two negatives
    below_two = 2 * raw**2 / (1 + raw)
    variance = (
        hit_variance
        + (n_positive - 1) * (above_two - raw**2)
        + (n_negative - 1) * (below_two - raw**2)
    ) / (n_positive * n_negative)
    return math.sqrt(max(variance, 0.0))


def find_deviations(
    metric: QualityMetric, labels: Array, answers: Array, *, effects: Floats | None = None
) -> Floats:
    """Return what rows or resamples add to the deviation of a quality.

    Args:
        metric: The dataset's metric.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).
        effects: What :func:`find_contributions` returns; ``None``: it is asked.

    Returns:
        At most ``MAX_DEVIATIONS`` numbers of mean 0, in an order that the labels alone decide; the
        sum of their squares is the variance of the raw quality. For accuracies hits and misses, for
        the ROC AUC DeLong's placements (Biometrics 44, 1988), for other metrics their rows'
        influence, or values of a bootstrap where that is not known.
    """
    if effects is None:
        effects = find_contributions(metric, labels, answers)
    if effects is None:
        n_drawn = min(len(labels), N_RESAMPLED_ROWS)
        values = resample(metric, labels, answers, n_draws=N_RESAMPLES, n_rows=n_drawn, seed=_SEED)
        effects = values * np.sqrt(n_drawn / len(labels) / N_RESAMPLES)
    elif len(effects) > MAX_DEVIATIONS:
        group = np.random.default_rng(_SEED).permutation(len(effects)) % MAX_DEVIATIONS
        added = np.bincount(group, weights=effects, minlength=MAX_DEVIATIONS)
        effects = added.astype(np.float64)
    return _centred(effects)


def pack_deviations(deviations: Floats) -> str:
    """Write deviations as a text.

    >>> unpack_deviations(pack_deviations(np.array([0.5, -0.25]))).tolist()
    [0.5, -0.25]
    """
    largest = float(np.abs(deviations).max(initial=0.0)) or 1.0
    halves = (deviations / largest).astype("<f2").tobytes()
    return f"{largest:.6g}:{base64.b64encode(halves).decode('ascii')}"


@lru_cache(maxsize=512)  # one dataset's, read once for each application
def unpack_deviations(text: str) -> Floats:
    """Read what :func:`pack_deviations` wrote; not to be changed in place.

    Raises:
        ValueError: If the text is no number and base64 of half floats.
    """
    largest, _, halves = text.partition(":")
    try:
        read = np.frombuffer(base64.b64decode(halves, validate=True), dtype="<f2")
        return float(largest) * read.astype(np.float64)
    except ValueError as err:
        raise RightfitError(f"quality_deviations have an unknown form: {text[:20]!r}.") from err


def find_contributions(metric: QualityMetric, labels: Array, answers: Array) -> Floats | None:
    """Return what each row adds to the deviation of a raw quality.

    Returns:
        Shape (n_rows,), of mean 0, the sum of the squares being the variance of the raw quality;
        ``None`` where no closed form is known.
    """
    if metric.name == "roc_auc":
        return _find_placements(labels == 1, answers[:, 1])
    if metric.name == "roc_auc_ovr_weighted" and answers.shape[1] > 2:
        return _find_weighted_placements(labels, answers)
    if metric.name in ("roc_auc_ovr", "roc_auc_ovr_weighted", "average_precision"):
        find = _find_precision_effects if metric.name == "average_precision" else _find_placements
        columns = range(answers.shape[1]) if answers.shape[1] > 2 else [1]
        by_class = [find(labels == column, answers[:, column]) for column in columns]
        of_classes: Floats = np.mean(by_class, axis=0)
        return of_classes
    if metric.name in ("roc_auc_ovo", "roc_auc_ovo_weighted"):
        return _find_pair_placements(labels, answers, by_size=metric.name.endswith("_weighted"))
    if metric.name not in ("accuracy", "balanced_accuracy"):
        by_row = row_effects(metric, labels, answers)
        return None if by_row is None else by_row / len(labels)
    hits: Floats = (metric.decide(answers).argmax(axis=1) == labels).astype(np.float64)
    if metric.name == "accuracy":
        effects: Floats = (hits - hits.mean()) / len(labels)
        return effects
    effects = np.zeros(len(labels))
    classes = np.unique(labels)
    for label in classes:
        of_class = labels == label
        share = 1 / (of_class.sum() * len(classes))
        effects[of_class] = (hits[of_class] - hits[of_class].mean()) * share
    return effects


def row_effects(metric: QualityMetric, labels: Array, answers: Array) -> Floats | None:
    """Return what each row adds to a metric's deviation: its empirical influence.

    The standard deviation of these over the square root of their number is the metric's standard
    error (delta method; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 21).

    Args:
        metric: The dataset's metric.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).

    Returns:
        Shape (n_rows,), with mean 0; ``None`` where no closed form is known.
    """
    name = metric.name
    kind, _, average = name.partition("_")
    if kind in RATIOS and f"_{average}" in ("_", *AVERAGES):
        return _ratio_effects(metric, labels, answers)
    if name == "matthews_corrcoef":
        return _correlation_effects(labels, metric.decide(answers).argmax(axis=1))
    losses = _find_losses(metric, labels, answers)
    if losses is None:
        return None
    loss, of_constant = losses
    mean = float(loss.mean())
    if of_constant is not None:  # 1 - mean loss / mean loss of the best constant
        scale = float(of_constant.mean())
        if not scale:  # rows of one value, as of a target that is rarely another
            return np.zeros(len(labels))
        return _centred((of_constant * mean / scale - loss) / scale)
    if name.startswith("neg_root_") and mean:
        return _centred(-loss) / (2 * math.sqrt(mean))
    return _centred(-loss)


def _find_losses(
    metric: QualityMetric, labels: Array, answers: Array
) -> tuple[Floats, Floats | None] | None:
    """Return the losses of rows whose mean a metric is made of.

    Returns:
        The losses, shape (n_rows,), and those of the best constant where the metric compares with
        them: as it minimises their mean, its own error adds nothing to first order. ``None`` where
        the metric is made of no mean.
    """
    name = metric.name
    if name == COST:
        return metric.find_costs(labels, answers), None
    if name == "top_k_accuracy":  # of the scorer, within the first two
        chosen = np.take_along_axis(answers, labels[:, None], axis=1)
        return ((answers > chosen).sum(axis=1) >= 2).astype(np.float64), None
    if name in ("neg_log_loss", "neg_brier_score", "d2_log_loss_score", "d2_brier_score"):
        shares = np.bincount(labels, minlength=answers.shape[1]) / len(labels)
        find = squared_differences if "brier" in name else _find_entropies
        of_shares = find(labels, np.tile(shares, (len(labels), 1)))
        return find(labels, answers), of_shares if name.startswith("d2_") else None
    with np.errstate(all="ignore"):  # values out of a metric's range are refused by its score
        return _find_numbers_losses(metric, labels, answers[:, 0].astype(np.float64))


def _find_numbers_losses(
    metric: QualityMetric, values: Array, predicted: Floats
) -> tuple[Floats, Floats | None] | None:
    error = values - predicted
    match metric.name:
        case "r2":
            return error**2, (values - values.mean()) ** 2
        case "explained_variance":
            return (error - error.mean()) ** 2, (values - values.mean()) ** 2
        case "d2_absolute_error_score":
            return np.abs(error), np.abs(values - np.median(values))
        case "neg_mean_absolute_error":
            return np.abs(error), None
        case "neg_mean_absolute_percentage_error":
            return np.abs(error) / np.maximum(np.abs(values), np.finfo(np.float64).eps), None
        case "neg_mean_pinball_loss":
            alpha = float(metric.options.get("alpha", 0.5))
            return np.where(error > 0, alpha * error, (alpha - 1) * error), None
        case "neg_mean_squared_error" | "neg_root_mean_squared_error":
            return error**2, None
        case "neg_mean_squared_log_error" | "neg_root_mean_squared_log_error":
            return (np.log1p(values) - np.log1p(predicted)) ** 2, None
        case "neg_mean_poisson_deviance":
            logs = np.where(values > 0, np.log(values / predicted), 0.0)
            return 2 * (values * logs - error), None
        case "neg_mean_gamma_deviance":
            return 2 * (error / predicted - np.log(values / predicted)), None
    return None


def _find_entropies(labels: Array, answers: Array) -> Floats:
    chosen = np.take_along_axis(answers, labels[:, None], axis=1)[:, 0].astype(np.float64)
    return -np.log(np.clip(chosen, np.finfo(np.float32).eps, 1))


def _ratio_effects(metric: QualityMetric, labels: Array, answers: Array) -> Floats:
    """Return the influence of each row on precision, recall, F1 or Jaccard: ratios of means.

    Of a ratio a / b it is (a_i - a / b * b_i) / b, with the rows' shares a_i and b_i of its terms.
    """
    predicted = metric.decide(answers).argmax(axis=1)
    kind, _, average = metric.name.partition("_")
    if average == "micro":
        right = (labels == predicted).astype(np.float64)
        total = 2 - right if kind == "jaccard" else np.ones(len(labels))
        return _centred((right - right.mean() / total.mean() * total) / total.mean())
    classes = np.union1d(labels, predicted) if average else [1]
    effects: Floats = np.zeros(len(labels))
    for label in classes:
        is_label, is_answer = labels == label, predicted == label
        hits = (is_label & is_answer).astype(np.float64)
        shares = {
            "recall": is_label,
            "precision": is_answer,
            "jaccard": is_label | is_answer,
        }.get(kind)
        below = (is_label.astype(np.float64) + is_answer) / 2 if shares is None else shares
        mean = float(below.mean())
        if not mean:
            continue
        ratio = hits.mean() / mean
        share = is_label.mean() if average == "weighted" else 1 / len(classes)
        effects += (hits - ratio * below) / mean * share
        if average == "weighted":
            effects += ratio * is_label
    return _centred(effects)


def _correlation_effects(labels: Array, predicted: Array) -> Floats:
    """Return the influence of each row on Matthews' correlation of labels and predictions.

    By shares of the rows it is (c - t p) / sqrt((1 - p p) (1 - t t)), with c of the hits and the
    vectors t and p of each class as label and as prediction (Gorodkin, Computational Biology and
    Chemistry 28, 2004); a row's influence is the derivative by the share of its cell.
    """
    n_rows, n_classes = len(labels), int(max(labels.max(), predicted.max())) + 1
    t, p = (np.bincount(classes, minlength=n_classes) / n_rows for classes in (labels, predicted))
    hits = labels == predicted
    covariance, of_predictions, of_labels = hits.mean() - t @ p, 1 - p @ p, 1 - t @ t
    scale = math.sqrt(max(float(of_predictions * of_labels), 0.0))
    if not scale:  # a single class, whose correlation is 0
        return np.zeros(n_rows)
    spreads = p[predicted] / of_predictions + t[labels] / of_labels
    return _centred((hits - t[predicted] - p[labels] + covariance * spreads) / scale)


def resample(
    metric: QualityMetric,
    labels: Array,
    answers: Array,
    *,
    n_draws: int,
    n_rows: int,
    seed: int,
) -> Floats:
    """Compute a metric on rows drawn with replacement, of each class its share.

    Args:
        metric: The dataset's metric.
        labels: True class positions or values, shape (n,).
        answers: The answers, shape (n, n_outputs).
        n_draws: Number of draws.
        n_rows: Rows a draw, about; each class keeps one at least.
        seed: Seed of the draws.

    Returns:
        Values of the metric, shape (n_draws,).
    """
    generator = np.random.default_rng(seed)
    is_class = labels.dtype.kind in "iu"
    strata = (
        [np.flatnonzero(labels == label) for label in np.unique(labels)]
        if is_class
        else [np.arange(len(labels))]
    )
    sizes = [max(1, round(n_rows * len(rows) / len(labels))) for rows in strata]
    values = []
    for _ in range(n_draws):
        drawn = np.concatenate(
            [generator.choice(rows, size=size) for rows, size in zip(strata, sizes, strict=True)]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scoring all rows has given the same warnings
            values.append(metric.score(labels[drawn], answers[drawn]))
    return np.array(values)


def _find_placements(positive: npt.NDArray[np.bool_], scores: Array) -> Floats:
    """Return for each row the share of the other class it is ranked above, over its class' size."""
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    ranks = average_ranks(scores)
    effects: Floats = np.zeros(len(positive))
    above = (ranks[positive] - average_ranks(scores[positive])) / n_negative
    below = 1 - (ranks[~positive] - average_ranks(scores[~positive])) / n_positive
    effects[positive] = (above - above.mean()) / n_positive
    effects[~positive] = (below - below.mean()) / n_negative
    return effects


def _find_auc(positive: npt.NDArray[np.bool_], scores: Array) -> float:
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    above = average_ranks(scores)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / n_positive / n_negative)


def _find_weighted_placements(labels: Array, answers: Array) -> Floats:
    """Average the placements over classes by their shares, which rows change too."""
    effects: Floats = np.zeros(len(labels))
    for label in np.unique(labels):
        of_class = labels == label
        effects += of_class.mean() * _find_placements(of_class, answers[:, label])
        effects[of_class] += _find_auc(of_class, answers[:, label]) / len(labels)
    return _centred(effects)


def _find_pair_placements(labels: Array, answers: Array, *, by_size: bool) -> Floats:
    """Average the placements over all pairs of classes (Hand and Till, Machine Learning 45, 2001).

    Each class of a pair is told from the other by its own probability. Pairs count equally, or by
    their shares of the rows (``by_size``), which rows change too.
    """
    pairs = list(permutations(np.unique(labels), 2))
    effects: Floats = np.zeros(len(labels))
    total = 0.0
    for label, other in pairs:
        of_pair = (labels == label) | (labels == other)
        positive, scores = labels[of_pair] == label, answers[of_pair, label]
        weight = float(of_pair.mean()) if by_size else 1.0
        total += weight
        effects[of_pair] += weight * _find_placements(positive, scores)
        if by_size:
            effects[of_pair] += _find_auc(positive, scores) / len(labels)
    return _centred(effects / total)


def _find_precision_effects(positive: npt.NDArray[np.bool_], scores: Array) -> Floats:
    """Return the influence of each row on the average precision.

    That is the mean, over the positive rows, of the share of positive ones among the rows ranked no
    lower. A row changes its own term, and the shares at all rows ranked no higher than it.
    """
    if not positive.any():  # it is 0
        return np.zeros(len(positive))
    order = np.argsort(-scores, kind="stable")
    hits, ranked = positive[order], scores[order]
    n_no_lower = np.searchsorted(-ranked, -ranked, side="right")
    precisions = np.cumsum(hits)[n_no_lower - 1] / n_no_lower
    n_positive = int(hits.sum())
    own = hits * (precisions - precisions[hits].mean()) / n_positive
    changes = hits / n_no_lower / n_positive  # of each positive row's share by one more row
    first = np.searchsorted(-ranked, -ranked, side="left")
    from_here, lost = (
        np.cumsum(part[::-1])[::-1][first] for part in (changes, changes * precisions)
    )
    effects: Floats = np.zeros(len(hits))
    effects[order] = own + hits * from_here - lost
    return _centred(effects)


def _centred(effects: Floats) -> Floats:
    centred: Floats = effects - effects.mean()
    return centred
