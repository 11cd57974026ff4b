"""Check the models of a study against their families."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress

from pydantic import ValidationError

from rightfit.families.family import Family
from rightfit.families.registry import get_family
from rightfit.families.runtimes import RUNTIMES
from rightfit.families.schema import Task
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.grid import list_named
from rightfit.parameters.raw import RawParameters, find_values, look_up
from rightfit.preparation.description import DatasetBlock
from rightfit.tuning.search.space import ModelBlock, ModelParams

MAX_GRID = 1_000_000  # configurations that are listed at once
MAX_GRID_POINTS = 1_000
LENGTH = "n_checkpoints"  # in the block of every stage that trains checkpoint by checkpoint


def find_model_faults(parameters: RawParameters, stages: Collection[str]) -> Iterator[str]:
    """Describe what no single block shows: families, their settings, checkpoints and runtimes.

    Args:
        parameters: All parameters, as the configuration holds them. Of a block that is not right in
            itself nothing is said.
        stages: Stages that will run. The values of settings are looked at only before a training,
            because that imports the families' libraries.

    Yields:
        One line per fault, with the file to correct.
    """
    tasks: dict[str, Task | None] = {}
    for dataset, raw in list_named(parameters, "datasets").items():
        with suppress(ValidationError):  # told where datasets are checked
            tasks[dataset] = DatasetBlock.model_validate(raw).known_task
    for name, raw in list_named(parameters, "models").items():
        try:
            block = ModelBlock.model_validate(raw)
        except ValidationError:
            continue
        for fault in _find_faults(block, parameters, stages):
            yield f"models.{name}: {fault}"
        yield from _find_task_faults(name, block, tasks)


def _find_faults(
    block: ModelBlock, parameters: RawParameters, stages: Collection[str]
) -> Iterator[str]:
    params = block.params
    try:
        family = get_family(block.family)
        family.require_libraries(f"The family {block.family}")
        params.check_names(family)
    except ValueError as err:
        yield str(err)
        return
    blocks = {stage: parameters.get(stage) for stage in sorted(stages)}
    lengths = [n for stage, block in blocks.items() for _, n in find_values(block, [LENGTH], stage)]
    for n_checkpoints in lengths or [look_up(parameters, "training.n_checkpoints")]:
        if isinstance(n_checkpoints, int):
            yield from _catch(params.check_length, family, n_checkpoints)
    if lengths or "training" in stages:
        wrong = [
            fault
            for configuration in params.list_extremes()
            for fault in _catch(family.check_values, configuration)
        ]
        for fault in dict.fromkeys(wrong):
            yield f"{fault.rstrip('.')}. Correct parameters_models.yml."
    if "training" in stages:
        yield from _find_grid_size(params, parameters)
    if "evaluation" in stages:
        yield from _find_unservable(family, parameters)


def _find_task_faults(
    name: str, block: ModelBlock, tasks: Mapping[str, Task | None]
) -> Iterator[str]:
    """Describe datasets whose task the family cannot learn, as far as their blocks say the task."""
    try:
        family = get_family(block.family)
    except ValueError:
        return  # told before
    for dataset, task in tasks.items():
        if task is None or dataset not in (block.datasets or [dataset]):
            continue
        for fault in _catch(family.check_task, task):
            yield (
                f"models.{name}: {fault}, which is that of the dataset {dataset}. List the "
                f"datasets that it is for in models.{name}.datasets in parameters_models.yml, or "
                "take either out of parameters_grid.yml."
            )


def _catch(check: Callable[..., object], *args: object) -> Iterator[str]:
    try:
        check(*args)
    except ValueError as err:
        yield str(err)


def _find_grid_size(params: ModelParams, parameters: RawParameters) -> Iterator[str]:
    n_points = look_up(parameters, "training.n_grid_points")
    is_grid = look_up(parameters, "training.sampler") == "grid"
    if not is_grid or not isinstance(n_points, int) or not 1 < n_points <= MAX_GRID_POINTS:
        return
    size = math.prod(len(item.grid(n_points)) for item in params.space.root.values())
    if size > MAX_GRID:
        yield (
            f"training.n_grid_points={n_points} makes a grid of {size:,} configurations; at most "
            f"{MAX_GRID:,} are possible. Correct parameters_training.yml."
        )


def _find_unservable(family: Family, parameters: RawParameters) -> Iterator[str]:
    try:
        wanted = EvaluationParams.model_validate(parameters.get("evaluation"))
    except ValidationError:
        return
    runtimes = {"native", "onnx", *(("onnx_int8",) if family.has_int8 else ())}
    own = set(wanted.runtimes) - set(RUNTIMES)  # of which a bundle alone tells
    if not (runtimes | own) & set(wanted.runtimes) or not set(family.devices) & set(wanted.devices):
        yield (
            f"it could never be measured: evaluation wants the runtimes {list(wanted.runtimes)} on "
            f"{list(wanted.devices)}, and its family has {sorted(runtimes)} on "
            f"{list(family.devices)}. Correct parameters_evaluation.yml."
        )
