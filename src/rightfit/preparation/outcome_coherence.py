"""Whether target, task and quality metric of a dataset agree."""

from __future__ import annotations

from collections.abc import Mapping

from rightfit.families.schema import Task
from rightfit.preparation.spec import DatasetSpec, Target
from rightfit.preparation.table_schema import NUMERIC_DTYPES
from rightfit.quality.errors import SHARES
from rightfit.quality.scorers import Option, check_metric

WITHOUT_THRESHOLD = (*SHARES, "neg_log_loss")  # accuracy, ROC AUC and what looks at no class


def find_number_faults(spec: DatasetSpec, dtype: str) -> list[str]:
    """List why a target's column is none of a regression."""
    faults = find_task_faults(spec.target, spec.task)
    if dtype not in NUMERIC_DTYPES:
        faults.append(describe_no_number(spec.target.column, dtype))
    return faults


def describe_no_number(column: str, dtype: str) -> str:
    """Say that a regression's target is no number."""
    return f"task regression needs a numeric target, but {column!r} is {dtype}"


def find_task_faults(target: Target, task: Task | None) -> list[str]:
    """List what a target says that its task has no use for."""
    if task == "regression" and (target.classes or target.at_least is not None):
        return [
            "task regression predicts the number itself, so target takes neither classes nor "
            "at_least; leave them out, or write task: classification"
        ]
    return []


def find_quality_faults(
    name: str, options: Mapping[str, Option], *, task: Task, n_classes: int | None
) -> list[str]:
    """List why a metric cannot judge a task; it is tried on made-up answers."""
    try:
        check_metric(name, options, task=task, n_classes=n_classes)
    except ValueError as err:
        return [f"quality.name: {err}"]
    return []


def find_metric_faults(spec: DatasetSpec) -> list[str]:
    """List why a dataset's metric cannot judge its task."""
    n_classes = len(spec.target.classes)
    if spec.task == "classification" and n_classes < 2:
        return []  # a fault of the target, told there
    quality = spec.quality
    if quality.threshold is not None and (
        spec.task == "regression" or n_classes != 2 or quality.name in WITHOUT_THRESHOLD
    ):
        return [
            "quality.threshold goes with two classes and a metric of the predicted class, such as "
            f"f1, precision or recall, not with {quality.name} of {n_classes or 'no'} classes"
        ]
    return find_quality_faults(quality.name, quality.options, task=spec.task, n_classes=n_classes)
