"""Decisions: what a ranking recommends per application and dataset, and its form as JSON.

The document ``recommendations.json`` is ``{application: recommendation}``; these models are the one
home of its keys. A decision's facts are put into words once: whatever shows it chooses among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from functools import partial
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    computed_field,
    field_validator,
    model_serializer,
    model_validator,
)

from rightfit._core.formatting import (
    N_DIGITS,
    add_unit,
    count,
    format_interval,
    format_number,
    format_quality,
    format_share,
)
from rightfit.data.request_path import MODEL, RequestPath
from rightfit.measuring.metrics import Figure
from rightfit.measuring.naming import (
    TIMES,
    describe_limit,
    format_metric,
    listing,
    metric_name,
    metric_unit,
)
from rightfit.measuring.profile import Profile, describe_twins
from rightfit.measuring.serving import Serving, split_device
from rightfit.ranking.applications.applications import (
    QUALITIES,
    ROUNDING,
    BatchSizes,
    LimitKind,
)
from rightfit.ranking.explanation.findings import Finding
from rightfit.ranking.figures import Figures, QualityFigure

P50 = "latency_p50_ms"
ANY_QUALITY = "any meets the limit, since the best may lose more than it lies above 0 (guessing)"
SETTINGS = "settings"  # column of profiles and rankings: this model as JSON, null: not known
SERVING_FIELDS = tuple(field.name for field in fields(Serving))
CLEAR, LIKELY = 0.95, 0.75  # least chance of being practically the best; below: open

Mark = Literal["clear", "likely", "open"]


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
        plain = {key: value for key, value in raw.items() if key not in SERVING_FIELDS}
        return plain | {"serving": {key: raw[key] for key in SERVING_FIELDS if key in raw}}

    @model_serializer(mode="wrap")
    def _flatten(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = write(self)
        del plain["serving"]
        return asdict(self.serving) | plain


class Settings(FrozenModel):
    """Hyper-parameters of a candidate: those that its search varied, and those it left alone.

    ``at_edge`` names the searched ones that lie at an end of their range.

    >>> str(Settings(searched={"alpha": 1.25e-05}, fixed={"penalty": "l2"}))
    'alpha 0.0000125; not searched: penalty l2'
    """

    searched: dict[str, Any] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    at_edge: list[str] = Field(default_factory=list)

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

    ``utility`` lies in [0, 1]; it and its interval are ``None`` where not measured. ``p_best`` is
    the probability that no other feasible candidate is better by more than practical equality.
    ``feeding_ms`` is the part of the median latency that feeding takes, ``None`` where it was not
    measured. ``settings`` are the hyper-parameters, ``None`` where they are not known. ``metrics``
    are the figures of its profile, of calls of ``best_batch_size`` rows where that matters.
    """

    model: str
    feeding_ms: float | None = None
    hardware_tier: str | None
    utility: float | None
    utility_low: float | None
    utility_high: float | None
    p_best: float
    reason: str
    settings: Settings | None = None
    best_batch_size: int | None = None
    metrics: Figures

    @property
    def quality(self) -> Figure | None:
        """Its quality in the dataset's own metric, on all test rows; ``None``: not measured."""
        return find_quality(self.metrics)

    @field_validator("settings", mode="before")
    @classmethod
    def _read_settings(cls, raw: object) -> object:
        return Settings.model_validate_json(raw) if isinstance(raw, str) else raw


def find_quality(metrics: Mapping[str, Figure]) -> Figure | None:
    """Return the raw quality among figures; ``None`` where it was not measured."""
    quality = metrics.get("quality_raw")
    return quality if quality and quality.value is not None else None


class LimitOutcome(FrozenModel):
    """A limit of an application, and how a candidate stands to it.

    Bound and value of a quality are in the dataset's own metric, where the profiles tell the scale.
    ``excess`` is the amount by which the value is beyond the bound, 0 within it, and ``relative``
    the same as a share of the bound; all but the kind are ``None`` where nothing was measured. A
    lower percentile of the latency that breaks the bound is the value of one not measured.
    ``low`` and ``high`` are the value's 95 % interval, ``None`` where it is not known, or where the
    bound follows from the best candidate's value.
    """

    metric: str
    kind: LimitKind
    bound: float | None
    value: float | None
    excess: float | None = 0.0
    relative: float | None = 0.0
    low: float | None = None
    high: float | None = None

    @property
    def has_interval(self) -> bool:
        """Whether it can be told if the limit lies within the measuring error."""
        return None not in (self.low, self.high, self.bound)

    @property
    def is_within_error(self) -> bool:
        """Whether the limit is met, but the value's interval reaches beyond it.

        >>> limit = LimitOutcome(metric="latency_p95_ms", kind="max", bound=10, value=9.5)
        >>> limit.model_copy(update={"low": 9, "high": 10.2}).is_within_error
        True
        """
        if self.low is None or self.high is None or self.bound is None or not self.is_met:
            return False
        return self.high > self.bound if self.kind == "max" else self.low < self.bound

    @property
    def is_met(self) -> bool:
        """Whether the candidate meets the limit."""
        return self.excess == 0

    @property
    def excludes_nothing(self) -> bool:
        """Whether the best quality may lose more than it lies above 0, the lowest that counts."""
        return self.metric == "quality" and self.bound is not None and self.bound < 0

    @property
    def sign(self) -> str:
        """The relation that a limit asks for."""
        return "≤" if self.kind == "max" else "≥"

    @property
    def room(self) -> str:
        """Distance from the limit, in words.

        >>> LimitOutcome(metric="latency_p95_ms", kind="max", bound=10, value=2.5).room
        '75 % left'
        >>> LimitOutcome(metric="throughput_rows_per_s", kind="min", bound=1e4, value=3.1e4).room
        '3.1 \N{MULTIPLICATION SIGN} that'
        >>> LimitOutcome(metric="quality_raw", kind="min", bound=0.9, value=0.91).room
        '0.010 to spare'
        >>> LimitOutcome(metric="quality_raw", kind="min", bound=0.702 - 1e-11, value=0.702).room
        '0.000 to spare'
        >>> LimitOutcome(metric="quality_raw", kind="min", bound=-5e4 - 5e-6, value=-5e4).room
        '0.000 to spare'
        """
        if self.value is None or self.bound is None:
            return "not measured"
        if self.excludes_nothing:
            return ANY_QUALITY
        if not self.is_met:
            return f"{format_metric(self.metric, self.excess)} beyond"
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

        >>> LimitOutcome(metric="latency_p95_ms", kind="max", bound=10, value=2.5).short
        '≤ 10 ms, 75 % left'
        >>> LimitOutcome(metric="quality_raw", kind="min", bound=0.9, value=0.91).short
        '≥ 0.900, 0.010 to spare'
        """
        if self.excludes_nothing:
            return self.room
        if self.metric in QUALITIES:
            return f"{self.sign} {format_quality(self.bound)}, {self.room}"
        return f"{self.sign} {format_metric(self.metric, self.bound)}, {self.room}"

    def __str__(self) -> str:
        bound = format_quality if self.metric in QUALITIES else partial(format_metric, self.metric)
        if self.excludes_nothing:
            return f"{metric_name(self.metric)} {bound(self.value)}: {self.room}"
        return (
            f"{metric_name(self.metric)} {bound(self.value)} {self.sign} {bound(self.bound)}: "
            f"{self.room}"
        )


class NearestMiss(RankedCandidate):
    """The candidate that breaks its limits by the least share of them in sum."""

    violations: list[LimitOutcome]


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
                + add_unit(format_number(limit.limit), metric_unit(limit.metric))
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
    """Gains and costs of changing from an imported model to the winner.

    ``utility_gain`` is ``None`` where a utility is unknown or none qualifies. ``changes`` lists the
    metrics that the application asks for, none where the imported model is the winner.
    """

    incumbent: RankedCandidate
    violations: list[LimitOutcome]
    utility_gain: float | None
    is_equal: bool
    changes: list[MetricChange]
    sentence: str


class SegmentWinner(Served):
    """A value of an application's column that has a winner of its own.

    ``utility_gain`` is by how much its utility is above the overall winner's on the ``n_rows`` test
    rows of the value, memory left aside.
    """

    segment: str
    n_rows: int
    utility_gain: float


class Segments(FrozenModel):
    """Which winner serves which value of an application's column (``per``).

    ``winners`` are those other than the overall one, none where that serves all ``n_judged``
    values. ``memory_mib`` is the peak memory of all served models together, each in a process of
    its own, and ``utility_gain`` the mean over the rows, that memory counted. ``skipped`` has a
    line per value that could not be judged.
    """

    column: str
    n_judged: int
    winners: list[SegmentWinner]
    memory_mib: float | None
    utility_gain: float
    sentence: str
    skipped: list[str]


class FleetMember(FrozenModel):
    """A kind of machine, its winner and its price; ``None``: none qualifies, no price is known.

    Metrics are its quality and those that the application needs, limits those that the winner
    meets on this kind. ``price_per_1m`` is that of a million predictions in the throughput's
    batches, all the time.
    """

    kind: str
    is_measured: bool = True
    request_path: RequestPath | None = None
    model: str | None = None
    candidate: str | None = None
    serving: Serving | None = None
    utility: float | None = None
    metrics: Figures = Field(default_factory=dict)
    limits: list[LimitOutcome] = Field(default_factory=list)
    price_per_month: float | None = None
    price_per_1m: float | None = None

    @property
    def quality(self) -> Figure | None:
        """The winner's quality; ``None``: none qualifies, or it was not measured."""
        return find_quality(self.metrics)

    @property
    def label(self) -> str:
        """The winner and how it is served, or why there is none."""
        if self.candidate is None or self.serving is None:
            return "none qualifies" if self.is_measured else "not measured"
        serving = replace(self.serving, device=split_device(self.serving.device)[0])
        return f"{self.candidate} ({serving.label})"

    def __str__(self) -> str:
        if not self.is_measured:
            how = f"rightfit remote pack, then rightfit remote import --name {self.kind}"
            return f"{self.kind}: not measured ({how})"
        if self.candidate is None:
            return f"{self.kind}: {self.label}"
        month = self.price_per_month
        price = "" if month is None else f", {format_number(month)} a month"
        return f"{self.kind}: {self.label}, utility {format_quality(self.utility)}{price}"


class Fleet(FrozenModel):
    """Each kind of machine by itself, and one candidate for all of them.

    ``utility_cost`` is by how much the mean utility of ``one_for_all`` is below that of each kind's
    best, ``cheapest`` the kind of the lowest price that has a winner; ``None`` where there is none.
    """

    kinds: list[FleetMember]
    one_for_all: str | None
    utility_cost: float | None
    cheapest: str | None
    sentence: str


class Decision(FrozenModel):
    """The recommendation to one application on one dataset.

    The outcome is ``undecided`` where no candidate qualifies for sure, and some fail only by
    timings that other work on the machine disturbed. ``nearest_miss`` and ``relax`` are ``None``
    where there is a winner, and where no candidate has every measurement the application needs.
    ``equal_to`` names the feasible candidates whose utility differs from the winner's by less than
    ``equal_within``, ``not_told_apart`` the others that may be the best within the measuring
    errors. ``twins`` names the candidates that serve the winner's graph with other weights, so
    that they cost the same. ``findings`` are the remarks on it. ``selection_bias`` is by how much
    the winner's quality is too high, on average, for having been chosen by the same test rows,
    ``corrected_quality`` what is left, ``None`` where that is not known; ``held_out_quality`` the
    one on test rows that were kept aside.
    ``reversals`` start with the smallest change; ``reversal`` is that one in a sentence.
    ``replacements`` has one entry per imported model. ``limits`` are those that the winner meets.
    ``segments`` is ``None`` where the application names no column of the dataset. ``threshold`` is
    the probability from which the application predicts the second class, where it names one, and
    ``batch_sizes`` the rows a call that it can send, whose best the figures are of.
    ``fleet`` is ``None`` where there is one kind of machine, or the application names one.
    """

    outcome: Literal["winner", "none_qualifies", "undecided"]
    sentence: str
    winner: RankedCandidate | None
    runner_up: RankedCandidate | None
    equal_to: list[str]
    not_told_apart: list[str]
    twins: list[str] = Field(default_factory=list)
    corrected_quality: QualityFigure = None
    selection_bias: float | None = None
    held_out_quality: QualityFigure = None
    nearest_miss: NearestMiss | None
    relax: NearestProfile | None
    reversals: list[Reversal]
    reversal: str
    replacements: list[Replacement] = Field(default_factory=list)
    deadline: str = ""
    limits: list[LimitOutcome] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    segments: Segments | None = None
    threshold: float | None = None
    batch_sizes: BatchSizes | None = None
    fleet: Fleet | None = None

    def finding(self, code: str) -> Finding | None:
        """Return the finding of a rule; ``None`` where there is none, or it was not checked."""
        return next((one for one in self.reported_findings if one.code == code), None)

    @property
    def reported_findings(self) -> list[Finding]:
        """The findings without those that say why a rule was not checked."""
        return [one for one in self.findings if one.severity != "not applicable"]

    @property
    def subject(self) -> RankedCandidate | None:
        """The winner, else the nearest miss; ``None`` where every candidate lacks a measurement."""
        return self.winner or self.nearest_miss

    @property
    def without_winner(self) -> str:
        """Why there is no winner: none qualifies, or that is undecided."""
        return self.outcome.replace("_", " ")

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorated property
    @property
    def mark(self) -> Mark | None:
        """How sure the winner is, by its chance of being practically the best; none: no winner."""
        return None if self.winner is None else mark_chance(self.winner.p_best)

    @property
    def status(self) -> str:
        """The mark, and whether the winner is kept or has practically equal rivals, in words."""
        if self.mark is None:
            return self.without_winner
        n_equal = len(self.equal_to)
        equal = [f"practically equal: {n_equal}"] if n_equal else []
        return ", ".join([self.mark, *(["kept"] if self.finding("RF007") else []), *equal])


def mark_chance(chance: float) -> Mark:
    """Name a chance of being practically the best.

    >>> [mark_chance(chance) for chance in (0.97, 0.8, 0.5)]
    ['clear', 'likely', 'open']
    """
    return "clear" if chance >= CLEAR else "likely" if chance >= LIKELY else "open"


def format_chance(chance: float) -> str:
    """Write a chance of being practically the best as coarsely as simulations show it to hold.

    >>> [format_chance(chance) for chance in (0.97, 0.68, 0.04)]
    ['≥ 95 %', '70 %', '< 5 %']
    """
    if chance >= CLEAR:
        return f"≥ {format_share(CLEAR)}"
    return "< 5 %" if chance < 1 - CLEAR else format_share(round(chance, 1))


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


FactKind = Literal[
    "decision",
    "settings",
    "quality",
    "correction",
    "held_out",
    "limit",
    "runner_up",
    "chance",
    "twins",
    "in_use",
    "finding",
    "deadline",
    "segments",
    "fleet",
    "reversal",
    "relaxation",
    "input",
    "batches",
    "origin",
    "prices",
    "over_http",
]
TERMS: Mapping[FactKind, str] = {
    "decision": "Decision",
    "settings": "Settings",
    "quality": "Quality",
    "correction": "Selection bias",
    "held_out": "Held-out rows",
    "limit": "Limit",
    "runner_up": "Runner-up",
    "chance": "Chance of best or equal",
    "twins": "Costs",
    "in_use": "In use",
    "finding": "Finding",
    "deadline": "Deadline",
    "segments": "Segments",
    "fleet": "Fleet",
    "reversal": "Would change it",
    "relaxation": "Would qualify",
    "input": "Request",
    "batches": "Batches",
    "origin": "",
    "prices": "Limits",
    "over_http": "Over HTTP",
}
"""Heading of each kind of fact."""


@dataclass(frozen=True)
class Fact:
    """Something that is known of a decision, in words."""

    kind: FactKind
    text: str

    @property
    def term(self) -> str:
        """Its heading."""
        return TERMS[self.kind]


def decision_facts(decision: Decision, profile: Profile | None = None) -> list[Fact]:
    """List the facts of a decision.

    The terminal's table, the report, ``rightfit which`` and an export's README show them, each
    those that it has room for.

    Args:
        decision: The decision.
        profile: Profile of the winner; ``None`` where it is not at hand.

    Returns:
        The facts that there are, in order; a kind may stand more than once.
    """
    winner, runner_up = decision.winner, decision.runner_up
    facts: list[tuple[FactKind, object]] = [
        ("decision", decision.sentence),
        ("settings", winner and winner.settings),
        ("quality", winner and winner.quality),
        ("correction", describe_correction(decision)),
        ("held_out", decision.held_out_quality),
        *(("limit", limit) for limit in decision.limits),
        (
            "runner_up",
            runner_up and f"{runner_up.label}, utility {format_quality(runner_up.utility)}",
        ),
        ("chance", winner and f"{format_chance(winner.p_best)} ({mark_chance(winner.p_best)})"),
        ("twins", describe_twins(decision.twins)),
        *(
            ("finding", found)
            for found in decision.reported_findings
            if found.sentence != decision.sentence
        ),
        *(("in_use", replacement.sentence) for replacement in decision.replacements),
        ("deadline", decision.deadline),
        ("segments", decision.segments and decision.segments.sentence),
        *(("segments", line) for line in (decision.segments.skipped if decision.segments else ())),
        *(("fleet", member) for member in (decision.fleet.kinds if decision.fleet else ())),
        ("fleet", decision.fleet and decision.fleet.sentence),
        ("reversal", decision.reversal),
        ("relaxation", decision.relax),
        ("input", profile and describe_input(profile)),
        ("batches", profile and decision.batch_sizes and describe_batches(decision, profile)),
    ]
    return [Fact(kind, str(content)) for kind, content in facts if content]


def describe_correction(decision: Decision) -> str:
    """Say by how much the winner's quality is too high; empty where that is not known."""
    quality, bias = decision.corrected_quality, decision.selection_bias
    if quality is None or bias is None:
        return ""
    if not bias:
        return "none: the same candidate wins in every resample of the test rows"
    return (
        f"{format_quality(bias)}, as the test rows both choose the winner and judge it; "
        f"without it {format_interval(quality.value, quality.low, quality.high)}"
    )


def find_facts(decision: Decision, *kinds: FactKind) -> Iterator[Fact]:
    """Yield the facts of a decision that are of some kinds."""
    yield from (fact for fact in decision_facts(decision) if fact.kind in kinds)


def describe_input(profile: Profile) -> str:
    """Say what a measured request held, and where its median latency went."""
    if profile.serving.request_path == MODEL:
        return "encoded rows; feeding is not included"
    whole_ms = profile.latency_p50_ms.value
    write = partial(format_metric, P50)
    parts = [
        f"{column.removesuffix('_ms')} {format_interval(part.value, part.low, part.high, write)}"
        for column, part in profile.parts.items()
        if part.value is not None
    ]
    feeding_ms = profile.parts["feeding_ms"].value if parts else None
    if feeding_ms is None or not whole_ms:
        return "raw columns, encoder included"
    return (
        f"raw columns; of the median latency of {format_metric(P50, whole_ms)} feeding takes "
        f"{format_share(min(1.0, feeding_ms / whole_ms))}. Parts of a request of one row, reading "
        f"and answer as JSON beside that latency: {', '.join(parts)}"
    )


def describe_batches(decision: Decision, profile: Profile) -> str:
    """Say of which batch size throughput and memory are, and why; empty: of none."""
    if profile.best_batch_size is None:
        return ""
    text = (
        f"throughput and memory are those of calls of {count(profile.best_batch_size, 'row')}, the "
        "best size measured"
    )
    return f"{text} of {decision.batch_sizes}" if decision.batch_sizes else text


def describe_disturbance(profile: Profile) -> str:
    """Say whether another process took the cores while a profile was timed."""
    if profile.disturbed is None:
        return "not known whether undisturbed"
    if profile.disturbed:
        return "RF002: another process used the cores while it was timed; measure again"
    return "undisturbed"
