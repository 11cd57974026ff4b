"""What earlier searches taught: how quality rises from look to look, and what structures cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter

from rightfit.measuring.serving import Serving
from rightfit_search.searching.pausing.costs import CostLine, Lines, ServingCosts
from rightfit_search.searching.pausing.observed import Structure
from rightfit_search.searching.pausing.quality_projection import UNKNOWN_QUALITY, QualityPrior

SHIPPED = "shipped_priors.json"
USUAL = Serving("onnx", n_threads=1, device="cpu")  # rates of structures are compared in it
# of a number that a row is multiplied by: benchmarks/constants/unrecorded_rates.py
PRODUCT_S = 7e-10
BOOSTED = ("boosting", "lightgbm", "xgboost", "catboost")


def _read_lines(lines: Any) -> Lines:
    if isinstance(lines, Mapping):
        return lines
    return {(Serving(*serving), metric): CostLine(**line) for serving, metric, line in lines}


# In JSON the keys of objects are texts, so each line is a row: serving configuration, metric, line.
ListedLines = Annotated[
    Lines,
    BeforeValidator(_read_lines),
    PlainSerializer(
        lambda lines: [(astuple(serving), name, line) for (serving, name), line in lines.items()]
    ),
]


@dataclass(frozen=True)
class Prior:
    """What is known before a search.

    Args:
        quality: How quality rises.
        lines: What structures cost, by serving configuration and metric.
    """

    quality: QualityPrior = UNKNOWN_QUALITY
    lines: ListedLines = field(default_factory=dict)


@cache
def read_shipped_prior(family: str) -> Prior:
    """Return what the recordings of this project taught of a family; else what is usual.

    Boosted trees are taken to cost what a forest of as many trees and nodes costs: exported, both
    are the same ONNX operator.
    """
    document = json.loads(files(__package__).joinpath(SHIPPED).read_text(encoding="utf-8"))
    if family in BOOSTED:
        return Prior(lines=_read_lines(document["forest"]["lines"]))
    return TypeAdapter(Prior).validate_python(document[family]) if family in document else Prior()


def predict_rows_per_s(family: str, structure: Structure) -> float:
    """Return how many rows a second a model of this structure usually answers in ONNX.

    On one thread. It follows from counts alone, so it is the same in every run. A family without
    recordings is taken for a forest where a row passes less than half of the stored numbers, and
    otherwise for a net, which multiplies by each of them; scikit-learn's take longer for it.
    """
    lines = read_shipped_prior(family).lines
    if not lines:
        if structure["n_operations"] < structure["n_parameters"] / 2:
            lines = read_shipped_prior("forest").lines
        elif family.startswith("sklearn:"):
            return 1 / (PRODUCT_S * structure["n_operations"])
        else:
            lines = read_shipped_prior("net").lines
    return ServingCosts(lines).predict(structure, USUAL, "throughput_rows_per_s")[0]
