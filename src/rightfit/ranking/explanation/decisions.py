"""Decisions: what a ranking recommends per application and dataset, and its form as JSON.

The document ``recommendations.json`` is ``{application: recommendation}``; these models are the one
home of its keys. A decision's facts are put into words once: whatever shows it chooses among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    computed_field,
    field_validator,
)

from rightfit.formatting import (
    N_DIGITS,
    format_interval,
    format_number,
    format_quality,
    format_share,
)
from rightfit.naming import TIMES, describe_limit, format_metric, listing, metric_unit
from rightfit.profiling.profile import Profile
from rightfit.ranking.applications.applications import QUALITIES, ROUNDING, LimitKind
from rightfit.ranking.explanation.shipping import (
    NOT_CHOOSING,
    FrozenModel,
    Refit,
    Served,
    Shipped,
)
from rightfit.request_path import MODEL

WHERE_JUDGED = {
    "held_out": NOT_CHOOSING,
    "nested": "by nested resampling, for want of test rows",
}
P50 = "latency_p50_ms"
SETTINGS = "settings"  # column of profiles and rankings: this model as JSON, null: not known


class Settings(BaseModel):
    """Hyper-parameters of a candidate: those that its search varied, and those it left alone.

    >>> str(Settings(searched={"alpha": 1.25e-05}, fixed={"penalty": "l2"}))
    'alpha 0.0000125; not searched: penalty l2'
    """

    model_config = ConfigDict(frozen=True)

    searched: dict[str, Any] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        searched, fixed = write_values(self.searched), write_values(self.fixed)
        if not searched:
            return fixed
        return f"{searched}; not searched: {fixed}" if fixed else searched

    def write_yaml(self) -> str:
        """Return all settings as YAML, exactly."""
        text: str = yaml.safe_dump({**self.searched, **self.fixed}, sort_keys=False)
        return text


def write_values(values: dict[str, Any]) -> str:
    """Write settings in one line, numbers rounded."""
    return ", ".join(f"{name} {write_value(value)}" for name, value in values.items())


def write_value(value: object) -> str:
    """Write a setting as people read it; whole numbers in full.

    >>> [write_value(one) for one in (100, 0.004837850, True, None, "l2")]
    ['100', '0.00484', 'true', 'none', 'l2']
    """
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f" {TIMES} ".join(map(write_value, value))
    return format_number(value) if isinstance(value, float) else str(value)


class RankedCandidate(Served):
    """A candidate in the serving configuration chosen for the application.

    ``utility`` lies in [0, 1]; it, its interval and metrics are ``None`` where not measured.
    ``p_best`` is the probability of being the best feasible candidate, ``rank_low`` to
    ``rank_high`` the ranks within the measuring errors. ``encoding_ms`` is the part of the median
    latency that encoding takes, ``None`` where it was not compared. ``settings`` are the
    hyper-parameters, ``None`` where they are not known.
    """

    model: str
    encoding_ms: float | None = None
    hardware_tier: str | None
    utility: float | None
    utility_low: float | None
    utility_high: float | None
    p_best: float
    rank_low: int
    rank_high: int
    reason: str
    settings: Settings | None = None
    metrics: dict[str, float | None]

    @field_validator("settings", mode="before")
    @classmethod
    def _read_settings(cls, raw: object) -> object:
        return Settings.model_validate_json(raw) if isinstance(raw, str) else raw


class BrokenLimit(FrozenModel):
    """A limit that a candidate breaks; values are ``None`` where nothing was measured."""

    metric: str
    kind: LimitKind
    limit: float | None
    value: float | None
    amount: float | None
    relative: float | None  # the amount as a share of the limit


class KeptLimit(FrozenModel):
    """A limit that a winner keeps, with the value that was judged.

    Of a quality both are in the dataset's own metric, where the profiles tell the scale.
    """

    metric: str
    kind: LimitKind
    bound: float
    value: float

    @property
    def room(self) -> str:
        """How much of the limit is left, in words.

        >>> KeptLimit(metric="latency_p95_ms", kind="max", bound=10, value=2.5).room
        '75 % left'
        >>> KeptLimit(metric="throughput_rows_per_s", kind="min", bound=1e4, value=3.1e4).room
        '3.1 \N{MULTIPLICATION SIGN} that'
        >>> KeptLimit(metric="quality_raw", kind="min", bound=0.9, value=0.91).room
        '0.010 to spare'
        >>> KeptLimit(metric="quality_raw", kind="min", bound=0.702 - 1e-11, value=0.702).room
        '0.000 to spare'
        >>> KeptLimit(metric="quality_raw", kind="min", bound=-5e4 - 5e-6, value=-5e4).room
        '0.000 to spare'
        """
        if self.metric in QUALITIES:
            spare = self.value - self.bound
            is_rounding = abs(spare) < 2 * ROUNDING * max(1.0, abs(self.bound))
            return f"{format_quality(0.0 if is_rounding else spare)} to spare"
        if self.kind == "max" and self.bound > 0:
            share = 100 * (1 - self.value / self.bound)
            return f"{min(99, math.floor(share))} % left" if share > 0 else "at the limit"
        if self.bound > 0:
            return f"{format_number(self.value / self.bound)} {TIMES} that"
        return f"{format_metric(self.metric, abs(self.value - self.bound))} left"

    @property
    def short(self) -> str:
        """The limit and the room, for a place that names the metric.

        >>> KeptLimit(metric="latency_p95_ms", kind="max", bound=10, value=2.5).short
        '≤ 10, 75 % left'
        >>> KeptLimit(metric="quality_raw", kind="min", bound=0.9, value=0.91).short
        '0.910 when chosen ≥ 0.900, 0.010 to spare'
        """
        sign = "≤" if self.kind == "max" else "≥"
        if self.metric in QUALITIES:
            judged = f"{format_quality(self.value)} when chosen"
            return f"{judged} {sign} {format_quality(self.bound)}, {self.room}"
        return f"{sign} {format_number(self.bound)}, {self.room}"

    def __str__(self) -> str:
        return f"{describe_limit(self.metric, self.kind, self.bound)}: {self.room}"


class NearestMiss(RankedCandidate):
    """The candidate that breaks its limits by the least share of them in sum."""

    violations: list[BrokenLimit]


class Relaxation(FrozenModel):
    """A limit to relax so that a certain profile qualifies.

    ``limit`` is written as in the YAML, ``needed`` in the same terms is what the profile would
    meet, ``excess`` their difference in the metric's unit.
    """

    metric: str
    kind: LimitKind
    limit: float
    needed: float
    excess: float


class NearestProfile(Served):
    """The profile that qualifies once the fewest limits are relaxed, and which these are."""

    limits: list[Relaxation]

    def __str__(self) -> str:
        limits = []
        for limit in self.limits:
            # a limit as it is written here must do: what is rounded is rounded outwards
            outwards = ROUND_FLOOR if limit.kind == "min" else ROUND_CEILING
            needed = Context(prec=N_DIGITS, rounding=outwards).create_decimal(
                f"{limit.needed:.12g}"
            )
            limits.append(
                f"{describe_limit(limit.metric, limit.kind, float(needed))} instead of "
                f"{format_number(limit.limit)} {metric_unit(limit.metric)}".rstrip()
            )
        return f"{self.label}, with {listing(limits)}"


class Reversal(FrozenModel):
    """A change of one weight or limit that changes the winner.

    ``beyond`` is the value past which it changes, or at which it was tried; ``winner`` is ``None``
    where no candidate would qualify; ``change_pct`` is signed.
    """

    kind: Literal["weight", "limit"]
    metric: str
    now: float
    beyond: float
    winner: str | None
    change_pct: float
    sentence: str


class MetricChange(FrozenModel):
    """A metric now and after a change; ``None`` where it was not measured."""

    metric: str
    now: float | None
    then: float | None


class Replacement(FrozenModel):
    """What changing from an imported model to the winner would gain and cost.

    ``utility_gain`` is ``None`` where a utility is unknown or none qualifies. ``changes`` lists the
    metrics that the application asks for, none where the imported model is the winner.
    """

    incumbent: RankedCandidate
    violations: list[BrokenLimit]
    utility_gain: float | None
    is_tied: bool
    changes: list[MetricChange]
    sentence: str


class FinalQuality(FrozenModel):
    """A winner's raw quality on rows not used for the choice, beside the one that chose it.

    ``chosen_by`` is the best of several, so it flatters; ``optimism`` is by how much it lies above
    ``raw``, negative where it does not. ``how``: measured on test rows that were ``held_out`` of
    choosing, or, where there are too few to hold out, by ``nested`` resampling.
    """

    raw: float
    raw_low: float | None
    raw_high: float | None
    chosen_by: float
    how: Literal["held_out", "nested"] = "held_out"

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def optimism(self) -> float:
        """By how much the figure used for the choice is above the other one."""
        return self.chosen_by - self.raw

    @property
    def where(self) -> str:
        """In words, by what it was judged."""
        return WHERE_JUDGED[self.how]


class ShippedQuality(FrozenModel):
    """Raw quality of the model that is shipped, with its 95 % interval.

    ``where`` says in words by which rows: those that nothing was chosen by, as far as there are. Of
    a model that has learnt from all rows since, it is the quality that it was chosen with.
    """

    raw: float
    raw_low: float | None
    raw_high: float | None
    where: str

    def __str__(self) -> str:
        return f"{format_interval(self.raw, self.raw_low, self.raw_high)} {self.where}"


class Decision(FrozenModel):
    """What is recommended to one application on one dataset.

    The outcome is ``undecided`` where no candidate qualifies for sure, and some fail only by
    timings that other work on the machine disturbed. ``nearest_miss`` and ``relax`` are ``None``
    where there is a winner, and where no candidate has every measurement the application needs.
    ``tied_with`` names the candidates that the measurements cannot distinguish from the winner.
    ``kept`` names the candidate that would have won without an earlier ranking, in a sentence;
    empty where that is the winner itself. ``not_known`` names, in a sentence, the candidates that
    may be better than the winner on a quiet machine, as other work disturbed their timings.
    ``final_quality`` is the winner's without the luck of having been chosen, ``None`` where that is
    not known. ``reversals`` start with the smallest change;
    ``reversal`` is that one in a sentence. ``replacements`` has one entry per imported model.
    ``shipped`` says whether the winner is shipped refitted; ``None`` where there is no winner.
    ``winner`` holds the figures that chose it, ``quality`` is that of the model that is shipped,
    ``limits`` are those that it keeps.
    """

    outcome: Literal["winner", "none_qualifies", "undecided"]
    sentence: str
    winner: RankedCandidate | None
    runner_up: RankedCandidate | None
    tied_with: list[str]
    kept: str = ""
    not_known: str = ""
    final_quality: FinalQuality | None = None
    nearest_miss: NearestMiss | None
    relax: NearestProfile | None
    reversals: list[Reversal]
    reversal: str
    replacements: list[Replacement] = Field(default_factory=list)
    deadline: str = ""
    shipped: Shipped | None = None
    limits: list[KeptLimit] = Field(default_factory=list)

    @property
    def subject(self) -> RankedCandidate | None:
        """The winner, else the nearest miss; ``None`` where every candidate lacks a measurement."""
        return self.winner or self.nearest_miss

    @property
    def without_winner(self) -> str:
        """Why there is no winner: none qualifies, or that is undecided."""
        return self.outcome.replace("_", " ")

    @property
    def tie(self) -> str:
        """Whether the winner is kept, and how many candidates are tied with it, in words."""
        n_tied = len(self.tied_with)
        return ", ".join(["kept"] * bool(self.kept) + [f"tied with {n_tied}"] * bool(n_tied))

    @property
    def refit(self) -> Refit | None:
        """The refit that is shipped; ``None``: the winner is shipped as it was chosen."""
        return self.shipped.refit if self.shipped and self.shipped.is_refitted else None

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def quality(self) -> ShippedQuality | None:
        """Raw quality of the model that is shipped; ``None`` where it is not known."""
        refit, final = self.refit, self.final_quality
        if refit is not None and not refit.learnt_from_test:
            found = refit.quality
            if found is None:
                return None
            raw, low, high = found.refitted.raw, found.refitted.low, found.refitted.high
            return ShippedQuality(raw=raw, raw_low=low, raw_high=high, where=found.where)
        if final is None:
            return None
        where = final.where if refit is None else f"{final.where}, before it learnt from all rows"
        return ShippedQuality(
            raw=final.raw, raw_low=final.raw_low, raw_high=final.raw_high, where=where
        )

    @property
    def headline(self) -> RankedCandidate | None:
        """The winner with the figures of the model that is shipped; its utility chose it."""
        if self.winner is None:
            return None
        metrics, tier = dict(self.winner.metrics), self.winner.hardware_tier
        if self.refit is not None:
            columns = self.refit.read_columns(self.winner.serving)
            metrics |= {name: columns[name] for name in metrics.keys() & columns.keys()}
            tier = columns.get("min_hardware_tier_name", tier)
        if self.quality is not None:
            metrics["quality_raw"] = self.quality.raw
        return self.winner.model_copy(update={"metrics": metrics, "hardware_tier": tier})


class AcrossDatasets(FrozenModel):
    """How the families of an application compare over its datasets."""

    winning_family: dict[str, str | None]
    winner_changes: bool
    robust_choice: str | None
    mean_rank: float | None
    worst_rank: int | None
    sentence: str


class Recommendation(FrozenModel):
    """The decisions for one application, by dataset."""

    description: str
    scenario: str
    datasets: dict[str, Decision]
    across_datasets: AcrossDatasets


Recommendations = Mapping[str, Recommendation]  # by application

_DOCUMENT = TypeAdapter(dict[str, Recommendation])


def list_decisions(recommendations: Recommendations) -> list[tuple[str, str, Decision]]:
    """List the decisions with application and dataset, in the order of both."""
    return [
        (application, dataset, decision)
        for application, recommendation in recommendations.items()
        for dataset, decision in recommendation.datasets.items()
    ]


def describe_where_judged(recommendations: Recommendations) -> str:
    """Say by which rows the qualities of the models that are shipped were found."""
    found = [one.quality for _, _, one in list_decisions(recommendations) if one.quality]
    return " or ".join(dict.fromkeys(one.where for one in found)) or "on the rows that chose"


def write_recommendations(recommendations: Recommendations) -> dict[str, object]:
    """Return recommendations as plain JSON types."""
    document: dict[str, object] = _DOCUMENT.dump_python(dict(recommendations), mode="json")
    return document


def read_recommendations(document: object) -> Recommendations:
    """Read recommendations from plain JSON types.

    Raises:
        ValueError: If the document has another form; names the place.
    """
    return _DOCUMENT.validate_python(document)


@dataclass(frozen=True)
class Fact:
    """A term, and what is known by it."""

    term: str
    text: str


def decision_facts(decision: Decision, profile: Profile | None = None) -> list[Fact]:
    """List the facts of a decision.

    The terminal's table, the report, ``rightfit which`` and an export's README show them, each
    those that it has room for.

    Args:
        decision: The decision.
        profile: Profile of the model that is shipped; ``None`` where it is not at hand.

    Returns:
        The facts that there are, in order; a term may stand more than once.
    """
    runner_up, final = decision.runner_up, decision.final_quality
    chosen = ""
    if final is not None:
        chosen = (
            f"{format_quality(final.chosen_by)} on the rows used "
            f"(optimism {format_quality(final.optimism)})"
        )
        if decision.refit is not None:  # "Quality" is that of the refitted model, this the winner's
            own = format_interval(final.raw, final.raw_low, final.raw_high)
            chosen = f"{own} {final.where}; {chosen}"
    facts: list[tuple[str, object]] = [
        ("Decision", decision.sentence),
        ("Settings", decision.winner and decision.winner.settings),
        ("Quality", decision.quality),
        ("When chosen", chosen),
        *(("Limit", limit) for limit in decision.limits),
        (
            "Runner-up",
            runner_up and f"{runner_up.label}, utility {format_quality(runner_up.utility)}",
        ),
        ("Tied with", decision.tied_with and listing(decision.tied_with)),
        ("Kept", decision.kept),
        ("Not known", decision.not_known),
        ("Shipped", decision.shipped and decision.shipped.sentence),
        *(("In use", one.sentence) for one in decision.replacements),
        ("Deadline", decision.deadline),
        ("Would change it", decision.reversal),
        ("Would qualify", decision.relax),
        ("What went in", profile and describe_input(profile)),
        ("Measured", profile and describe_disturbance(profile)),
    ]
    return [Fact(term, str(fact)) for term, fact in facts if fact]


def find_facts(decision: Decision, *terms: str) -> Iterator[Fact]:
    """Yield the facts of a decision that stand under one of some terms."""
    yield from (fact for fact in decision_facts(decision) if fact.term in terms)


def describe_input(profile: Profile) -> str:
    """Say what a measured request held, and what encoding took of the median latency."""
    if profile.serving.request_path == MODEL:
        return "encoded rows; encoding is not included"
    encoding_ms, whole_ms = profile.encoding_ms, profile.latency_p50_ms.value
    if encoding_ms is None or not whole_ms:
        return "raw columns, encoder included"
    share = format_share(min(1.0, encoding_ms / whole_ms))
    return (
        f"raw columns; encoding takes {format_metric(P50, encoding_ms)} of the median latency of "
        f"{format_metric(P50, whole_ms)} ({share})"
    )


def describe_disturbance(profile: Profile) -> str:
    """Say whether another process took the cores while a profile was timed."""
    if profile.disturbed is None:
        return "not known whether undisturbed"
    if profile.disturbed:
        return "DISTURBED: another process used the cores while it was timed; measure again"
    return "undisturbed"
