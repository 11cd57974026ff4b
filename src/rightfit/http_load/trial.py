"""Try a deployment: one server under exactly its limits must hold its share of the rate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from rightfit.http_load.confining import Confinement, ContainerLimits, confine
from rightfit.http_load.curve import meets_limit
from rightfit.http_load.export import find_free_port, make_order, split_cores
from rightfit.http_load.load_records import LatencyLimit, LoadStep
from rightfit.http_load.served import Served, start_server
from rightfit.http_load.step import measure_step, start_generator
from rightfit.profiling.measuring.lock import machine_lock
from rightfit.serving.exported import check_export

WARM_UP_S = 1.0
UNITS_MIB = {"Mi": 1.0, "Gi": 1024.0}


@dataclass(frozen=True)
class Deployment:
    """What a deployment's YAML says of its replicas."""

    replicas: int
    limits: ContainerLimits


@dataclass(frozen=True)
class TrialResult:
    """What one server did under the limits of a deployment.

    Args:
        holds: Whether it answered everything, within the limit of the latency and of the memory.
        said: The same in a sentence, with its figures.
    """

    holds: bool
    said: str


def read_deployment(text: str) -> Deployment:
    """Read the replicas and limits of a deployment of one container.

    Raises:
        ValueError: If they are not there, or written in another unit.
    """
    try:
        spec = yaml.safe_load(text)["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        memory, unit = str(limits["memory"])[:-2], str(limits["memory"])[-2:]
        found = ContainerLimits(float(limits["cpu"]), float(memory) * UNITS_MIB[unit])
        return Deployment(int(spec["replicas"]), found)
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as err:
        raise ValueError(f"This is no deployment as rightfit size writes it: {err!r}") from err


def try_deployment(
    text: str,
    folder: Path,
    bodies: tuple[str, ...],
    *,
    rate_per_s: float,
    limit: LatencyLimit,
    seconds: float,
) -> TrialResult:
    """Serve an exported model under the limits of a deployment and ask at one replica's rate.

    Args:
        text: What ``rightfit size`` wrote.
        folder: What ``rightfit export`` wrote.
        bodies: Requests as JSON.
        rate_per_s: Requests a second of all replicas.
        limit: Limit of the latency.
        seconds: How long.

    Raises:
        ValueError: If the folder is no export, or the YAML no deployment.
    """
    check_export(folder)
    deployment = read_deployment(text)
    own, others = split_cores()
    port = find_free_port()
    order = replace(
        make_order(port, bodies, core=own, warm_up_s=WARM_UP_S, measured_s=seconds),
        loop="open",
        level=rate_per_s / deployment.replicas,
    )
    command = [sys.executable, "-m", "rightfit", "serve", str(folder), "--port", str(port)]
    with machine_lock(), confine(deployment.limits, others) as confinement:
        try:
            with (
                start_server(command, port, place=confinement.place) as served,
                start_generator() as generator,
            ):
                step = measure_step(served, order, generator)
                return _judge(step, served, deployment.limits, limit, confinement)
        except RuntimeError as err:
            return TrialResult(False, f"{_write_limits(deployment.limits, confinement)}: {err}")


def _judge(
    step: LoadStep,
    served: Served,
    limits: ContainerLimits,
    limit: LatencyLimit,
    confinement: Confinement,
) -> TrialResult:
    faults: list[str] = []
    if not served.is_alive:
        faults.append("the server was killed")
    if step.errors:
        faults.append(f"{sum(step.errors.values())} requests failed ({', '.join(step.errors)})")
    if not meets_limit(step, limit):
        faults.append(f"it did not keep a p{limit.share * 100:g} of {limit.ms:g} ms")
    if not confinement.kills and step.peak_memory_mib > limits.memory_mib:
        faults.append("it used more memory")
    return TrialResult(not faults, _describe(step, limits, limit, confinement, faults))


def _describe(
    step: LoadStep,
    limits: ContainerLimits,
    limit: LatencyLimit,
    confinement: Confinement,
    faults: Sequence[str],
) -> str:
    found = step.latency_ms[limit.share]
    latency = "not known" if found is None else f"{found.value:.3g} ms"
    figures = (
        f"{step.level:,.0f} requests/s, p{limit.share * 100:g} {latency}, "
        f"{step.server_cores:.2f} cores, {step.peak_memory_mib:.0f} MiB"
    )
    verdict = "held" if not faults else f"did not hold: {', '.join(faults)}"
    return f"{_write_limits(limits, confinement)}: {verdict} ({figures})"


def _write_limits(limits: ContainerLimits, confinement: Confinement) -> str:
    return f"cpu {limits.cores:g}, memory {limits.memory_mib:g} MiB ({confinement.words})"
