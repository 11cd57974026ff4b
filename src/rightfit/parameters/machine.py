"""Parameters that this machine cannot follow: devices it lacks, and more threads than it bears."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rightfit.parameters.raw import RawParameters

MAX_PER_CORE = 16  # threads or processes; beyond it a machine does little but switch between them
COUNTS = {
    "training": ("training.n_threads", "training.n_workers"),
    "early_stopping": ("early_stopping.recording.n_workers", "early_stopping.replay.n_workers"),
    "training_costs": ("training_costs.n_threads",),
}
DEVICES = {"training": "training.device", "training_costs": "training_costs.device"}


@dataclass(frozen=True)
class Machine:
    """Where a run takes place."""

    n_cores: int
    devices: tuple[str, ...]


def find_machine_faults(
    parameters: RawParameters, stages: Collection[str], machine: Machine
) -> Iterator[str]:
    """Describe what the parameters ask of a machine that it does not have.

    Values of a wrong kind are left to other checks.

    Yields:
        One line per fault, with the file to correct.
    """
    if "evaluation" in stages:
        yield from _find_serving_faults(parameters, machine)
    most = MAX_PER_CORE * machine.n_cores
    for stage, keys in COUNTS.items():
        for key in keys if stage in stages else ():
            value = _look_up(parameters, key)
            if isinstance(value, int) and value > most:
                yield (
                    f"{key} is {value:,}, but this machine has {machine.n_cores} cores: more than "
                    f"{most} would only wait for each other. Correct parameters_{stage}.yml."
                )
    for stage, key in DEVICES.items():
        value = _look_up(parameters, key)
        if stage in stages and value == "cuda" and value not in machine.devices:
            yield (
                f"{key} is 'cuda', but this machine has {list(machine.devices)} only. Correct "
                f"parameters_{stage}.yml."
            )


def _find_serving_faults(parameters: RawParameters, machine: Machine) -> Iterator[str]:
    devices = _look_up(parameters, "evaluation.devices")
    if _is_filled(devices) and not set(map(str, devices)) & set(machine.devices):
        yield (
            f"evaluation.devices names {devices}, but this machine has {list(machine.devices)} "
            "only: nothing could be measured. Correct parameters_evaluation.yml."
        )
    counts = _look_up(parameters, "evaluation.n_threads")
    if _is_filled(counts) and all(type(n) is int and n > machine.n_cores for n in counts):
        yield (
            f"evaluation.n_threads names {counts}, but this machine has {machine.n_cores} cores: "
            "nothing could be measured. Correct parameters_evaluation.yml."
        )


def _is_filled(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value)


def _look_up(parameters: RawParameters, key: str) -> Any:
    found: Any = parameters
    for step in key.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
