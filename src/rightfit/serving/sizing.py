"""Size a deployment of a winner: resources, threads and replicas, each from a measurement."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rightfit.formatting import format_number
from rightfit.processes.starting import THREAD_VARIABLES
from rightfit.profiling.profile import Profile
from rightfit.ranking.explanation.decisions import RankedCandidate
from rightfit.serving.answer import Answer, describe_origin
from rightfit.serving.export import require_winner
from rightfit.serving.server import BUSY, MAX_REQUESTS_VARIABLE, Limits

OFFLINE = "offline"
MS_PER_S = 1_000


@dataclass(frozen=True)
class ServedFigures:
    """Figures of a server of the model, under load."""

    highest_rate_per_s: float
    limit_ms: float
    server_cores: float
    peak_memory_mib: float


@dataclass(frozen=True)
class Raised:
    """Additions to the measured figures, by trials that did not hold."""

    cores: float = 0.0
    memory_share: float = 0.0
    replicas: int = 0


NOT_RAISED = Raised()


@dataclass(frozen=True)
class _Sourced:
    """A figure and the measurement that it comes from, in words."""

    value: float
    source: str

    def raise_by(self, further: float) -> _Sourced:
        """Add what a trial has shown to be needed."""
        if not further:
            return self
        source = f"{self.source}; {further:,.4g} more, as the trial with less did not hold"
        return _Sourced(self.value + further, source)


@dataclass(frozen=True)
class _Sizes:
    """All figures of a deployment."""

    replicas: _Sourced
    cores_requested: _Sourced
    cores_limit: _Sourced
    memory_requested_mib: _Sourced
    memory_limit_mib: _Sourced
    max_requests: _Sourced | None


def size_deployment(
    answer: Answer,
    scenario: str,
    *,
    rate_per_s: float,
    headroom_pct: float,
    served: ServedFigures | None,
    raised: Raised = NOT_RAISED,
) -> str:
    """Write a patch of a Kubernetes deployment for an application's winner.

    Args:
        answer: The winner and its profile.
        scenario: The application's scenario; ``offline`` counts rows, the others requests.
        rate_per_s: Requests, or rows, a second of all replicas together.
        headroom_pct: Further rate and memory that they must sustain.
        served: What loading its server has found; ``None``: the profile of the bare model counts,
            which knows rows a second alone.
        raised: What earlier trials have shown to be needed besides.

    Returns:
        YAML with a comment at each figure.

    Raises:
        ValueError: If none qualifies, or a figure was not measured.
    """
    winner, profile = require_winner(answer), answer.profile
    if profile is None:
        raise ValueError("The profile that decided is no longer stored. Run: kedro run")
    share = 1 + headroom_pct / 100
    replicas = _count_replicas(profile, scenario, served, rate_per_s, headroom_pct)
    memory = _find_memory(profile, served)
    memory_limit = _limit_memory(profile, memory, share, headroom_pct, served)
    sizes = _Sizes(
        replicas=replicas.raise_by(raised.replicas),
        cores_requested=_find_cores(winner, served),
        cores_limit=_limit_cores(winner, served).raise_by(raised.cores),
        memory_requested_mib=memory,
        memory_limit_mib=memory_limit.raise_by(memory_limit.value * raised.memory_share),
        max_requests=None if served is None else _limit_requests(served),
    )
    return "\n".join(_write(answer, winner, sizes, rate_per_s, scenario)) + "\n"


def _count_replicas(
    profile: Profile,
    scenario: str,
    served: ServedFigures | None,
    rate_per_s: float,
    headroom_pct: float,
) -> _Sourced:
    capacity = _find_capacity(profile, scenario, served)
    n_replicas = max(1, math.ceil(rate_per_s * (1 + headroom_pct / 100) / capacity.value))
    return _Sourced(
        n_replicas,
        f"{format_number(rate_per_s)}/s and {headroom_pct:g} % head-room over {capacity.source}",
    )


def _find_capacity(profile: Profile, scenario: str, served: ServedFigures | None) -> _Sourced:
    """Return the requests or rows a second that one replica sustains."""
    if served is not None:
        rate = served.highest_rate_per_s
        return _Sourced(
            rate,
            f"{format_number(rate)} requests/s of one server within a p99 of "
            f"{served.limit_ms:g} ms (rightfit load)",
        )
    figure = profile.throughput_rows_per_s
    if scenario != OFFLINE or figure.value is None:
        missing = (
            "The rate that one server sustains is not known"
            if scenario != OFFLINE
            else f"throughput_rows_per_s was not measured: {figure.reason}"
        )
        raise ValueError(
            f"{missing}. Load the exported model and give what that prints: "
            "rightfit load --json … > load.json, then rightfit size --load load.json"
        )
    rate = figure.value if figure.low is None else figure.low
    end = "" if figure.low is None else ", the lower end of its interval"
    return _Sourced(
        rate,
        f"{format_number(rate)} rows/s of one process (throughput_rows_per_s{end}; without a "
        "server)",
    )


def _find_cores(winner: RankedCandidate, served: ServedFigures | None) -> _Sourced:
    if served is not None:
        cores = math.ceil(served.server_cores * 10) / 10
        return _Sourced(cores, "in use by the server at that rate (rightfit load)")
    return _Sourced(winner.serving.n_threads, "it was measured confined to so many cores")


def _limit_cores(winner: RankedCandidate, served: ServedFigures | None) -> _Sourced:
    if served is not None:
        cores = max(winner.serving.n_threads, math.ceil(served.server_cores))
        return _Sourced(cores, "whole cores of that: less would throttle single requests")
    return _Sourced(
        winner.serving.n_threads, "the same: less would throttle it, more it cannot use"
    )


def _find_memory(profile: Profile, served: ServedFigures | None) -> _Sourced:
    if served is not None:
        return _Sourced(
            served.peak_memory_mib, "highest resident memory of the server (rightfit load)"
        )
    peak = profile.peak_memory_mib.high or profile.peak_memory_mib.value
    if peak is None:
        raise ValueError("peak_memory_mib was not measured. Run: kedro run --pipelines perf")
    return _Sourced(peak, f"peak with {profile.best_batch_size} rows a call (peak_memory_mib)")


def _limit_memory(
    profile: Profile,
    memory: _Sourced,
    share: float,
    headroom_pct: float,
    served: ServedFigures | None,
) -> _Sourced:
    """Return a limit that the model ran under, else one that leaves head-room."""
    limits = profile.how.limits if profile.how else ()
    tried = sorted(trial.memory_mib for trial in limits if trial.ok)
    enough = [mib for mib in tried if mib >= memory.value]
    if enough and served is None:
        return _Sourced(enough[0], "it ran under this limit when it was measured (RLIMIT_DATA)")
    return _Sourced(memory.value * share, f"that and {headroom_pct:g} % head-room; not tried")


def _limit_requests(served: ServedFigures) -> _Sourced:
    """Return how many requests may wait: those that can be answered within the limit."""
    in_time = math.ceil(served.highest_rate_per_s * served.limit_ms / MS_PER_S)
    if in_time <= Limits.max_requests:
        return _Sourced(Limits.max_requests, "the server's own limit")
    source = (
        f"it answers so many within {served.limit_ms:g} ms; further ones are refused with status "
        f"{BUSY}"
    )
    return _Sourced(in_time, source)


def _write(
    answer: Answer,
    winner: RankedCandidate,
    sizes: _Sizes,
    rate_per_s: float,
    scenario: str,
) -> list[str]:
    name = re.sub(r"[^a-z0-9]+", "-", f"{answer.application}-{answer.dataset}".lower()).strip("-")
    unit = "rows" if scenario == OFFLINE else "requests"
    threads = [
        f'            - {{name: {variable}, value: "{winner.serving.n_threads}"}}'
        for variable in THREAD_VARIABLES
    ]
    threads[0] += f"  # it was measured with {winner.serving.n_threads}"
    if sizes.max_requests is not None:
        threads.append(
            f"            - {{name: {MAX_REQUESTS_VARIABLE}, "
            f'value: "{sizes.max_requests.value:g}"}}  # {sizes.max_requests.source}'
        )
    return [
        f"# {answer.application} on {answer.dataset}: {winner.label}",
        f"# for {format_number(rate_per_s)} {unit} a second; measured {answer.disturbance}",
        f"# {describe_origin(answer.origin)}",
        "# A patch: kubectl patch deployment NAME --patch-file THIS, after setting the names.",
        "apiVersion: apps/v1",
        "kind: Deployment",
        f"metadata: {{name: {name}}}",
        "spec:",
        f"  replicas: {sizes.replicas.value:g}  # {sizes.replicas.source}",
        "  template:",
        "    spec:",
        "      containers:",
        "        - name: model",
        "          env:",
        *threads,
        "          resources:",
        "            requests:",
        f'              cpu: "{sizes.cores_requested.value:g}"  # {sizes.cores_requested.source}',
        f"              memory: {math.ceil(sizes.memory_requested_mib.value)}Mi"
        f"  # {sizes.memory_requested_mib.source}",
        "            limits:",
        f'              cpu: "{sizes.cores_limit.value:g}"  # {sizes.cores_limit.source}',
        f"              memory: {math.ceil(sizes.memory_limit_mib.value)}Mi"
        f"  # {sizes.memory_limit_mib.source}",
    ]
