"""Size a deployment of a winner: resources, threads and replicas, each from a measurement."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rightfit._core.formatting import format_number
from rightfit._core.processes.starting import THREAD_VARIABLES
from rightfit.exporting.export_folder import require_winner
from rightfit.measuring.profile import Profile
from rightfit.measuring.worker.units import MS_PER_S
from rightfit.ranking.explanation.answer import Answer, describe_origin

OFFLINE = "offline"


@dataclass(frozen=True)
class ServedFigures:
    """Figures of a server of the model, under load."""

    highest_rate_per_s: float
    limit_ms: float
    server_cores: float
    peak_memory_mib: float
    limit_share: float = 0.99
    n_rows: int = 1  # of each request
    disturbed: bool = False  # the load generator was late


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
    """The figures of one replica; ``capacity`` in requests or rows a second."""

    capacity: _Sourced
    cores_requested: _Sourced
    cores_limit: _Sourced
    memory_requested_mib: _Sourced
    memory_limit_mib: _Sourced
    max_requests: str | None = None  # variable of the server, as a line of YAML


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
    unit = "rows" if scenario == OFFLINE else "requests"
    sizes = (
        _size_model(profile, scenario, headroom_pct)
        if served is None
        else _size_server(profile, served, headroom_pct, unit=unit)
    )
    is_late = served is not None and served.disturbed
    n_replicas = max(1, math.ceil(rate_per_s * (1 + headroom_pct / 100) / sizes.capacity.value))
    replicas = _Sourced(
        n_replicas,
        f"{format_number(rate_per_s)}/s and {headroom_pct:g} % head-room over "
        f"{sizes.capacity.source}",
    ).raise_by(raised.replicas)
    cores_limit = sizes.cores_limit.raise_by(raised.cores)
    more_mib = sizes.memory_limit_mib.value * raised.memory_share
    memory_limit = sizes.memory_limit_mib.raise_by(more_mib)
    name = re.sub(r"[^a-z0-9]+", "-", f"{answer.application}-{answer.dataset}".lower()).strip("-")
    threads = [
        f'            - {{name: {variable}, value: "{winner.serving.n_threads}"}}'
        for variable in THREAD_VARIABLES
    ]
    threads[0] += f"  # it was measured with {winner.serving.n_threads}"
    if sizes.max_requests is not None:
        threads.append(f"            - {sizes.max_requests}")
    lines = [
        f"# {answer.application} on {answer.dataset}: {winner.label}",
        f"# for {format_number(rate_per_s)} {unit} a second; measured {answer.disturbance}",
        *(["# the load it rests on was disturbed: load the server again"] if is_late else []),
        f"# {describe_origin(answer.origin)}",
        "# A patch: kubectl patch deployment NAME --patch-file THIS, after setting the names.",
        "apiVersion: apps/v1",
        "kind: Deployment",
        f"metadata: {{name: {name}}}",
        "spec:",
        f"  replicas: {replicas.value:g}  # {replicas.source}",
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
        f'              cpu: "{cores_limit.value:g}"  # {cores_limit.source}',
        f"              memory: {math.ceil(memory_limit.value)}Mi  # {memory_limit.source}",
    ]
    return "\n".join(lines) + "\n"


def _size_server(
    profile: Profile, served: ServedFigures, headroom_pct: float, *, unit: str
) -> _Sizes:
    """Return what loading one server of the model has found."""
    # the server's libraries take 0.4 s to import
    from rightfit.ops.server import BUSY, MAX_REQUESTS_VARIABLE, Limits

    n_requests, source = Limits.max_requests, "the server's own limit"
    in_time = math.ceil(served.highest_rate_per_s * served.limit_ms / MS_PER_S)
    if in_time > n_requests:  # as many may wait as can be answered within the limit
        n_requests = in_time
        source = (
            f"it answers so many within {served.limit_ms:g} ms; further ones are refused with "
            f"status {BUSY}"
        )
    memory = _Sourced(
        served.peak_memory_mib, "highest resident memory of the server (rightfit load-test)"
    )
    capacity = served.highest_rate_per_s * (served.n_rows if unit == "rows" else 1)
    each = f", with {served.n_rows} rows a request," if served.n_rows > 1 else ""
    return _Sizes(
        capacity=_Sourced(
            capacity,
            f"{format_number(capacity)} {unit}/s of one server{each} within a "
            f"p{served.limit_share * 100:g} of {served.limit_ms:g} ms (rightfit load-test)",
        ),
        cores_requested=_Sourced(
            math.ceil(served.server_cores * 10) / 10,
            "in use by the server at that rate (rightfit load-test)",
        ),
        cores_limit=_Sourced(
            max(profile.serving.n_threads, math.ceil(served.server_cores)),
            "whole cores of that: less would throttle single requests",
        ),
        memory_requested_mib=memory,
        memory_limit_mib=_add_headroom(memory, headroom_pct),
        max_requests=f'{{name: {MAX_REQUESTS_VARIABLE}, value: "{n_requests}"}}  # {source}',
    )


def _size_model(profile: Profile, scenario: str, headroom_pct: float) -> _Sizes:
    """Return what measuring the bare model has found, which knows rows a second alone."""
    throughput, n_threads = profile.throughput_rows_per_s, profile.serving.n_threads
    if scenario != OFFLINE or throughput.value is None:
        missing = (
            "The rate that one server sustains is not known"
            if scenario != OFFLINE
            else f"throughput_rows_per_s was not measured: {throughput.reason}"
        )
        raise ValueError(
            f"{missing}. Load the exported model and give what that prints: "
            "rightfit load-test --json … > load.json, then rightfit size --load load.json"
        )
    rate = throughput.value if throughput.low is None else throughput.low
    end = "" if throughput.low is None else ", the lower end of its interval"
    peak = profile.peak_memory_mib.high or profile.peak_memory_mib.value
    if peak is None:
        raise ValueError("peak_memory_mib was not measured. Run: kedro run --pipelines perf")
    memory = _Sourced(peak, f"peak with {profile.best_batch_size} rows a call (peak_memory_mib)")
    limits = profile.how.limits if profile.how else ()
    enough = [trial.memory_mib for trial in limits if trial.ok and trial.memory_mib >= memory.value]
    return _Sizes(
        capacity=_Sourced(
            rate,
            f"{format_number(rate)} rows/s of one process (throughput_rows_per_s{end}; without a "
            "server)",
        ),
        cores_requested=_Sourced(n_threads, "it was measured confined to so many cores"),
        cores_limit=_Sourced(n_threads, "the same: less would throttle it, more it cannot use"),
        memory_requested_mib=memory,
        memory_limit_mib=_Sourced(
            min(enough), "it ran under this limit when it was measured (RLIMIT_DATA)"
        )
        if enough
        else _add_headroom(memory, headroom_pct),
    )


def _add_headroom(memory: _Sourced, headroom_pct: float) -> _Sourced:
    source = f"that and {headroom_pct:g} % head-room; not tried"
    return _Sourced(memory.value * (1 + headroom_pct / 100), source)
