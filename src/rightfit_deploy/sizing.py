"""Size a deployment of a winner: resources, threads and replicas, each from a measurement."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rightfit._core.formatting import format_number
from rightfit._core.processes.starting import THREAD_VARIABLES
from rightfit.exporting.export_folder import require_winner
from rightfit.measuring.profile import Profile
from rightfit.measuring.worker.units import MS_PER_S
from rightfit.ranking.applications.applications import MachineKind
from rightfit.ranking.explanation.answer import Answer, describe_origin
from rightfit.ranking.explanation.decisions import describe_disturbance
from rightfit.ranking.fleet import HOURS_PER_MONTH
from rightfit.ranking.records.load_records import LoadCurve

OFFLINE = "offline"
LOAD_AGAIN = "disturbed: load it again on a quiet machine (rightfit load-test --json, size --load)"

Band = tuple[float, float | None, float | None]  # a value, its lower and its upper end


@dataclass(frozen=True)
class ServedFigures:
    """Figures of a server of the model, under load."""

    highest_rate_per_s: float
    limit_ms: float
    server_cores: float
    peak_memory_mib: float
    limit_share: float = 0.99
    n_rows: int = 1  # of each request
    disturbed: bool = False  # the load generator was late, or others used the cores


@dataclass(frozen=True)
class _Sourced:
    """A figure and the measurement that it comes from, in words."""

    value: float
    source: str


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
) -> str:
    """Write a patch of a Kubernetes deployment for an application's winner.

    Args:
        answer: The winner and its profile.
        scenario: The application's scenario; ``offline`` counts rows, the others requests.
        rate_per_s: Requests, or rows, a second of all replicas together.
        headroom_pct: Further rate and memory that they must sustain.
        served: What loading its server has found; ``None``: the profile of the bare model counts,
            which knows rows a second alone.

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
    measured = (
        f"the model was measured {describe_disturbance(profile)}"
        if served is None
        else f"its server was loaded {LOAD_AGAIN if served.disturbed else 'undisturbed'}"
    )
    n_replicas = max(1, math.ceil(rate_per_s * (1 + headroom_pct / 100) / sizes.capacity.value))
    replicas = _Sourced(
        n_replicas,
        f"{format_number(rate_per_s)}/s and {headroom_pct:g} % head-room over "
        f"{sizes.capacity.source}",
    )
    cores_limit, memory_limit = sizes.cores_limit, sizes.memory_limit_mib
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
        f"# for {format_number(rate_per_s)} {unit} a second; {measured}",
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


@dataclass(frozen=True)
class ServerRate:
    """The highest rate at which one server of the winner meets a latency limit.

    Args:
        machine: Its kind.
        rate_per_s: The rate, the highest one that surely meets the limit, and the lowest one that
            surely does not; ``None``: no such rate was tried.
        limit: Of the latency, in words.
        disturbed: Whether the load generator was late, or other processes used the cores.
        server_cores: Cores that the server uses at that rate.
    """

    machine: str
    rate_per_s: Band
    limit: str
    disturbed: bool
    server_cores: float


@dataclass(frozen=True)
class Instances:
    """How many machines of a kind sustain a rate.

    Args:
        rate_per_s: Of all together, without head-room.
        machine: Their kind.
        number: With its lower and its upper end.
        price_per_month: Likewise; ``None`` for a kind without a price.
        is_cheapest: Whether another kind with a price costs more.
    """

    rate_per_s: float
    machine: str
    number: Band
    price_per_month: Band | None
    is_cheapest: bool


@dataclass(frozen=True)
class InstanceTable:
    """Machines by kind and rate.

    Args:
        unit: Of the rates a second, ``requests`` or ``rows``.
        servers: A server on each kind.
        instances: By rate and kind.
        left_out: Why there is no figure of a kind, by its name.
    """

    unit: str
    servers: tuple[ServerRate, ...]
    instances: tuple[Instances, ...]
    left_out: Mapping[str, str]

    def write_lines(self) -> list[str]:
        """Write a line per kind, then a table with a line per rate and kind, and how to read it."""
        lines = []
        for server in self.servers:
            state = LOAD_AGAIN if server.disturbed else "measured undisturbed"
            band = _write_band(server.rate_per_s)
            lines.append(
                f"{server.machine}: {band} {self.unit}/s of one server on "
                f"{server.server_cores:.2g} cores within {server.limit}, {state}"
            )
        lines += [f"{kind}: left out: {reason}" for kind, reason in self.left_out.items()]
        rows = [(f"{self.unit}/s", "machine", "instances", "a month", "")]
        rows += [
            (
                format_number(group.rate_per_s),
                group.machine,
                _write_band(group.number),
                _write_band(group.price_per_month) if group.price_per_month else "",
                "cheapest" if group.is_cheapest else "",
            )
            for group in self.instances
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return (
            lines
            + [
                "  ".join(
                    cell.ljust(width) for cell, width in zip(row, widths, strict=True)
                ).rstrip()
                for row in rows
            ]
            + [
                "One server on each instance. In brackets: what follows from the highest rate that "
                "was shown to meet the limit, and from the lowest shown not to; ?: none tried."
            ]
        )


def count_instances(
    curves: Mapping[str, LoadCurve],
    rates_per_s: Sequence[float],
    *,
    headroom_pct: float,
    prices: Mapping[str, MachineKind],
    per_row: bool = False,
) -> InstanceTable:
    """Count the machines of each kind that sustain some rates, and price them.

    Args:
        curves: What a server of the winner did under load on each kind of machine, by its name.
        rates_per_s: Requests a second of all instances together.
        headroom_pct: Further rate that they must sustain.
        prices: Of an instance, by kind.
        per_row: Whether rates count rows instead of requests.

    Raises:
        ValueError: If no rate of any curve meets its limit.
    """
    left_out = {
        kind: f"no server was loaded there: rightfit load-test --json … > {kind}.json, then "
        f"rightfit size --load {kind}={kind}.json"
        for kind in prices
        if kind not in curves
    }
    servers = []
    for kind, curve in curves.items():
        rate_per_s = curve.highest_rate_per_s
        if rate_per_s is None:
            left_out[kind] = f"no rate of the load meets {curve.limit}"
            continue
        capacity = _bound_capacity(curve, rate_per_s, per_row)
        cores = max(step.server_cores for step in curve.opened if step.level <= rate_per_s)
        servers.append(ServerRate(kind, capacity, str(curve.limit), curve.disturbed, cores))
    if not servers:
        raise ValueError("; ".join(f"{kind}: {reason}" for kind, reason in left_out.items()) + ".")
    instances = []
    for rate_per_s in rates_per_s:
        needed_per_s = rate_per_s * (1 + headroom_pct / 100)
        numbers, months = dict[str, Band](), dict[str, Band]()
        for server in servers:
            value, low, high = (end and math.ceil(needed_per_s / end) for end in server.rate_per_s)
            numbers[server.machine] = value, low, high = value or 0, high, low
            rented = prices.get(server.machine)
            if rented is not None and rented.price_per_hour is not None:
                month = rented.price_per_hour * HOURS_PER_MONTH
                months[server.machine] = value * month, low and low * month, high and high * month
        cheapest = min(months, key=lambda kind: months[kind][0], default=None)
        instances += [
            Instances(
                rate_per_s, kind, number, months.get(kind), kind == cheapest and len(months) > 1
            )
            for kind, number in numbers.items()
        ]
    unit = "rows" if per_row else "requests"
    return InstanceTable(unit, tuple(servers), tuple(instances), left_out)


def _bound_capacity(curve: LoadCurve, rate_per_s: float, per_row: bool) -> Band:
    """Bound the highest rate that meets the limit by those that do, or do not, beyond their errors.

    Returns:
        See :class:`ServerRate`.
    """
    low: float | None = None
    high: float | None = None
    for step in curve.opened:
        latency = step.latency_ms.get(curve.limit_share)
        ends = (None, None) if latency is None else (latency.low, latency.high)
        if step.level <= rate_per_s:
            low = step.level if ends[1] is not None and ends[1] <= curve.limit_ms else low
        elif not step.keeps_up or (ends[0] is not None and ends[0] > curve.limit_ms):
            high = step.level
            break
    factor = curve.n_rows if per_row else 1
    return rate_per_s * factor, low and low * factor, high and high * factor


def _write_band(values: Sequence[float | None]) -> str:
    """Write a value with its ends; those that are not known as a question mark."""
    value, *ends = (None if end is None else format_number(end) for end in values)
    if {value} == set(ends):
        return str(value)
    low, high = ("?" if end is None else end for end in ends)
    return f"{value} ({low} to {high})"


def _size_server(
    profile: Profile, served: ServedFigures, headroom_pct: float, *, unit: str
) -> _Sizes:
    """Return what loading one server of the model has found."""
    # the server's libraries take 0.4 s to import
    from rightfit_deploy.server import BUSY, MAX_REQUESTS_VARIABLE, Limits

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
    memory = _Sourced(peak, f"peak at batch size {profile.best_batch_size} (peak_memory_mib)")
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
