"""A quality metric as a configuration names it; reading one needs no numpy."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from rightfit._core.strict_model import Number, StrictModel

Option = float | int | str | bool

NEGATED = "neg_"
COST = "neg_cost"  # of predicted classes, by a matrix: see ``QualityBlock.costs``
MAX_COST = 1e9

ABBREVIATIONS = {
    "mae": "neg_mean_absolute_error",
    "mse": "neg_mean_squared_error",
    "rmse": "neg_root_mean_squared_error",
    "mape": "neg_mean_absolute_percentage_error",
    "cost": COST,
    "brier": "neg_brier_score",
    "brier_score": "neg_brier_score",
    "brier_score_loss": "neg_brier_score",
}
_LOSSES = ("_error", "_loss", "_deviance")  # how scikit-learn's names of losses end

Cost = Annotated[float, Field(ge=0, le=MAX_COST)]


class QualityBlock(StrictModel):
    """A quality metric as a configuration describes it; ``None`` stands for "infer it"."""

    # a scorer of scikit-learn, or the import path of a function; absent: by task
    name: str | None = None
    worst: Number | None = None  # value that counts as 0; absent: what guessing reaches
    best: Number | None = None  # value that counts as 1; absent: the metric's best
    options: dict[str, Option] = Field(default_factory=dict)  # keyword arguments of the scorer
    # probability from which the second of two classes is predicted
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    # what each predicted class (column) costs where each class (row) is true, as target.classes
    costs: tuple[tuple[Cost, ...], ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_function(cls, block: object) -> object:
        if callable(block):
            raise ValueError(
                "a function cannot be written down: name its import path, with worst and best, or "
                "give it to rf.search(quality=...) or Ranking.with_quality(function, application)"
            )
        return block

    @field_validator("name")
    @classmethod
    def _name_metric(cls, name: str | None) -> str | None:
        return None if name is None else name_metric(name)

    @model_validator(mode="after")
    def _check_bounds_and_costs(self) -> Self:
        if self.worst is not None and self.worst == self.best:
            raise ValueError(f"worst and best must differ, but both are {self.best}")
        if self.costs is None:
            if self.name == COST:
                raise ValueError("the metric cost needs costs, as in costs: [[0, 1], [5, 0]]")
            return self
        matrix, n_classes = self.costs, len(self.costs)
        is_square = n_classes > 1 and all(len(row) == n_classes for row in matrix)
        if not is_square or any(
            (cost > 0) == (i == j) for i, row in enumerate(matrix) for j, cost in enumerate(row)
        ):
            raise ValueError(
                "costs must have a row and a column for each class, 0 where the prediction is "
                f"right and more elsewhere, as in [[0, 1], [5, 0]], but got {list(matrix)}"
            )
        if self.threshold is not None:
            raise ValueError("costs choose the threshold; write one of the two")
        return self


def name_metric(name: str) -> str:
    """Return the name of a metric of which higher values are better.

    >>> [name_metric(name) for name in ("mae", "brier", "log_loss", "f1")]
    ['neg_mean_absolute_error', 'neg_brier_score', 'neg_log_loss', 'f1']
    """
    is_loss = name.endswith(_LOSSES) and not name.startswith(NEGATED) and not is_function(name)
    return ABBREVIATIONS.get(name, f"{NEGATED}{name}" if is_loss else name)


def is_function(name: str) -> bool:
    """Tell whether a metric is a function by import path."""
    return "." in name
