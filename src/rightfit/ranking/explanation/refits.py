"""Refits: winners trained again on train and validation rows, and whether that is shipped."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from rightfit.formatting import format_quality
from rightfit.naming import describe_limit
from rightfit.ranking.applications.applications import Application
from rightfit.ranking.explanation.served import Served

NOT_YET = "it has not been refitted yet; run: kedro run --pipelines refit,ranking"
NOT_WANTED = "refit.when in parameters_refit.yml asks for no refit of this dataset"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class RawQuality(_Part):
    """A raw quality with its 95 % interval."""

    raw: float
    low: float
    high: float


class RefitQuality(_Part):
    """The model that was chosen and the refitted one on the same ``n_rows`` test rows.

    ``chose_nothing`` tells whether these rows are the ones that nothing was chosen by; where the
    test split is too small to be divided, they are all test rows.
    """

    n_rows: int
    chose_nothing: bool
    chosen: RawQuality
    refitted: RawQuality


class RefitComparison(_Part):
    """How a refitted model differs from the chosen one: in quality, and whether in structure."""

    quality: RefitQuality
    structure_changed: bool


class RefitCosts(Served):
    """What serving the refitted model costs; a metric is ``None`` where it was not measured."""

    metrics: dict[str, float | None]


class Refit(_Part):
    """A winner's refit, or why there is none.

    ``quality_raw`` holds the chosen model's qualities on the test rows that chose, one per serving
    configuration: a later search may give its name to another model. ``costs`` is empty where the
    structure is the same, since what was measured of the chosen model holds then. ``sha256`` stands
    for the content of the refitted bundle, ``chosen_sha256`` for that of the chosen one.
    """

    candidate: str
    model: str
    quality_raw: tuple[float, ...]
    why_not: str = ""
    n_rows_chosen: int = 0
    n_rows: int = 0
    quality: RefitQuality | None = None
    structure_changed: bool = False
    costs: tuple[RefitCosts, ...] = ()
    chosen_sha256: str = ""
    sha256: str = ""


class Refits(_Part):
    """The refits of a dataset's winners; its JSON form is ``refits.json``."""

    found: tuple[Refit, ...] = ()


class Shipped(_Part):
    """Which model is shipped for a winner: as it was chosen, or refitted; and why."""

    is_refitted: bool
    sentence: str
    refit: Refit | None = None


class ChosenServing(Served):
    """A winner in the serving configuration it was chosen in."""

    candidate: str
    quality_raw: float | None


def decide_shipping(
    winner: ChosenServing, application: Application, refits: Refits | None
) -> Shipped:
    """Decide which model is shipped.

    Quality decides nothing here: the rows that compare both are those that nothing is chosen by.
    """
    if refits is None:
        return _as_chosen(NOT_WANTED, None)
    refit = next((one for one in refits.found if _is_of(one, winner)), None)
    if refit is None:
        return _as_chosen(NOT_YET, None)
    if refit.why_not:
        return _as_chosen(refit.why_not, refit)
    costs = next((one for one in refit.costs if one.serving == winner.serving), None)
    if costs is None and refit.structure_changed:
        return _as_chosen(f"refitted it was not measured as {winner.serving.runtime}", refit)
    broken = _find_broken(application, costs.metrics) if costs else ""
    if broken:
        return _as_chosen(f"refitted it would break a limit, {broken}", refit)
    return Shipped(is_refitted=True, sentence=_describe(refit), refit=refit)


def _is_of(refit: Refit, winner: ChosenServing) -> bool:
    return refit.candidate == winner.candidate and winner.quality_raw in refit.quality_raw


def _as_chosen(reason: str, refit: Refit | None) -> Shipped:
    return Shipped(is_refitted=False, sentence=f"as it was chosen: {reason}", refit=refit)


def _find_broken(application: Application, metrics: Mapping[str, float | None]) -> str:
    """Return the first limit of a cost that is not surely kept, in words; empty if all are."""
    for metric, constraint in application.constraints.items():
        for kind, bound in constraint.limits().items():
            if metric not in metrics:  # qualities are no costs
                continue
            value = metrics[metric]
            if value is None or (value > bound if kind == "max" else value < bound):
                return describe_limit(metric, kind, bound)
    return ""


def _describe(refit: Refit) -> str:
    text = (
        f"trained again on {refit.n_rows:,} train and validation rows, {refit.n_rows_chosen:,} "
        "when it was chosen"
    )
    if refit.quality is None:
        return text
    chosen, refitted = refit.quality.chosen, refit.quality.refitted
    rows = "test rows not used for the choice" if refit.quality.chose_nothing else "all test rows"
    return (
        f"{text}; {format_quality(refitted.raw)} ({format_quality(refitted.low)} to "
        f"{format_quality(refitted.high)}) on {rows}, {format_quality(chosen.raw)} before"
    )
