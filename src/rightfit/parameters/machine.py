"""Parameters that this machine cannot follow: devices it lacks, and more threads than it bears."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from rightfit.parameters.raw import RawParameters, find_values, look_up

MAX_PER_CORE = 16  # threads or processes; beyond it a machine does little but switch between them
COUNTS = ("n_threads", "n_workers")
DEVICE = "device"


@dataclass(frozen=True)
class Machine:
    """Where a run takes place."""

    n_cores: int
    devices: tuple[str, ...]


def find_machine_faults(
    parameters: RawParameters, stages: Collection[str], machine: Machine
) -> Iterator[str]:
    """Describe what the parameters ask of a machine that it does not have.

    Counts of threads and workers, and the device, are looked for in the blocks of the stages that
    will run: a stage and its block bear one name. Values of a wrong kind are left to other checks.

    Yields:
        One line per fault, with the file to correct.
    """
    if "evaluation" in stages:
        yield from _find_serving_faults(parameters, machine)
    most = MAX_PER_CORE * machine.n_cores
    for stage in sorted(stages):
        for key, value in find_values(parameters.get(stage), COUNTS, stage):
            if isinstance(value, int) and value > most:
                yield (
                    f"{key} is {value:,}, but this machine has {machine.n_cores} cores: more than "
                    f"{most} would only wait for each other. Correct parameters_{stage}.yml."
                )
        for key, value in find_values(parameters.get(stage), [DEVICE], stage):
            if value == "cuda" and value not in machine.devices:
                yield (
                    f"{key} is 'cuda', but this machine has {list(machine.devices)} only. Correct "
                    f"parameters_{stage}.yml."
                )


def _find_serving_faults(parameters: RawParameters, machine: Machine) -> Iterator[str]:
    devices = look_up(parameters, "evaluation.devices")
    if _is_filled(devices) and not set(map(str, devices)) & set(machine.devices):
        yield (
            f"evaluation.devices names {devices}, but this machine has {list(machine.devices)} "
            "only: nothing could be measured. Correct parameters_evaluation.yml."
        )
    counts = look_up(parameters, "evaluation.n_threads")
    if _is_filled(counts) and all(type(n) is int and n > machine.n_cores for n in counts):
        yield (
            f"evaluation.n_threads names {counts}, but this machine has {machine.n_cores} cores: "
            "nothing could be measured. Correct parameters_evaluation.yml."
        )


def _is_filled(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value)
