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

# Ratios of counts of true rows, of predicted ones and of hits: the factors of what is divided by.
RATIOS = {"recall": (1, 0, 0), "precision": (0, 1, 0), "f1": (0.5, 0.5, 0), "jaccard": (1, 1, -1)}
SAME_AS = {"accuracy": "recall_micro", "balanced_accuracy": "recall_macro"}
N_DRAWS, N_DRAWN_ROWS = 24, 1_000  # for an error within a sixth, in some milliseconds a look
MAX_DEVIATIONS = 1_000  # rows beyond are added up in so many groups, the same for all candidates
N_RESAMPLES, N_RESAMPLED_ROWS = 200, 2_000
_SEED = 0  # the same for every candidate, or their rows would not belong together


def standard_error(metric: QualityMetric, labels: Array, answers: Array) -> float:
    """Return the standard error of a raw quality over samples of rows of this size.

    By a closed form, else roughly, by a bootstrap.

    Args:
        metric: The dataset's metric.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).
    """
    effects = find_contributions(metric, labels, answers)
    if effects is not None:
        return math.sqrt(float((effects**2).sum()))
    drawn = min(len(labels), N_DRAWN_ROWS)
    values = resample(metric, labels, answers, n_draws=N_DRAWS, n_rows=drawn, seed=_SEED)
    return float(values.std(ddof=1)) * math.sqrt(drawn / len(labels))


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
    """Return what each row adds to the deviation of a raw quality: its empirical influence.

    Their sum of squares is the variance (delta method; Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, chapter 21).

    Args:
        metric: The dataset's metric.
        labels: True class positions or values, shape (n_rows,).
        answers: The answers, shape (n_rows, n_outputs).

    Returns:
        Shape (n_rows,), of mean 0; ``None`` where no closed form is known.
    """
    name = SAME_AS.get(metric.name, metric.name)
    if name.startswith("roc_auc"):
        return _centred(_find_placements(name, labels, answers))
    if name == "average_precision":
        columns = range(answers.shape[1]) if answers.shape[1] > 2 else [1]
        by_class = [_find_precision_effects(labels == c, answers[:, c]) for c in columns]
        return _centred(np.mean(by_class, axis=0))
    kind, _, average = name.partition("_")
    if kind in RATIOS and average in ("", "macro", "micro", "weighted"):
        predicted = metric.decide(answers).argmax(axis=1)
        return _centred(_find_ratio_effects(metric.name, labels, predicted))
    if name == "matthews_corrcoef":
        return _centred(_correlation_effects(labels, metric.decide(answers).argmax(axis=1)))
    losses = _find_losses(metric, labels, answers)
    if losses is None:
        return None
    loss, of_constant = losses
    mean, n_rows = float(loss.mean()), len(labels)
    if of_constant is not None:  # 1 - mean loss / mean loss of the best constant
        scale = float(of_constant.mean())
        if not scale:  # rows of one value, as of a target that is rarely another
            return np.zeros(n_rows)
        return _centred((of_constant * mean / scale - loss) / scale / n_rows)
    if name.startswith("neg_root_") and mean:
        return _centred(-loss) / (2 * math.sqrt(mean) * n_rows)
    return _centred(-loss / n_rows)


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
            return (np.log1p(values) - np.log1p(np.maximum(predicted, 0))) ** 2, None
        case "neg_mean_poisson_deviance":
            logs = np.where(values > 0, np.log(values / predicted), 0.0)
            return 2 * (values * logs - error), None
        case "neg_mean_gamma_deviance":
            return 2 * (error / predicted - np.log(values / predicted)), None
    return None


def _find_entropies(labels: Array, answers: Array) -> Floats:
    chosen = np.take_along_axis(answers, labels[:, None], axis=1)[:, 0].astype(np.float64)
    return -np.log(np.clip(chosen, np.finfo(np.float32).eps, 1))


def _find_ratio_effects(name: str, labels: Array, predicted: Array) -> Floats:
    """Return the influence of each row on precision, recall, F1 or Jaccard: ratios of counts.

    Of a ratio a / b it is (a_i - a / b * b_i) / b, with what the row adds to a and to b.
    """
    kind, _, average = SAME_AS.get(name, name).partition("_")
    hits = (labels == predicted).astype(np.float64)
    if average == "micro":  # all classes as one
        labels = predicted = np.zeros_like(labels)
    n_classes = max(int(labels.max()), int(predicted.max()), 1) + 1
    n_true, n_predicted = (np.bincount(rows, minlength=n_classes) for rows in (labels, predicted))
    n_hits = np.bincount(labels, weights=hits, minlength=n_classes)
    of_true, of_predicted, of_hits = RATIOS[kind]
    below = of_true * n_true + of_predicted * n_predicted + of_hits * n_hits
    shares: Array = n_true > 0 if name == "balanced_accuracy" else n_true + n_predicted > 0
    if average in ("", "weighted"):
        shares = n_true if average else np.arange(n_classes) == 1
    ratios = n_hits / np.maximum(below, 1e-9)
    shares = np.where(below > 0, shares / shares.sum(), 0.0) / np.maximum(below, 1e-9)
    effects: Floats = hits * ((1 - of_hits * ratios) * shares)[labels]
    effects -= of_true * (ratios * shares)[labels] + of_predicted * (ratios * shares)[predicted]
    return effects + ratios[labels] / len(labels) if average == "weighted" else effects


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
    effects: Floats = (hits - t[predicted] - p[labels] + covariance * spreads) / scale / n_rows
    return effects


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


def _find_placements(name: str, labels: Array, answers: Array) -> Floats:
    """Return the influence of each row on a ROC AUC, or on the mean of several.

    A row's placement is the share of the other class that it is ranked above. Means are over
    classes, each against the rest, or over pairs of classes (Hand and Till, Machine Learning 45,
    2001), of which each is told from the other by its own probability. They count equally, or by
    their shares of the rows, which rows change too.
    """
    masks = {label: labels == label for label in np.unique(labels)}
    if answers.shape[1] == 2:
        cases = [(1, masks[1], masks[0])]
    elif "_ovo" in name:
        cases = [(one, masks[one], masks[other]) for one, other in permutations(masks, 2)]
    else:
        cases = [(label, mask, ~mask) for label, mask in masks.items()]
    effects: Floats = np.zeros(len(labels))
    total = 0.0
    for label, positive, negative in cases:
        high, low = answers[positive, label], answers[negative, label]
        ranks = average_ranks(np.concatenate([high, low]))
        above = (ranks[: len(high)] - average_ranks(high)) / len(low)
        below = 1 - (ranks[len(high) :] - average_ranks(low)) / len(high)
        counted = positive | negative if "_ovo" in name else positive
        weight = counted.mean() if name.endswith("_weighted") and len(cases) > 1 else 1.0
        for rows, placements in ((positive, above), (negative, below)):
            n_rows = len(placements)
            freed = math.sqrt(n_rows * max(n_rows - 1, 1))
            effects[rows] += weight * (placements - placements.mean()) / freed
        effects[counted] += above.mean() / len(labels) if weight < 1 else 0.0
        total += float(weight)
    return effects / total


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
    return effects


def _centred(effects: Floats) -> Floats:
    centred: Floats = effects - effects.mean()
    return centred
