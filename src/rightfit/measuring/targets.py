"""The targets of models that somebody has: task, classes, and the metric that judges answers."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from rightfit._core.arguments import require_type
from rightfit._core.errors import RightfitError, raise_faults
from rightfit._core.frames import is_missing
from rightfit._core.strict_model import list_faults
from rightfit.data.request_path.number_texts import read_number_texts
from rightfit.models.imported.objects import ModelDescription, name_class
from rightfit.models.imported.row_table import RowTable
from rightfit.models.quality.bounds import complete_quality, guess_quality, is_even
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.quality.params import COST, NEGATED, QualityBlock, is_function, name_metric
from rightfit.models.quality.scorers import check_metric, find_quality_faults, wrap_function
from rightfit.models.schema import Task

logger = logging.getLogger(__name__)

MAX_CLASSES = 100  # of whole numbers whose model does not say whether they are classes
SHOWN = 10  # names in a message
UNJUDGED = QualityMetric(name="accuracy", worst=0.0, best=1.0)  # of cells without targets

Quality = str | Callable[..., float] | Mapping[str, object] | QualityMetric
"""A metric by name, a function or scorer, or a mapping: either with ``worst`` and ``best``, or
``costs`` of wrong predictions."""

Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class Judging:
    """Targets of the models, and the metric of their predictions.

    Args:
        task: What they predict; ``None``: they do not say.
        classes: Names of the classes, in the order of all answers; empty in regression.
        labels: Positions of the classes, or values, shape (n_rows,); ``None``: no targets.
        metric: Judges the answers.
    """

    task: Task | None
    classes: tuple[str, ...]
    labels: Labels | None
    metric: QualityMetric

    @property
    def judged_classes(self) -> tuple[str, ...] | None:
        """The classes, empty in regression; ``None`` where it is not known what is predicted."""
        return None if self.task is None else self.classes


def plan_judging(
    facts: Mapping[str, ModelDescription], targets: Labels | None, quality: Quality | None
) -> Judging:
    """Find out what models predict, from what they say and from the targets.

    Args:
        facts: What they say of themselves, by name.
        targets: As given, shape (n_rows,).
        quality: The metric; ``None``: accuracy, or r2 in regression.

    Raises:
        RightfitError: If they contradict each other or the targets, or the metric does not fit.
    """
    if targets is None and quality is not None:
        raise RightfitError(f"{quality=} needs targets to judge the answers by.")
    task = _agree_on_task(facts, targets)
    if task != "classification":
        values = None
        if targets is not None and task is not None:
            try:
                if targets.dtype.kind in "OU":
                    targets = read_number_texts(pl.Series(targets.tolist())).to_numpy()
                values = targets.astype(np.float64)
            except (TypeError, ValueError) as err:
                raise RightfitError(
                    f"The models predict numbers, but the targets do not: {err}."
                ) from err
            _check_gaps(values)
        return Judging(task, (), values, choose_metric(quality, values, task, ()))
    class_sets = [description.classes for description in facts.values() if description.classes]
    if targets is None:
        return Judging(task, _agree_on_classes(class_sets, ()), None, UNJUDGED)
    plain, class_names = targets.tolist(), {name for classes in class_sets for name in classes}
    if targets.dtype.kind == "b" and class_names and not class_names & {"true", "false"}:
        plain = list(map(int, plain))  # the models' classes are 0 and 1
    names = [name_class(target) for target in plain]
    classes = _agree_on_classes(class_sets, names)
    positions = {name: position for position, name in enumerate(classes)}
    unknown = sorted(set(names) - set(positions))
    if unknown:
        raise RightfitError(
            f"The targets hold {unknown[:SHOWN]}, which no model predicts: the models' classes are "
            f"{list(classes[:SHOWN])}. Give the targets as they were when the models were fitted."
        )
    numbered = tuple(map(str, range(len(classes))))
    if numbered in class_sets and classes != numbered:
        logger.warning(
            "the models number their classes: %s are taken to be %s, in this order; where they are "
            "others, give the targets as numbers",
            ", ".join(numbered[:SHOWN]),
            ", ".join(map(repr, classes[:SHOWN])),
        )
    labels = np.array([positions[name] for name in names], dtype=np.int64)
    if quality is None:
        _warn_of_accuracy(labels, classes)
    return Judging(task, classes, labels, choose_metric(quality, labels, task, classes))


def _warn_of_accuracy(labels: Labels, classes: tuple[str, ...]) -> None:
    """Warn where one class is so frequent that always predicting it has a high accuracy."""
    counts = np.bincount(labels, minlength=len(classes))
    n_held = int((counts > 0).sum())  # classes among the targets
    share = counts.max() / max(1, counts.sum())
    if n_held < 2 or is_even(share, n_held):
        return
    others = "'roc_auc' or 'average_precision'" if len(classes) == 2 else "'balanced_accuracy'"
    logger.warning(
        "quality is the accuracy, since none is named, but always predicting %r reaches %.3f "
        "here: choose quality=%s, or {'costs': ...}, what each wrong prediction costs",
        classes[counts.argmax()],
        share,
        others,
    )


def read_targets(targets: object, rows: RowTable) -> tuple[Labels, RowTable]:
    """Read targets: a series, an array, a list, or the name of a column of the rows.

    Returns:
        The targets, shape (n_rows,), and the rows without them.

    Raises:
        RightfitError: If they do not belong to the rows, or have gaps.
    """
    if isinstance(targets, str):
        if targets not in rows.columns:
            raise RightfitError(
                f"The targets {targets!r} are no column of the rows, which have "
                f"{list(rows.columns[:SHOWN])}."
            )
        features = [name for name in rows.columns if name != targets]
        return _check(rows.column(targets), rows), rows.select(features, of="The model")
    plain = targets.to_numpy() if hasattr(targets, "to_numpy") else targets
    try:
        flat = np.asarray(plain).reshape(-1)
    except ValueError as err:
        raise RightfitError(f"The targets are no array: {err}.") from err
    return _check(flat, rows), rows


def _check(targets: Labels, rows: RowTable) -> Labels:
    if len(targets) != len(rows):
        raise RightfitError(f"There are {len(targets)} targets for {len(rows)} rows.")
    _check_gaps(targets)
    return targets


def _check_gaps(targets: Labels) -> None:
    n_gaps = sum(map(is_missing, targets.tolist()))
    if n_gaps:
        raise RightfitError(
            f"{n_gaps} of {len(targets)} targets are missing; leave out their rows, or all targets."
        )


def _agree_on_task(facts: Mapping[str, ModelDescription], targets: Labels | None) -> Task | None:
    by_task = {
        task: name for name, description in facts.items() if (task := description.task) is not None
    }
    if len(by_task) > 1:
        raise RightfitError(
            f"{by_task['classification']} predicts classes and {by_task['regression']} numbers; "
            "models of one task can be compared."
        )
    if by_task:
        return next(iter(by_task))
    if targets is None:
        return None
    if targets.dtype.kind == "f" and not (targets == np.floor(targets)).all():
        return "regression"
    few = len(set(targets.tolist())) <= MAX_CLASSES
    return "classification" if few or targets.dtype.kind not in "fiu" else "regression"


def _agree_on_classes(
    class_sets: Sequence[tuple[str, ...]], targets: Sequence[str]
) -> tuple[str, ...]:
    """Return all classes: as the models order them if they agree, else sorted.

    Models that number their classes say nothing of names.
    """
    present = set(targets)

    def says_names(classes: tuple[str, ...]) -> bool:
        is_numbered = classes == tuple(map(str, range(len(classes))))
        return not is_numbered or present <= set(classes)

    named_sets = [classes for classes in class_sets if says_names(classes)]
    if named_sets and all(classes == named_sets[0] for classes in named_sets):
        return named_sets[0]
    class_names = {name for classes in named_sets for name in classes} or present
    return tuple(sorted(class_names, key=_sort_key))


def _sort_key(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return float("inf"), name


def choose_metric(
    quality: Quality | None, labels: Labels | None, task: Task | None, classes: tuple[str, ...]
) -> QualityMetric:
    """Return the metric, with what guessing reaches as its worst value where it has no bounds."""
    if labels is None or task is None:
        return UNJUDGED
    if isinstance(quality, QualityMetric):
        return quality
    if quality is not None and not callable(quality):
        require_type("quality", quality, str | Mapping)
    settings = quality if isinstance(quality, Mapping) else {"name": quality}
    if "costs" in settings:
        try:
            block = QualityBlock.model_validate(settings)
        except ValidationError as err:
            faults = list_faults(err, QualityBlock.model_fields)
            raise RightfitError(f"quality: {'; '.join(faults)}") from None
        n_classes = len(classes) or None
        raise_faults(find_quality_faults(block, block.name or COST, task=task, n_classes=n_classes))
        return complete_quality(block, pl.Series(labels), task)
    unknown = sorted(set(settings) - {"name", "worst", "best"})
    ends = (settings.get("worst"), settings.get("best"))
    bounds = [float(bound) for bound in ends if isinstance(bound, int | float)]
    if unknown or len(bounds) not in (0, 2) or len(settings) - len(bounds) > 1:
        raise RightfitError(
            "quality is a metric, one with both of its bounds, {'name': …, 'worst': …, 'best': "
            f"…}}, or costs, {{'costs': [[0, 1], [5, 0]]}}, but got {quality!r}."
        )
    name = settings.get("name") or ("r2" if task == "regression" else "accuracy")
    try:
        if callable(name):
            label = _name_function(name)
            metric = QualityMetric.of_function(
                wrap_function(_place_classes(name, classes)), name=label
            )
            if _is_negated(name) and len(bounds) == 2 and bounds[0] > bounds[1]:
                bounds = [-bound for bound in bounds]  # the scorer's values are losses, negative
        else:
            sklearn_name = name_metric(str(name))
            check_metric(sklearn_name, {}, task=task, n_classes=len(classes) or None)
            best = 0.0 if sklearn_name.startswith(NEGATED) else 1.0
            metric = QualityMetric(name=sklearn_name, worst=best - 1, best=best)
        if bounds:
            said_bounds = {"worst": bounds[0], "best": bounds[1]}
            QualityMetric(**metric.model_dump() | said_bounds)  # a copy is not checked
            return metric.model_copy(update=said_bounds)
        worst = guess_quality(pl.Series(labels), metric, task)
    except ValueError as err:
        raise RightfitError(f"quality: {str(err).removeprefix('quality: ')}") from err
    best = 0.0 if worst < 0 and is_function(metric.name) else metric.best  # 0 of losses
    if worst < best:
        return metric.model_copy(update={"worst": worst, "best": best})
    if len(set(labels.tolist())) > 1:
        raise RightfitError(
            f"quality: {metric.name} gives {worst:g} for guessing, so its bounds are not known; "
            "write them: quality={'name': …, 'worst': 40, 'best': 0}; worst above best says that "
            "lower is better."
        )
    return metric  # all targets are alike, so that guessing is right


def _name_function(function: Callable[..., float]) -> str:
    """Return the name of a function, or that of the function which a scorer calls.

    >>> _name_function(_sort_key)
    'rightfit.measuring.targets._sort_key'
    """
    called = getattr(function, "_score_func", function)
    name = getattr(called, "__qualname__", type(called).__name__)
    loss = "negative_" if _is_negated(function) else ""
    return f"{getattr(called, '__module__', '')}.{loss}{name}"


def _is_negated(function: Callable[..., float]) -> bool:
    return getattr(function, "_sign", 1) < 0  # of make_scorer(greater_is_better=False)


def _place_classes(
    function: Callable[..., float], classes: tuple[str, ...]
) -> Callable[..., float]:
    """Return a scorer whose ``pos_label`` and ``labels`` are positions, as what it will judge.

    Raises:
        RightfitError: If it names a class that there is not.
    """
    options = getattr(function, "_kwargs", {})  # scikit-learn has no public way to read them
    said = {key: options[key] for key in ("pos_label", "labels") if options.get(key) is not None}
    if not classes or not said:
        return function
    positions = {name: position for position, name in enumerate(classes)}
    try:
        placed = {
            key: [positions[name_class(label)] for label in value]
            if key == "labels"
            else positions[name_class(value)]
            for key, value in said.items()
        }
    except KeyError as err:
        raise RightfitError(
            f"the scorer says {said}, but {err} is no class; they are {list(classes[:SHOWN])}"
        ) from None
    scorer = copy.copy(function)
    scorer._kwargs = {**options, **placed}  # type: ignore[attr-defined]
    return scorer
