"""Applications: what a use of a model needs, and the rules by which all of them are ranked.

The models validate blocks of ``applications`` (objectives, weights and hard limits) and
``ranking`` (confidence and the tie rule). Whether a metric exists is checked where
the parameters enter the pipeline, and where an application is made in Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import Field, ValidationError, model_validator

from rightfit._core.spelling import suggest
from rightfit._core.strict_model import (
    BatchSize,
    NamedModels,
    Number,
    OneSentence,
    Seed,
    StrictModel,
    read_key,
)
from rightfit.data.request_path import RequestPath
from rightfit.measuring.metrics import (
    LATENCY_COLUMNS,
    METRICS,
    METRICS_BY_COLUMN,
    columns_from,
)
from rightfit.measuring.serving import MACHINE_NAME
from rightfit.models.quality.params import QualityBlock

if TYPE_CHECKING:  # commands that only read results need no numpy
    import numpy as np
    import numpy.typing as npt

MAX_WEIGHT = 1e9  # weights are relative; larger ones lose the others to rounding
S_PER_HOUR = 3_600
THROUGHPUT = "throughput_rows_per_s"
QUALITIES = ("quality", "quality_raw")
UNDER_LOAD = "latency_under_load_p99_ms"
THREADS = "n_threads"  # part of the serving configuration; can be limited like a metric
METRIC_BLOCKS = {  # that name metrics, and what they may name
    "objectives": tuple(METRICS_BY_COLUMN),
    "constraints": (*METRICS_BY_COLUMN, THREADS),
}
UTILITY = "utility"  # in a tie rule: the utility itself
N_MODELS = "n_models"  # and of how many models a candidate consists: 2 in a cascade
MAX_DRAWS = 1_000_000  # minutes for a thousand profiles
ROUNDING = 1e-9  # of an allowed loss: one that is exactly allowed is not broken by rounding
# max_degradation is a loss of one of these
RELATIVE_METRICS = tuple(m.column for m in METRICS if m.allows_relative_limit)

EnvironmentName = Annotated[str, Field(pattern=f"^{MACHINE_NAME}$")]
Aggregation = Literal["arithmetic", "geometric"]
Scale = Literal["linear", "log"]
Scenario = Literal["single_stream", "offline", "server"]
LimitKind = Literal["min", "max", "max_degradation"]
Part = TypeVar("Part", "Objective", "Constraint")


class Objective(StrictModel, metaclass=OneSentence):
    """The worth of one metric to an application, between two fixed bounds.

    ``worst`` scores 0 and ``best`` scores 1; the larger of them tells which way is better. On the
    log scale equal ratios are worth the same. A metric of weight 0 is left out altogether.
    """

    weight: float = Field(ge=0, le=MAX_WEIGHT)  # relative to the other weights
    worst: Number  # value that scores 0
    best: Number  # value that scores 1
    scale: Scale = "linear"  # absent in the YAML: linear

    POSITIONAL: ClassVar = ("weight", "worst", "best", "scale")

    if TYPE_CHECKING:

        def __init__(
            self, weight: float, worst: float, best: float, scale: Scale = "linear"
        ) -> None: ...

    @model_validator(mode="after")
    def _check_worst_and_best(self) -> Self:
        if self.worst == self.best:
            raise ValueError(f"worst and best must differ, but both are {self.best}.")
        if self.scale == "log" and not min(self.worst, self.best) > 0:
            raise ValueError(
                f"scale: log needs positive bounds, but got worst: {self.worst} and best: "
                f"{self.best}."
            )
        return self


class Constraint(StrictModel, metaclass=OneSentence):
    """Hard limits on one metric; at least one of the three.

    ``max_degradation`` is the largest allowed loss against the best value measured for the
    dataset, in the metric's own unit.
    """

    min: Number | None = None  # smallest allowed value; absent: no such limit
    max: Number | None = None  # largest allowed value; absent: no such limit
    # largest allowed loss against the best value measured
    max_degradation: Number | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if not self.limits():
            raise ValueError("a constraint needs min, max or max_degradation.")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min exceeds max: {self.min} is above {self.max}.")
        return self

    def limits(self) -> dict[LimitKind, float]:
        """Return the limits that are set, by kind."""
        values = {kind: getattr(self, kind) for kind in get_args(LimitKind)}
        return {kind: value for kind, value in values.items() if value is not None}


class Workload(StrictModel, metaclass=OneSentence):
    """Rows that must be answered within so many hours: a limit on throughput, as people say it."""

    n_rows: float = Field(gt=0, le=1e18)  # rows to answer
    hours: float = Field(gt=0, le=1e6)  # time for all of them


class BatchSizes(StrictModel, metaclass=OneSentence):
    """Rows a call that an application can send; a number alone is the only size.

    >>> str(BatchSizes(max=256)), str(BatchSizes.model_validate(32))
    ('at most 256 rows a call', '32 rows a call')
    """

    min: BatchSize | None = None  # least rows a call; absent: 1
    max: BatchSize | None = None  # most rows a call; absent: any number

    @model_validator(mode="before")
    @classmethod
    def _read_number(cls, raw: Any) -> Any:
        is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
        return {"min": raw, "max": raw} if is_number else raw

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs max, min or a number alone, such as 256.")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min exceeds max: {self.min} is above {self.max}.")
        return self

    def find_fault(self, name: str, measured: Sequence[int]) -> str:
        """Say that none of the measured sizes is allowed; empty where one is, or none is known.

        Args:
            name: Name of the application.
            measured: Batch sizes that are, or will be, measured.
        """
        if not measured or any(map(self.allows, measured)):
            return ""
        return (
            f"applications.{name}.serving.batch_size asks for {self}, but only batches of "
            f"{', '.join(f'{size:,}' for size in measured)} rows are measured"
        )

    def allows(self, batch_size: int) -> bool:
        """Tell whether calls may have so many rows."""
        return (self.min or 1) <= batch_size and (self.max is None or batch_size <= self.max)

    def __str__(self) -> str:
        if self.min == self.max:
            return f"{self.max:,} rows a call"
        least = [f"at least {self.min:,}"] if self.min else []
        most = [f"at most {self.max:,}"] if self.max else []
        return f"{' and '.join(least + most)} rows a call"


class ServingDemand(StrictModel, metaclass=OneSentence):
    """How an application calls a model, where it cannot take what suits the model best."""

    batch_size: BatchSizes  # rows a call: a number, or their max and min


class Application(StrictModel, metaclass=OneSentence):
    """One application: its scenario, its objectives and its constraints.

    A ``workload`` is a constraint on the throughput: it becomes one of ``constraints``.

    With ``serving``, throughput, memory and what follows from them are those of the best batch size
    that it allows.

    A ``quality`` judges the stored predictions in place of the dataset's metric; ``per`` names a
    column whose values may have a winner each. Both are for the ranking: searches and measuring
    follow the dataset's metric.

    Without a ``scenario``, the metrics tell it: ``server`` with latency under load,
    ``single_stream`` with another latency, ``offline`` with throughput or none of them. Where there
    are both latency and throughput, it must be named.
    """

    description: str = ""  # who uses the model, and for what; absent: its name stands alone
    # one row after the other, large batches, or requests at random; absent: the metrics tell it
    scenario: Scenario
    request_path: RequestPath | None = None  # absent: raw columns, where they were measured
    # of imported measurements; absent: this machine
    environment: EnvironmentName | None = None
    # requests, at which latency_under_load_p99_ms is measured; absent: the preset's
    rate_per_s: float | None = Field(default=None, gt=0, le=1e6)
    aggregation: Aggregation = "arithmetic"  # absent in the YAML: the plain weighted mean
    objectives: dict[str, Objective]  # worth of a metric, by the metric
    constraints: dict[str, Constraint] = Field(default_factory=dict)  # absent: no hard limits
    workload: Workload | None = None  # absent: no deadline
    serving: ServingDemand | None = None  # absent: each model in batches of its best size
    quality: QualityBlock | None = None  # judges predictions; absent: the dataset's own metric
    per: str | None = None  # column of the test rows; absent: one winner for all rows

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            objectives: Mapping[str, Objective | Mapping[str, object]],
            description: str = "",
            scenario: Scenario | None = None,
            request_path: RequestPath | None = None,
            environment: str | None = None,
            rate_per_s: float | None = None,
            aggregation: Aggregation = "arithmetic",
            constraints: Mapping[str, Constraint | Mapping[str, object]] = ...,
            workload: Workload | Mapping[str, object] | None = None,
            serving: ServingDemand | Mapping[str, object] | None = None,
            quality: QualityBlock | Mapping[str, object] | None = None,
            per: str | None = None,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _infer_scenario(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or raw.get("scenario") is not None:
            return raw
        scenario = infer_scenario(raw)
        return raw if scenario is None else {**raw, "scenario": scenario}

    @model_validator(mode="after")
    def _limit_by_workload(self) -> Self:
        if self.workload is None:
            return self
        least = self.workload.n_rows / (self.workload.hours * S_PER_HOUR)  # rows/s in time
        constraint = self.constraints.get(THROUGHPUT)
        if constraint is not None and constraint.min not in (None, least):
            raise ValueError(
                f"workload asks for {least:.6g} rows/s and constraints.{THROUGHPUT}.min for "
                f"{constraint.min:.6g}: leave one of them out."
            )
        limits = constraint.limits() if constraint is not None else {}
        self.constraints[THROUGHPUT] = Constraint(**limits | {"min": least})
        return self

    @model_validator(mode="after")
    def _check_metrics(self) -> Self:
        if not self.weighted():
            raise ValueError("objectives needs at least one weight above 0.")
        if self.rate_per_s is not None and UNDER_LOAD not in self.needed_metrics():
            raise ValueError(
                f"rate_per_s is the rate of {UNDER_LOAD}, which is neither an objective nor a "
                f"constraint here: add it or leave rate_per_s out."
            )
        for metric, constraint in self.constraints.items():
            if constraint.max_degradation is not None and metric not in RELATIVE_METRICS:
                raise ValueError(
                    f"constraints.{metric}.max_degradation is possible for {RELATIVE_METRICS} "
                    f"only; use min or max."
                )
        return self

    def find_contradictions(self) -> list[str]:
        """Describe metrics that do not exist, and bounds that no value of a metric can meet."""
        return [
            *(f"{key} {fault}" for key, fault in find_misnamed_metrics(self).items()),
            *find_impossible_bounds(self),
        ]

    def weighted(self) -> dict[str, Objective]:
        """Return the objectives that count: those of a weight above 0, in the YAML's order."""
        return {name: goal for name, goal in self.objectives.items() if goal.weight > 0}

    def shares(self) -> npt.NDArray[np.float64]:
        """Return the weights of :meth:`weighted`, normalised to sum 1."""
        import numpy as np

        weights = np.array([goal.weight for goal in self.weighted().values()])
        normalised: npt.NDArray[np.float64] = weights / weights.sum()
        return normalised

    @property
    def batch_sizes(self) -> BatchSizes | None:
        """Rows a call that it can send; ``None``: any number."""
        return None if self.serving is None else self.serving.batch_size

    @property
    def has_own_quality(self) -> bool:
        """Whether stored predictions are judged for it: by a metric of its own, or per segment."""
        return self.quality is not None or self.per is not None

    def list_limits(self) -> list[tuple[str, LimitKind, float]]:
        """List the limits in the YAML's order, each with its metric and kind."""
        return [
            (metric, kind, value)
            for metric, constraint in self.constraints.items()
            for kind, value in constraint.limits().items()
        ]

    def needed_metrics(self) -> list[str]:
        """Return every metric that a profile needs for this application, without repeats."""
        return list(dict.fromkeys([*self.weighted(), *self.constraints]))


def infer_scenario(application: Mapping[str, Any]) -> Scenario | None:
    """Return the scenario that an application's metrics leave; ``None`` where they leave two.

    >>> infer_scenario({"objectives": {"quality": {}, "latency_p95_ms": {}}})
    'single_stream'
    >>> infer_scenario({"objectives": {"quality": {}}, "workload": {"n_rows": 1e9, "hours": 8}})
    'offline'
    """
    parts = (application.get(key) for key in METRIC_BLOCKS)
    metrics = {str(metric) for part in parts if isinstance(part, Mapping) for metric in part}
    if UNDER_LOAD in metrics:
        return "server"
    has_latency = bool(metrics & set(LATENCY_COLUMNS.values()))
    if has_latency and (THROUGHPUT in metrics or application.get("workload") is not None):
        return None
    return "single_stream" if has_latency else "offline"


def find_misnamed_metrics(application: object) -> dict[str, str]:
    """Find the objectives and constraints of an application that name no metric.

    Args:
        application: The application, or a raw block.

    Returns:
        What is wrong, by key.
    """
    faults = {}
    for block, known in METRIC_BLOCKS.items():
        parts = read_key(application, block)
        for metric in parts if isinstance(parts, Mapping) else ():
            if metric not in known:
                faults[f"{block}.{metric}"] = f"is no metric{suggest(str(metric), known)}"
    return faults


def find_impossible_bounds(application: object) -> list[str]:
    """Describe objectives whose worst is better than their best, and limits that nothing can meet.

    Parts that are not right in themselves are left out. No metric but a raw quality is ever below
    0, and a quality lies between 0 and 1.

    Args:
        application: The application, or a raw block.
    """
    faults = []
    for metric, goal in _read_parts(application, "objectives", Objective).items():
        better = METRICS_BY_COLUMN[metric].better if metric in METRICS_BY_COLUMN else None
        if better is not None and (goal.best > goal.worst) != (better == "higher"):
            faults.append(
                f"objectives.{metric} has worst {goal.worst:g} and best {goal.best:g}, but "
                f"{better} is better"
            )
    for metric, limit in _read_parts(application, "constraints", Constraint).items():
        key = f"constraints.{metric}"
        if limit.max is not None and limit.max < 0 and not metric.startswith("quality"):
            faults.append(f"{key}.max is {limit.max:g}, but no value is below 0")
        if metric == "quality" and limit.min is not None and limit.min > 1:
            faults.append(f"{key}.min is {limit.min:g}, but no quality is above 1")
        if metric == "quality" and (limit.max_degradation or 0) > 1:
            faults.append(
                f"{key}.max_degradation is {limit.max_degradation:g}, but a quality lies between 0 "
                "and 1, so none is lost by more than 1"
            )
        if metric == THREADS and limit.max is not None and 0 <= limit.max < 1:
            faults.append(f"{key}.max is {limit.max:g}, but no model is served by less than 1")
    return faults


def _read_parts(application: object, key: str, model: type[Part]) -> dict[str, Part]:
    """Return the parts of an application that are right in themselves, by metric."""
    parts = read_key(application, key)
    models = {}
    for metric, part in parts.items() if isinstance(parts, Mapping) else ():
        with suppress(ValidationError):
            models[str(metric)] = model.model_validate(part)
    return models


class Applications(NamedModels[Application]):
    """All applications by name (``params:applications``)."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if not self:
            raise ValueError("applications is empty, so there is nothing to rank for.")
        return self

    @property
    def asks_costs(self) -> bool:
        """Whether any of them asks for what only measuring a served model finds."""
        needed = {
            metric for application in self.values() for metric in application.needed_metrics()
        }
        return not needed <= {*columns_from("predictions", "training"), THREADS}

    def describe_demands(self) -> dict[str, list[object]]:
        """Return what decides whether a candidate qualifies, and what is to be known of it.

        Left out is what a utility alone depends on: weights, the bounds of scores, aggregation.
        """
        return {
            name: [
                application.scenario,
                application.request_path,
                application.environment,
                sorted(application.weighted()),
                {metric: limit.limits() for metric, limit in application.constraints.items()},
                *([] if application.batch_sizes is None else [str(application.batch_sizes)]),
            ]
            for name, application in self.items()
        }


class TieKey(StrictModel):
    """One step of a tie rule: a column of the profiles, ``utility`` or ``n_models``; who wins."""

    by: str  # column of the profiles, `utility` or `n_models`
    prefer: Literal["lower", "higher"]  # which value wins


class TieRules(StrictModel):
    """Rules that decide between practically equal candidates.

    They decide between practically equal serving configurations of one candidate, too.

    Keys are compared one after the other; the first difference decides. A value that was not
    measured loses.
    """

    rule: tuple[TieKey, ...] = Field(min_length=1)  # the first difference decides
    rule_by_application: dict[str, tuple[TieKey, ...]]  # exceptions

    def for_application(self, name: str, application: Application) -> tuple[TieKey, ...]:
        """Return the rule that holds for an application.

        One whose only objective is quality has said that costs do not count: by the common rule it
        looks at the utility first.
        """
        if name in self.rule_by_application:
            return self.rule_by_application[name]
        if application.weighted().keys() <= set(QUALITIES):
            return tuple(sorted(self.rule, key=lambda key: key.by != UTILITY))
        return self.rule


class MachineKind(StrictModel, metaclass=OneSentence):
    """A kind of machine of a fleet: its price, where it is rented."""

    price_per_hour: float | None = Field(default=None, ge=0, le=1e6)  # of one instance


class RankingRules(StrictModel):
    """Rules of ranking, the same for every application (``params:ranking``)."""

    confidence_level: float = Field(gt=0.5, le=0.9999)
    n_draws: int = Field(
        ge=1_000, le=MAX_DRAWS
    )  # simulated measurements behind the probability of being best
    n_weight_draws: int = Field(
        ge=9_604, le=MAX_DRAWS
    )  # a share of weight space within 1 point at 95 %
    limit_change_pct: float = Field(gt=0, lt=100)  # how far limits are loosened and tightened
    seed: Seed  # of the simulated measurements and weights
    equal_within: float = Field(ge=0, le=1)  # utilities that differ by less are practically equal
    keep_winner: bool = True  # an earlier ranking's winner stands among practically equal ones
    ties: TieRules  # what decides between practically equal candidates
    # kinds of machine by the name they were imported under, this one as this_machine
    environments: dict[EnvironmentName, MachineKind] = Field(default_factory=dict)

    @property
    def prefer_within(self) -> float:
        """Utility that the tie rule or an earlier winner may cost: half of practical equality.

        Whatever measuring leaves open, what is preferred then is practically equal to the best more
        probably than not.
        """
        return self.equal_within / 2

    @model_validator(mode="after")
    def _check_tie_rules(self) -> Self:
        rules = {"rule": self.ties.rule, **self.ties.rule_by_application}
        repeated = [
            name for name, rule in rules.items() if len({key.by for key in rule}) < len(rule)
        ]
        if repeated:
            raise ValueError(f"ranking.ties names a column twice in {repeated}.")
        return self
