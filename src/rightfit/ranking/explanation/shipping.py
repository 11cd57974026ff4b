"""Refits: winners trained again on more rows, and whether that is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from rightfit.formatting import format_interval, format_quality
from rightfit.naming import describe_limit
from rightfit.profiling.metrics import columns_from
from rightfit.profiling.serving import Serving
from rightfit.ranking.applications.applications import Application

KEYS = tuple(field.name for field in fields(Serving))
NOT_YET = "it has not been refitted yet; run: kedro run --pipelines refit,ranking"
NOT_WANTED = "no refit was wanted"
NOT_CHOOSING = "on test rows not used for the choice"
ERRORS_IN_INTERVAL = 2 * 1.96  # standard errors in the width of a 95 % interval
NO_SERVING_COSTS = columns_from("predictions", "training")


class FrozenModel(BaseModel):
    """Part of a document; unknown keys, of another version, are passed over."""

    model_config = ConfigDict(frozen=True)


class Served(FrozenModel):
    """A candidate in one serving configuration.

    In JSON the configuration's fields stand beside the others; documents that lack the request path
    mean rows as the model reads them.
    """

    serving: Serving
    candidate: str

    @property
    def label(self) -> str:
        """Name and serving configuration."""
        return f"{self.candidate} ({self.serving.label})"

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or "serving" in raw:
            return raw
        others = {key: value for key, value in raw.items() if key not in KEYS}
        return others | {"serving": {key: raw[key] for key in KEYS if key in raw}}

    @model_serializer(mode="wrap")
    def _flatten(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        del written["serving"]
        return asdict(self.serving) | written


class RawQuality(FrozenModel):
    """A raw quality with its 95 % interval."""

    raw: float
    low: float
    high: float


class RefitQuality(FrozenModel):
    """The model that was chosen and the refitted one on the same ``n_rows`` test rows.

    ``chose_nothing`` tells whether these rows are the ones that nothing was chosen by; where the
    test split is too small to be divided, they are all test rows. ``columns`` holds the refitted
    model's quality on the other test rows, as ``resource_profiles`` does.
    """

    n_rows: int
    chose_nothing: bool
    chosen: RawQuality
    refitted: RawQuality
    columns: dict[str, float] = {}

    @property
    def where(self) -> str:
        """In words, the rows."""
        return NOT_CHOOSING if self.chose_nothing else "on all test rows"

    @property
    def is_worse(self) -> bool:
        """Whether the refitted model is worse by more than its standard error."""
        error = (self.refitted.high - self.refitted.low) / ERRORS_IN_INTERVAL
        return self.refitted.raw < self.chosen.raw - error


class RefitComparison(FrozenModel):
    """How a refitted model differs from the chosen one: in quality, and whether in structure.

    A cascade's structure counts as changed: other rows may be passed on. ``quality`` is ``None``
    where the refitted model has learnt from the test rows: none are left that could judge it.
    """

    quality: RefitQuality | None
    structure_changed: bool


class Refit(FrozenModel):
    """A winner's refit, or why there is none.

    ``quality_raw`` holds the chosen model's qualities on the test rows that chose, one per serving
    configuration: a later search may give its name to another model. ``profiles`` are rows as of
    ``resource_profiles``; there is none where the structure is the same, since the costs that were
    measured of the chosen model hold then. ``sha256`` stands for the content of the refitted
    bundle, ``chosen_sha256`` for that of the chosen one. A model that ``learnt_from_test`` rows has
    no ``quality`` of its own, and its ``profiles`` hold that of the chosen one.
    """

    candidate: str
    model: str
    quality_raw: tuple[float, ...]
    why_not: str = ""
    n_rows_chosen: int = 0
    n_rows: int = 0
    quality: RefitQuality | None = None
    learnt_from_test: bool = False
    structure_changed: bool = False
    profiles: tuple[dict[str, Any], ...] = ()
    chosen_sha256: str = ""
    sha256: str = ""

    def find_profile(self, serving: Serving) -> Mapping[str, Any] | None:
        """Return what was measured of the refitted model in a serving configuration."""
        for row in self.profiles:
            found = Serving(row["runtime"], row["n_threads"], row["device"], row["request_path"])
            if found == serving:
                return row
        return None

    def read_columns(self, serving: Serving) -> Mapping[str, Any]:
        """Return the refitted model's quality, and costs of serving if they were measured."""
        row = self.find_profile(serving) or (self.quality.columns if self.quality else {})
        return {name: value for name, value in row.items() if name not in columns_from("training")}


class Refits(FrozenModel):
    """The refits of a dataset's winners; its JSON form is ``refits.json``."""

    found: tuple[Refit, ...] = ()


class Shipped(FrozenModel):
    """Which model is shipped for a winner: as it was chosen, or refitted; and why."""

    is_refitted: bool
    sentence: str
    refit: Refit | None = None

    @property
    def is_notable(self) -> bool:
        """Whether people should look: the refit is worse, or none was made yet."""
        quality = self.refit.quality if self.refit and self.is_refitted else None
        return NOT_YET in self.sentence or (quality is not None and quality.is_worse)


class ChosenServing(Served):
    """A winner in the serving configuration it was chosen in."""

    quality_raw: float | None


def decide_shipping(
    winner: ChosenServing, application: Application, refits: Refits | None
) -> Shipped:
    """Decide which model is shipped.

    Quality decides nothing here: the rows that compare both are those that nothing is chosen by.
    """
    if refits is None:
        return _as_chosen(NOT_WANTED, None)
    refit = next(
        (
            one
            for one in refits.found
            if one.candidate == winner.candidate and winner.quality_raw in one.quality_raw
        ),
        None,
    )
    if refit is None:
        return _as_chosen(NOT_YET, None)
    if refit.why_not:
        return _as_chosen(refit.why_not, refit)
    row = refit.find_profile(winner.serving)
    refit = refit.model_copy(update={"profiles": () if row is None else (row,)})
    if row is None and refit.structure_changed:
        return _as_chosen(f"refitted it was not measured as {winner.serving.runtime}", refit)
    broken = _find_broken(application, row) if row else ""
    if broken:
        return _as_chosen(f"refitted it would break a limit, {broken}", refit)
    return Shipped(is_refitted=True, sentence=_describe(refit), refit=refit)


def _as_chosen(reason: str, refit: Refit | None) -> Shipped:
    return Shipped(is_refitted=False, sentence=f"as it was chosen: {reason}", refit=refit)


def _find_broken(application: Application, row: Mapping[str, Any]) -> str:
    """Return the first limit of a serving cost that is not surely kept; empty if all are."""
    for metric, kind, bound in application.list_limits():
        if metric in NO_SERVING_COSTS or metric not in row:
            continue
        value = row[metric]
        if value is None or (value > bound if kind == "max" else value < bound):
            return describe_limit(metric, kind, bound)
    return ""


def _describe(refit: Refit) -> str:
    parts = "train, validation and test" if refit.learnt_from_test else "train and validation"
    text = (
        f"trained again on {refit.n_rows:,} {parts} rows, {refit.n_rows_chosen:,} when it was "
        "chosen"
    )
    if refit.learnt_from_test:
        return f"{text}; its quality was measured as it was chosen, by rows it had not seen"
    if refit.quality is None:
        return text
    chosen, refitted = refit.quality.chosen, refit.quality.refitted
    worse = ", so it is WORSE by more than its standard error" if refit.quality.is_worse else ""
    return (
        f"{text}; {format_interval(refitted.raw, refitted.low, refitted.high)} "
        f"{refit.quality.where}, {format_quality(chosen.raw)} before{worse}"
    )
