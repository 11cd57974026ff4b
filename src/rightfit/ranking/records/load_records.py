"""Records of loads: their steps, the curve they make, and those of a ranking's winners."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import NOT_MEASURED, format_interval, format_number
from rightfit.measuring.interval import Interval
from rightfit.measuring.serving import Serving
from rightfit.ranking.applications.applications import UNDER_LOAD, Application
from rightfit.ranking.explanation.decisions import Decision, RankedCandidate
from rightfit.ranking.explanation.findings import Finding, find, name_subject, skip

Loop = Literal["open", "closed"]

MAX_LATE_SHARE = 0.2  # of the p50, by which the generator may be late without being disturbed
MAX_OTHERS_CORES = 0.1  # that other processes may use meanwhile; the kernel's own work is in it
NOT_LOADED = "it was not loaded since it won; run kedro run --pipelines http_load,reporting"
LIMITED = {
    "latency_under_load_p99_ms": 0.99,
    "latency_p99_ms": 0.99,
    "latency_p95_ms": 0.95,
    "latency_p50_ms": 0.5,
}
"""Metrics whose limit holds under load too, and their percentile; the first that is limited."""


@dataclass(frozen=True)
class LoadStep:
    """A server under one load.

    Args:
        loop: ``closed``: ``level`` clients; ``open``: ``level`` requests a second.
        level: How much.
        latency_ms: By percentile (``0.5`` …) the interval; ``None``: too few requests.
        throughput_per_s: Requests answered a second.
        n_requests: Requests that count.
        errors: Requests that failed, by kind.
        keeps_up: Whether the requests were answered as fast as they came.
        server_cores: Cores in use by the server on average.
        peak_memory_mib: Highest resident memory of the server.
        late_p99_ms: The load generator's own delay.
        late_max_ms: The longest such delay; the requests due meanwhile came as one burst.
        others_cores: Cores in use by other processes, of those of server and generator; ``None``
            where the system does not say.
    """

    loop: Loop
    level: float
    latency_ms: dict[float, Interval | None]
    throughput_per_s: float
    n_requests: int
    errors: dict[str, int]
    keeps_up: bool
    server_cores: float
    peak_memory_mib: float
    late_p99_ms: float
    late_max_ms: float = 0.0
    others_cores: float | None = None

    def __post_init__(self) -> None:
        """Refuse a latency outside of its interval, which a file may hold."""
        for share, latency in self.latency_ms.items():
            if latency is not None and not (
                (latency.low is None or latency.low <= latency.value)
                and (latency.high is None or latency.value <= latency.high)
            ):
                raise RightfitError(
                    f"the p{share * 100:g} of latency_ms at level {self.level:g} lies outside of "
                    f"its interval: {latency.value:g}, {latency.low} to {latency.high}"
                )

    @property
    def disturbed(self) -> bool:
        """Whether the generator was late by a fifth of the p50, or others took the cores."""
        p50 = self.latency_ms[0.5]
        is_late = p50 is not None and self.late_p99_ms > MAX_LATE_SHARE * p50.value
        return is_late or (self.others_cores or 0.0) > MAX_OTHERS_CORES


@dataclass(frozen=True)
class LatencyLimit:
    """A limit of a percentile under load."""

    share: float
    ms: float

    def __str__(self) -> str:
        return f"a p{self.share * 100:g} of {format_number(self.ms)} ms"


@dataclass(frozen=True)
class LoadCurve:
    """A server from idle to overload.

    Args:
        closed: Steps by rising number of clients.
        opened: Steps by rising rate.
        capacity_per_s: Most requests a second that any number of clients got answered.
        highest_rate_per_s: Highest rate that meets the limit and loses nothing, as all lower ones
            tried do; ``None`` if none does.
        limit_ms: That limit, of the percentile ``limit_share``.
        knee_per_s: Highest rate tried at which that percentile is at most twice that of the lowest
            rate.
        n_rows: Rows of each request.
    """

    closed: tuple[LoadStep, ...]
    opened: tuple[LoadStep, ...]
    capacity_per_s: float
    highest_rate_per_s: float | None
    limit_ms: float
    knee_per_s: float | None
    limit_share: float = 0.99
    n_rows: int = 1

    def __post_init__(self) -> None:
        """Refuse steps of another loop or order, and rates that were not tried."""
        loops: tuple[Loop, ...] = ("closed", "open")
        for name, loop, steps in zip(
            ("closed", "opened"), loops, (self.closed, self.opened), strict=True
        ):
            levels = [step.level for step in steps]
            if any(step.loop != loop for step in steps):
                raise RightfitError(f"{name} must hold steps of the loop {loop!r} alone")
            if any(low >= high for low, high in pairwise((0.0, *levels))):
                raise RightfitError(f"the levels of {name} must rise from above 0, not {levels}")
        tried = {step.level for step in self.opened}
        for name in ("highest_rate_per_s", "knee_per_s"):
            rate = getattr(self, name)
            if rate is not None and rate not in tried:
                raise RightfitError(f"{name} is {rate:g}, which is the level of no step of opened")

    @property
    def limit(self) -> LatencyLimit:
        """The limit that rates are judged by."""
        return LatencyLimit(self.limit_share, self.limit_ms)

    @property
    def disturbed(self) -> bool:
        """Whether a step was disturbed where the server kept up."""
        return any(step.disturbed for step in self.opened if step.keeps_up)

    @property
    def shortfall(self) -> str:
        """Why no rate is known to meet the limit, where none is."""
        told = f"No rate is known to meet {self.limit}"
        for step in self.opened:
            if step.latency_ms[self.limit_share] is not None or not step.keeps_up:
                return f"{told}: {format_rate(step.level)} already break it"
        return f"{told}: each load had too few requests for the percentile"

    def __str__(self) -> str:
        rate = self.highest_rate_per_s
        within = (
            self.shortfall
            if rate is None
            else f"One server sustains {format_rate(rate)} within {self.limit}"
        )
        knee = "" if self.knee_per_s is None else f"; the knee is at {format_rate(self.knee_per_s)}"
        late = (
            " Disturbed: the load generator was late, or other processes used the cores."
            if self.disturbed
            else ""
        )
        return f"{within}{knee}; its capacity is {format_rate(self.capacity_per_s)}.{late}"


@dataclass(frozen=True)
class WinnerLoad:
    """A winner's server under load.

    Args:
        application: Name of the application.
        dataset: Name of the dataset.
        candidate: The winner; ``None``: none qualifies.
        limit: The application's limit of the latency.
        curve: What was measured; ``None``: see ``reason``.
        reason: Why nothing was measured; empty if something was.
        serving: How the winner serves; ``None`` where none qualifies.
    """

    application: str
    dataset: str
    candidate: str | None
    limit: LatencyLimit
    curve: LoadCurve | None
    reason: str
    serving: Serving | None = None

    @classmethod
    def of(
        cls,
        application: str,
        dataset: str,
        winner: RankedCandidate | None,
        limit: LatencyLimit,
        curve: LoadCurve | None,
        reason: str,
    ) -> WinnerLoad:
        """Describe what became of a decision's winner."""
        candidate, serving = (winner.candidate, winner.serving) if winner else (None, None)
        return cls(application, dataset, candidate, limit, curve, reason, serving)


@dataclass(frozen=True)
class LoadCurves:
    """The load curves of all winners, one entry per application and dataset."""

    loads: tuple[WinnerLoad, ...]

    def find(
        self, application: str, dataset: str, winner: RankedCandidate | None
    ) -> WinnerLoad | None:
        """Return the entry of a decision; ``None`` if another one won when it was made."""
        for load in self.loads:
            if (load.application, load.dataset) == (application, dataset):
                loaded = load.candidate, load.serving
                is_current = winner is None or loaded == (winner.candidate, winner.serving)
                return load if is_current else None
        return None

    def check_decision(self, application: str, dataset: str, decision: Decision) -> Finding | None:
        """Check whether load over HTTP breaks a limit that the winner meets without it.

        Returns:
            What was found, or why nothing was loaded; ``None`` where load breaks no limit.
        """
        subject = name_subject(application, dataset)
        load = self.find(application, dataset, decision.winner) if decision.winner else None
        if load is None or load.curve is None:
            reason = load.reason if load else NOT_LOADED if decision.winner else "no winner"
            return skip("RF012", subject, f"Not loaded over HTTP: {reason}.")
        limit = load.limit.share, load.limit.ms
        met = [
            one.metric for one in decision.limits if (LIMITED.get(one.metric), one.bound) == limit
        ]
        if load.curve.highest_rate_per_s is not None or not met:
            return None
        how = "without HTTP, at its rate" if UNDER_LOAD in met else "by one request at a time"
        shortfall = load.curve.shortfall
        return find(
            "RF012",
            subject,
            f"Under load over HTTP, {shortfall[0].lower()}{shortfall[1:]}. The limit is judged "
            f"{how}.",
        )


def format_rate(rate_per_s: float | None) -> str:
    """Write a rate with its unit."""
    return NOT_MEASURED if rate_per_s is None else f"{format_number(rate_per_s)} requests/s"


def format_latency(band: Interval | None) -> str:
    """Write a latency in ms with its 95 % interval, where one is known.

    >>> format_latency(Interval(1234.5, 1180.0, 1300.0, is_distribution_free=False))
    '1,230 (1,180 to 1,300)'
    """
    if band is None:
        return NOT_MEASURED
    return format_interval(band.value, band.low, band.high, format_number)


def find_latency_limit(application: Application, otherwise_ms: float) -> LatencyLimit:
    """Return the limit that an application sets to the latency."""
    for metric, share in LIMITED.items():
        constraint = application.constraints.get(metric)
        if constraint is not None and constraint.max is not None:
            return LatencyLimit(share, constraint.max)
    return LatencyLimit(0.99, otherwise_ms)
