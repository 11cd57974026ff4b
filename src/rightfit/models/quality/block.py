"""A quality metric as a configuration names it; reading one needs no numpy."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from rightfit._core.strict_model import Number, StrictModel

Option = float | int | str | bool

NEGATED = "neg_"

ABBREVIATIONS = {
    "mae": "neg_mean_absolute_error",
    "mse": "neg_mean_squared_error",
    "rmse": "neg_root_mean_squared_error",
    "mape": "neg_mean_absolute_percentage_error",
}
_LOSSES = ("_error", "_loss", "_deviance")  # how scikit-learn's names of losses end


class QualityBlock(StrictModel):
    """A quality metric as a configuration describes it; ``None`` stands for "infer it"."""

    # a scorer of scikit-learn, or the import path of a function; absent: by task
    name: str | None = None
    worst: Number | None = None  # value that counts as 0; absent: what guessing reaches
    best: Number | None = None  # value that counts as 1; absent: the metric's best
    options: dict[str, Option] = Field(default_factory=dict)  # keyword arguments of the scorer
    # probability from which the second of two classes is predicted
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None

    @field_validator("name")
    @classmethod
    def _name_metric(cls, name: str | None) -> str | None:
        return None if name is None else name_metric(name)


def name_metric(name: str) -> str:
    """Return the name of a metric of which higher values are better.

    >>> name_metric("mae"), name_metric("log_loss"), name_metric("f1")
    ('neg_mean_absolute_error', 'neg_log_loss', 'f1')
    """
    is_loss = name.endswith(_LOSSES) and not name.startswith(NEGATED) and not is_function(name)
    return f"{NEGATED}{name}" if is_loss else ABBREVIATIONS.get(name, name)


def is_function(name: str) -> bool:
    """Tell whether a metric is a function by import path."""
    return "." in name
