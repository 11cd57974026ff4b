"""Every fault of the blocks that Rightfit reads, at once and before any node runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

from pydantic import BaseModel, ValidationError

from rightfit._core.formatting import count
from rightfit._core.plugins import load_plugins
from rightfit._core.spelling import suggest
from rightfit.measuring.hardware.environment import usable_cores
from rightfit.measuring.metrics import INTERVAL_COLUMNS, METRICS_BY_COLUMN
from rightfit.measuring.worker.meters.devices import list_devices
from rightfit.models.runtimes import RUNTIMES, suits_family
from rightfit.models.schema import Task
from rightfit.params.applications import find_contradictions, find_misnamed
from rightfit.params.defaults import RawParameters
from rightfit.params.evaluation import EvaluationParams, find_preset_faults
from rightfit.params.faults import explain_faults
from rightfit.ranking.applications.applications import N_MODELS, UTILITY, Application, RankingRules
from rightfit_kedro.explain import name_file
from rightfit_kedro.grid import (
    CascadeBlock,
    find_grid_faults,
    is_cascade,
    is_imported,
    is_searched,
    list_named,
)
from rightfit_kedro.imported_block import ImportedBlock, find_file_faults
from rightfit_kedro.parameters import find_values
from rightfit_search.families.family import Family
from rightfit_search.families.registry import get_family
from rightfit_search.searching.space import ModelBlock, ModelParams
from rightfit_search.searching.stopping_rules import STOPPING_NAMES, import_rule
from rightfit_search.searching.training_params import TrainingParams
from rightfit_search.tables.description import DatasetBlock

WHOLE_BLOCKS: Mapping[str, type[BaseModel]] = {
    "evaluation": EvaluationParams,
    **load_plugins("rightfit.blocks", purpose="A stage of a project"),
    "ranking": RankingRules,
    "training": TrainingParams,
}
NAMED_BLOCKS: Mapping[str, type[BaseModel]] = {
    "datasets": DatasetBlock,
    "models": ModelBlock,
    "applications": Application,
}
TIE_COLUMNS = (
    UTILITY,
    N_MODELS,
    "n_threads",
    *METRICS_BY_COLUMN,
    *INTERVAL_COLUMNS,
    "best_batch_size",
    "n_latency_samples",
    "disturbed",
)
"""Columns that candidates can be compared by: those of the resource profiles that hold numbers."""
MAX_PER_CORE = 16  # threads or processes; beyond it a machine does little but switch between them
COUNTS = ("n_threads", "n_jobs")
DEVICE = "device"
LENGTH = "n_checkpoints"  # in the block of every stage that trains checkpoint by checkpoint
MAX_GRID = 1_000_000  # configurations that are listed at once
MAX_GRID_POINTS = 1_000


@dataclass(frozen=True)
class Machine:
    """Where a run takes place."""

    n_cores: int
    devices: tuple[str, ...]

    @classmethod
    def here(cls) -> Machine:
        """Return this machine."""
        return cls(usable_cores(), list_devices())


def find_faults(parameters: RawParameters, *, stages: Collection[str] = ()) -> list[str]:
    """Describe what is wrong with the parameters that Rightfit's pipelines read.

    See :func:`find_block_faults`; families are asked too, which imports their libraries.
    """
    faults = find_block_faults(parameters, stages=stages)
    return list(dict.fromkeys([*faults, *find_model_faults(parameters, stages)]))


def find_block_faults(
    parameters: RawParameters,
    *,
    stages: Collection[str] = (),
    machine: Machine | None = None,
) -> list[str]:
    """Describe what can be seen of wrong parameters without asking the models' families.

    Args:
        parameters: All parameters, the library's values included. Datasets and models that the
            grid does not name are not checked.
        stages: Stages that will run; what only others need is not checked.
        machine: Where they will run; ``None`` leaves out what depends on it.

    Returns:
        One line per fault, with the file to correct; empty if all is right.
    """
    faults = [*find_grid_faults(parameters), *_find_named_faults(parameters)]
    for block, model in WHOLE_BLOCKS.items():
        faults += _told(block, explain_faults("", {block: parameters.get(block)}, [block], model))
    # faults that no single block shows; parts with faults of their own are left out
    faults += _told("applications", find_contradictions(parameters.get("applications")))
    with suppress(ValidationError):
        rules = RankingRules.model_validate(parameters.get("ranking"))
        faults += _told("ranking", _find_tie_faults(rules, parameters))
    faults += find_file_faults(list_named(parameters, "models"))
    with suppress(ValidationError):
        training = TrainingParams.model_validate(parameters.get("training"))
        faults += _told("training", _find_training_faults(training, parameters))
    if "evaluation" in stages:
        faults += _told("applications", find_preset_faults(parameters))
    if machine is not None:
        for stage in sorted(stages):
            faults += _told(stage, _find_machine_faults(stage, parameters.get(stage), machine))
    return list(dict.fromkeys(faults))


def _told(block: str, faults: Iterable[str]) -> list[str]:
    """Return faults as sentences, each with the file to correct."""
    return [name_file(fault, block) for fault in faults]


def look_up(parameters: RawParameters, key: str) -> Any:
    """Return the value of a key such as ``training.seed``; ``None`` where there is none."""
    value: Any = parameters
    for step in key.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _find_named_faults(parameters: RawParameters) -> list[str]:
    """Describe faults of the datasets and models that the grid names, and of all applications."""
    models, faults = list_named(parameters, "models"), []
    kinds: list[tuple[str, Iterable[str], type[BaseModel]]] = [
        ("datasets", list_named(parameters, "datasets"), DatasetBlock),
        ("models", [name for name, block in models.items() if is_searched(block)], ModelBlock),
        ("models", [name for name, block in models.items() if is_imported(block)], ImportedBlock),
        ("models", [name for name, block in models.items() if is_cascade(block)], CascadeBlock),
    ]
    for kind, names, model in kinds:
        faults += _told(kind, explain_faults(kind, parameters.get(kind, {}), names, model))
    asked = parameters.get("applications")
    if isinstance(asked, Mapping) and asked:
        misnamed = find_misnamed(asked)
        wrong = explain_faults("applications", asked, asked, Application, misnamed=misnamed)
    else:
        wrong = [f"applications must name at least one application, but got {asked!r}"]
    return faults + _told("applications", wrong)


def _find_training_faults(training: TrainingParams, parameters: RawParameters) -> Iterator[str]:
    """Describe a sampler, a stopping rule and datasets that do not exist."""
    if "." in training.sampler:
        from rightfit_search.searching.samplers import import_sampler  # imports Optuna

        for fault in _catch(partial(import_sampler, seed=training.seed), training.sampler):
            yield f"training.sampler: {fault}"
    if training.early_stopping not in STOPPING_NAMES:
        for fault in _catch(import_rule, training.early_stopping):
            yield f"training.early_stopping: {fault}"
    datasets = parameters.get("datasets")
    described = datasets if isinstance(datasets, Mapping) else training.final.never_for
    if unknown := sorted(set(training.final.never_for) - set(described)):
        yield (
            f"training.final.never_for names {unknown}, described are "
            f"{sorted(map(str, described))} (parameters_datasets.yml)"
        )


def _find_tie_faults(ranking: RankingRules, parameters: RawParameters) -> Iterator[str]:
    """Describe tie rules by columns, or for applications, that do not exist."""
    ties = ranking.ties
    rules = {"rule": ties.rule} | {
        f"rule_by_application.{name}": rule for name, rule in ties.rule_by_application.items()
    }
    for key_path, rule in rules.items():
        for key in rule:
            if key.by not in TIE_COLUMNS:
                yield (
                    f"ranking.ties.{key_path}: there is no column {key.by!r} to compare by"
                    f"{suggest(key.by, TIE_COLUMNS)}; columns: {', '.join(TIE_COLUMNS)}"
                )
    block = parameters.get("applications")
    applications = block if isinstance(block, Mapping) else ()
    for name in sorted(set(ties.rule_by_application) - set(applications)):
        yield (
            f"ranking.ties.rule_by_application: there is no application {name!r}"
            f"{suggest(name, applications)}"
        )


def _find_machine_faults(stage: str, block: Any, machine: Machine) -> Iterator[str]:
    """Describe what a stage's block asks of a machine that it does not have.

    Counts of threads and workers, and the device, are looked for. Values of a wrong kind are left
    to other checks.
    """
    has_only = f"but this machine has {list(machine.devices)} only"
    has_cores = f"but this machine has {count(machine.n_cores, 'core')}"
    if stage == "evaluation" and isinstance(block, Mapping):
        devices, counts = block.get("devices"), block.get("n_threads")
        if _is_filled(devices) and not set(map(str, devices)) & set(machine.devices):
            yield f"evaluation.devices names {devices}, {has_only}: nothing could be measured"
        if _is_filled(counts) and all(type(n) is int and n > machine.n_cores for n in counts):
            yield f"evaluation.n_threads names {counts}, {has_cores}: nothing could be measured"
    most = MAX_PER_CORE * machine.n_cores
    for key, value in find_values(block, COUNTS, stage):
        if isinstance(value, int) and value > most:
            yield (
                f"{key} is {value:,}, {has_cores}: more than {most} would only wait for each other"
            )
    for key, value in find_values(block, [DEVICE], stage):
        if value == "cuda" and value not in machine.devices:
            yield f"{key} is 'cuda', {has_only}"


def _is_filled(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple) and bool(value)


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
        try:
            family = get_family(block.family)
        except ValueError as err:
            yield name_file(f"models.{name}: {err}", "models")
            continue
        for fault in _find_setting_faults(family, block, parameters, stages):
            yield f"models.{name}: {fault}"
        for dataset, task in tasks.items():  # as far as the datasets' blocks say the task
            if task is None or dataset not in (block.datasets or [dataset]):
                continue
            for fault in _catch(family.check_task, task):
                yield (
                    f"models.{name}: {fault}, which is that of the dataset {dataset}. List the "
                    f"datasets that it is for in models.{name}.datasets in parameters_models.yml, "
                    "or take either out of parameters_grid.yml."
                )


def _find_setting_faults(
    family: Family, block: ModelBlock, parameters: RawParameters, stages: Collection[str]
) -> Iterator[str]:
    params = block.params
    if missing := list(_catch(family.require_libraries, f"The family {block.family}")):
        yield from missing
        return
    if wrong := list(_catch(params.check_names, family)):
        yield from _told("models", wrong)
        return
    blocks = {stage: parameters.get(stage) for stage in sorted(stages)}
    lengths = [n for stage, block in blocks.items() for _, n in find_values(block, [LENGTH], stage)]
    for n_checkpoints in lengths or [look_up(parameters, "training.n_checkpoints")]:
        if isinstance(n_checkpoints, int):
            yield from _told("models", _catch(params.check_length, family, n_checkpoints))
    if lengths or "training" in stages:
        wrong = [
            fault
            for configuration in params.list_extremes()
            for fault in _catch(family.check_values, configuration)
        ]
        yield from _told("models", dict.fromkeys(wrong))
    if "training" in stages:
        yield from _find_grid_size(params, parameters)
    if "evaluation" in stages:
        yield from _find_unservable(family, parameters)


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
    size = math.prod(len(item.grid(n_points)) for item in params.space.values())
    if size > MAX_GRID:
        yield (
            f"training.n_grid_points={n_points} makes a grid of {size:,} configurations; at most "
            f"{MAX_GRID:,} are possible. Correct parameters_training.yml."
        )


def _find_unservable(family: Family, parameters: RawParameters) -> Iterator[str]:
    try:
        params = EvaluationParams.model_validate(parameters.get("evaluation"))
    except ValidationError:
        return
    runtimes = {name for name in RUNTIMES if suits_family(name, family)}
    own_runtimes = set(params.runtimes) - set(RUNTIMES)  # of which a bundle alone tells
    if not (runtimes | own_runtimes) & set(params.runtimes) or not set(family.devices) & set(
        params.devices
    ):
        yield (
            f"it could never be measured: evaluation wants the runtimes {list(params.runtimes)} on "
            f"{list(params.devices)}, and its family has {sorted(runtimes)} on "
            f"{list(family.devices)}. Correct parameters_evaluation.yml."
        )
