"""What earlier searches taught: how quality rises from look to look, and what structures cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from rightfit.profiling.serving import Serving
from rightfit.tuning.pausing.quality_projection import UNKNOWN_QUALITY, QualityPrior, StepPrior
from rightfit.tuning.pausing.serving_costs import CostLine, Lines

SHIPPED = "shipped_priors.json"
BOOSTED = ("boosting", "libraries.lightgbm", "libraries.xgboost", "libraries.catboost")


@dataclass(frozen=True)
class Prior:
    """What is known before a search.

    Args:
        quality: How quality rises.
        lines: What structures cost, by serving configuration and metric.
    """

    quality: QualityPrior = UNKNOWN_QUALITY
    lines: Lines = field(default_factory=dict)


def read_shipped_prior(family: str) -> Prior:
    """Return what the recordings of this project taught of a family; else what is usual.

    Boosted trees are taken to cost what a forest of as many trees and nodes costs: exported, both
    are the same ONNX operator.
    """
    document = json.loads(files(__package__).joinpath(SHIPPED).read_text())
    name = family.removeprefix("rightfit.families.")
    if name in BOOSTED:
        return Prior(lines=_read_lines(document["forest"]["lines"]))
    if name not in document:
        return Prior()
    row = document[name]
    return Prior(tuple(StepPrior(**step) for step in row["quality"]), _read_lines(row["lines"]))


def _read_lines(rows: Sequence[tuple[Sequence[Any], str, Mapping[str, Any]]]) -> Lines:
    return {(Serving(*serving), metric): CostLine(**line) for serving, metric, line in rows}
