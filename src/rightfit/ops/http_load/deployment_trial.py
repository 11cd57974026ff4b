"""Try a deployment: one server under exactly its limits must hold its share of the rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from rightfit._core.formatting import count
from rightfit._core.processes.starting import run_module
from rightfit.data.request_path.usage import PROFILE, read_export
from rightfit.measuring.rounds.lock import machine_lock
from rightfit.measuring.worker.latency import min_calls_to_report
from rightfit.ops.http_load.curve import MARGIN, measure_step, meets_limit, start_generator
from rightfit.ops.http_load.generator import LoadOrder
from rightfit.ops.http_load.loading import require_answer
from rightfit.ops.http_load.served import (
    ContainerLimits,
    RunningServer,
    ServerPlace,
    Throttling,
    confine,
    read_throttling,
    split_cores,
    start_server,
)
from rightfit.ranking.records.load_records import MAX_OTHERS_CORES, LatencyLimit, LoadStep

WARM_UP_S = 1.0
UNITS_MIB = {"Mi": 1.0, "Gi": 1024.0}
LATE_MS = 5.0  # of the load generator, that is worth a word when the server did not hold


@dataclass(frozen=True)
class Deployment:
    """The replicas of a deployment, as its YAML describes them."""

    replicas: int
    limits: ContainerLimits
    variables: Mapping[str, str]


@dataclass(frozen=True)
class TrialResult:
    """Outcome of one server under the limits of a deployment.

    Args:
        said: Whether it held, with its figures, in a sentence.
        faults: Why it did not hold; empty: it answered everything, within the limits of latency
            and memory.
        needs_memory: Whether it was killed, or used more memory than the limit.
        needs_cores: Whether the control group throttled it.
        is_disturbed: Whether other processes used its cores meanwhile.
    """

    said: str
    faults: tuple[str, ...]
    needs_memory: bool = False
    needs_cores: bool = False
    is_disturbed: bool = False

    @property
    def holds(self) -> bool:
        """Whether it held."""
        return not self.faults


def read_deployment(text: str) -> Deployment:
    """Read the replicas, limits and variables of a deployment of one container.

    Raises:
        ValueError: If they are not there, or written in another unit.
    """
    try:
        spec = yaml.safe_load(text)["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        memory, unit = str(limits["memory"])[:-2], str(limits["memory"])[-2:]
        container_limits = ContainerLimits(float(limits["cpu"]), float(memory) * UNITS_MIB[unit])
        variables = {
            str(variable["name"]): str(variable["value"]) for variable in container.get("env", ())
        }
        return Deployment(int(spec["replicas"]), container_limits, variables)
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

    Raises:
        ValueError: If the folder is no export, the YAML no deployment, the rows are refused, or the
            requests of a replica are too few for the limited percentile.
    """
    read_export(folder, needed=[PROFILE])  # refuses what is not as it was exported
    deployment = read_deployment(text)
    own_rate_per_s = rate_per_s / deployment.replicas
    needed_s = MARGIN * min_calls_to_report(limit.share) / own_rate_per_s
    if seconds < needed_s:
        raise ValueError(
            f"{own_rate_per_s:,.3g} requests/s of one replica are too few for a "
            f"p{limit.share * 100:g} in {seconds:g} s: try for {needed_s:.0f} s (--seconds)."
        )
    client_core, server_cores = split_cores()
    command = run_module("rightfit", "serve", str(folder))
    with machine_lock(), confine(deployment.limits, server_cores) as server_place:
        try:
            with (
                start_server(
                    command, server_place=server_place, variables=deployment.variables
                ) as served,
                start_generator() as ask_server,
            ):
                order = LoadOrder(
                    served.port,
                    bodies,
                    warm_up_s=WARM_UP_S,
                    measured_s=seconds,
                    loop="open",
                    level=own_rate_per_s,
                    core=client_core,
                )
                require_answer(order)
                before = read_throttling(server_place.groups)
                step = measure_step(served, order, ask_server)
                throttling = read_throttling(server_place.groups) - before
                return _judge(step, served, deployment.limits, limit, server_place, throttling)
        except RuntimeError as err:
            sentence = f"{_write_limits(deployment.limits, server_place)}: {err}"
            return TrialResult(sentence, (str(err),), needs_memory=bool(server_place.groups))


def _judge(
    step: LoadStep,
    served: RunningServer,
    limits: ContainerLimits,
    limit: LatencyLimit,
    server_place: ServerPlace,
    throttling: Throttling,
) -> TrialResult:
    is_disturbed = (step.others_cores or 0.0) > MAX_OTHERS_CORES
    # Without a control group nothing ends what exceeds the memory.
    needs_memory = not served.is_alive or (
        not server_place.groups and step.peak_memory_mib > limits.memory_mib
    )
    faults: list[str] = []
    if not served.is_alive:
        faults.append("the server was killed")
    elif needs_memory:
        faults.append("it used more memory")
    if step.errors:
        faults.append(f"{sum(step.errors.values())} requests failed ({', '.join(step.errors)})")
    if not meets_limit(step, limit):
        faults.append(f"it did not keep a p{limit.share * 100:g} of {limit.ms:g} ms")
    latency_ms = step.latency_ms[limit.share]
    latency = "not known" if latency_ms is None else f"{latency_ms.value:.3g} ms"
    figures = [
        f"{step.level:,.0f} requests/s",
        f"p{limit.share * 100:g} {latency}",
        f"{step.server_cores:.2f} cores",
        f"{step.peak_memory_mib:.0f} MiB",
        *([str(throttling)] if server_place.groups else []),
    ]
    # Outside of the deployment, these may be why it did not hold.
    if faults and is_disturbed:
        figures.append(f"other processes used {step.others_cores:.2f} of the cores")
    if faults and step.late_max_ms > LATE_MS:
        figures.append(f"the load generator was late by up to {step.late_max_ms:.0f} ms")
    verdict = f"did not hold: {', '.join(faults)}" if faults else "held"
    sentence = f"{_write_limits(limits, server_place)}: {verdict} ({', '.join(figures)})"
    return TrialResult(
        sentence,
        tuple(faults),
        needs_memory=needs_memory,
        needs_cores=throttling.n_throttled > 0,
        is_disturbed=is_disturbed,
    )


def _write_limits(limits: ContainerLimits, server_place: ServerPlace) -> str:
    how = f"bound to {count(len(server_place.cores), 'core')}, resident memory compared afterwards"
    if server_place.groups:
        how = "control group"
    return f"cpu {limits.cores:g}, memory {limits.memory_mib:g} MiB ({how})"
