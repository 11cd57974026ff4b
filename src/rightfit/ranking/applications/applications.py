"""Applications: what a use of a model needs, and the rules by which all of them are ranked.

The models validate ``parameters_applications.yml`` (objectives, weights and hard limits) and
``parameters_ranking.yml`` (confidence and the tie rule). Whether a metric exists is checked where
the parameters enter the pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, get_args

from pydantic import ConfigDict, Field, model_validator

from rightfit._core.strict_model import NamedModels, Number, OneSentence, Seed, StrictModel
from rightfit.data.request_path import RequestPath
from rightfit.measuring.metrics import METRICS, columns_from

if TYPE_CHECKING:  # commands that only read results need no numpy
    import numpy as np
    import numpy.typing as npt

MAX_WEIGHT = 1e9  # weights are relative; larger ones lose the others to rounding
S_PER_HOUR = 3_600
THROUGHPUT = "throughput_rows_per_s"
QUALITIES = ("quality", "quality_raw")
UNDER_LOAD = "latency_under_load_p99_ms"
THREADS = "n_threads"  # part of the serving configuration; can be limited like a metric
WHERE = "Correct conf/base/parameters_applications.yml."
UTILITY = "utility"  # in a tie rule: the utility itself
N_MODELS = "n_models"  # and of how many models a candidate consists: 2 in a cascade
MAX_DRAWS = 1_000_000  # minutes for a thousand profiles
ROUNDING = 1e-9  # of an allowed loss: one that is exactly allowed is not broken by rounding
# max_degradation is a loss of one of these
RELATIVE_METRICS = tuple(m.column for m in METRICS if m.allows_relative_limit)

Aggregation = Literal["arithmetic", "geometric"]
Scale = Literal["linear", "log"]
Scenario = Literal["single_stream", "offline", "server"]
LimitKind = Literal["min", "max", "max_degradation"]


class Objective(StrictModel, metaclass=OneSentence):
    """What one metric is worth to an application, between two fixed bounds.

    ``worst`` scores 0 and ``best`` scores 1; the larger of them tells which way is better. On the
    log scale equal ratios are worth the same. A metric of weight 0 is left out altogether.
    """

    weight: float = Field(ge=0, le=MAX_WEIGHT)  # relative to the other weights
    worst: Number  # value that scores 0
    best: Number  # value that scores 1
    scale: Scale = "linear"  # absent in the YAML: linear

    @model_validator(mode="after")
    def _check_worst_and_best(self) -> Self:
        if self.worst == self.best:
            raise ValueError(f"worst and best must differ, but both are {self.best}. {WHERE}")
        if self.scale == "log" and not min(self.worst, self.best) > 0:
            raise ValueError(
                f"scale: log needs positive bounds, but got worst: {self.worst} and best: "
                f"{self.best}. {WHERE}"
            )
        return self


class Constraint(StrictModel, metaclass=OneSentence):
    """Hard limits on one metric; at least one of the three.

    ``max_degradation`` is the largest allowed loss against the best value measured for the
    dataset, in the metric's own unit.
    """

    min: Number | None = None  # absent in the YAML: no such limit
    max: Number | None = None  # largest allowed value; absent: no such limit
    # largest allowed loss against the best value measured
    max_degradation: Number | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if not self.limits():
            raise ValueError(f"a constraint needs min, max or max_degradation. {WHERE}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min exceeds max: {self.min} is above {self.max}. {WHERE}")
        return self

    def limits(self) -> dict[LimitKind, float]:
        """Return the limits that are set, by kind."""
        found = {kind: getattr(self, kind) for kind in get_args(LimitKind)}
        return {kind: value for kind, value in found.items() if value is not None}


class Workload(StrictModel, metaclass=OneSentence):
    """Rows that must be answered within so many hours: a limit on throughput, as people say it."""

    n_rows: float = Field(gt=0, le=1e18)  # rows to answer
    hours: float = Field(gt=0, le=1e6)  # time for all of them


class Application(StrictModel, metaclass=OneSentence):
    """One application: its scenario, its objectives and its constraints.

    A ``workload`` is a constraint on the throughput: it becomes one of ``constraints``.
    """

    description: str = Field(min_length=1)  # who uses the model, and for what
    scenario: Scenario
    request_path: RequestPath | None = None  # absent: raw columns, where they were measured
    # of imported measurements; absent: this machine
    environment: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,39}$")
    # requests, at which latency_under_load_p99_ms is measured; absent: the preset's
    rate_per_s: float | None = Field(default=None, gt=0, le=1e6)
    aggregation: Aggregation = "arithmetic"  # absent in the YAML: the plain weighted mean
    objectives: dict[str, Objective]
    constraints: dict[str, Constraint] = Field(default_factory=dict)  # absent: no hard limits
    workload: Workload | None = None  # absent: no deadline

    @model_validator(mode="after")
    def _limit_by_workload(self) -> Self:
        if self.workload is None:
            return self
        least = self.workload.n_rows / (self.workload.hours * S_PER_HOUR)  # rows/s in time
        given = self.constraints.get(THROUGHPUT)
        if given is not None and given.min not in (None, least):
            raise ValueError(
                f"workload asks for {least:.6g} rows/s and constraints.{THROUGHPUT}.min for "
                f"{given.min:.6g}: leave one of them out. {WHERE}"
            )
        kept = given.limits() if given is not None else {}
        self.constraints[THROUGHPUT] = Constraint(**kept | {"min": least})
        return self

    @model_validator(mode="after")
    def _check_metrics(self) -> Self:
        if not self.weighted():
            raise ValueError(f"objectives needs at least one weight above 0. {WHERE}")
        if self.rate_per_s is not None and UNDER_LOAD not in self.needed_metrics():
            raise ValueError(
                f"rate_per_s is the rate of {UNDER_LOAD}, which is neither an objective nor a "
                f"constraint here: add it or leave rate_per_s out. {WHERE}"
            )
        for metric, constraint in self.constraints.items():
            if constraint.max_degradation is not None and metric not in RELATIVE_METRICS:
                raise ValueError(
                    f"constraints.{metric}.max_degradation is possible for {RELATIVE_METRICS} "
                    f"only; use min or max. {WHERE}"
                )
        return self

    def weighted(self) -> dict[str, Objective]:
        """Return the objectives that count: those of a weight above 0, in the YAML's order."""
        return {name: goal for name, goal in self.objectives.items() if goal.weight > 0}

    def shares(self) -> npt.NDArray[np.float64]:
        """Return the weights of :meth:`weighted`, normalised to sum 1."""
        import numpy as np

        weights = np.array([goal.weight for goal in self.weighted().values()])
        normalised: npt.NDArray[np.float64] = weights / weights.sum()
        return normalised

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


class Applications(NamedModels[Application]):
    """All applications by name (``params:applications``)."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if not self:
            raise ValueError(f"applications is empty, so there is nothing to rank for. {WHERE}")
        return self

    @property
    def asks_costs(self) -> bool:
        """Whether any of them asks for what only measuring a served model finds."""
        needed = {metric for one in self.values() for metric in one.needed_metrics()}
        return not needed <= {*columns_from("predictions", "training"), THREADS}

    def describe_demands(self) -> dict[str, list[object]]:
        """Return what decides whether a candidate qualifies, and what is to be known of it.

        Left out is what a utility alone depends on: weights, the bounds of scores, aggregation.
        """
        return {
            name: [
                *(one.scenario, one.request_path, one.environment, sorted(one.weighted())),
                {metric: limit.limits() for metric, limit in one.constraints.items()},
            ]
            for name, one in self.items()
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


class RankingRules(StrictModel):
    """Rules of ranking, the same for every application (``params:ranking``)."""

    model_config = ConfigDict(title="conf/base/parameters_ranking.yml")

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
            raise ValueError(
                f"ranking.ties names a column twice in {repeated}. "
                "Correct conf/base/parameters_ranking.yml."
            )
        return self
