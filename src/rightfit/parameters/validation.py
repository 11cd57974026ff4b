"""Every fault of the blocks that Rightfit reads, at once and before any node runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pydantic import BaseModel

from rightfit.http_load.load_settings import HttpLoadParams
from rightfit.parameters.applications import find_contradictions, find_misnamed
from rightfit.parameters.cascades import CascadeBlock
from rightfit.parameters.evaluation import EvaluationParams, find_load_faults
from rightfit.parameters.faults import explain_faults
from rightfit.parameters.grid import find_grid_faults, is_cascade, is_imported, list_named
from rightfit.parameters.imported import ImportedBlock, find_file_faults
from rightfit.parameters.machine import Machine, find_machine_faults
from rightfit.parameters.models import find_model_faults
from rightfit.parameters.ranking import RankingParams, find_tie_faults
from rightfit.parameters.raw import RawParameters, look_up
from rightfit.parameters.refit import RefitParams, find_refit_faults
from rightfit.preparation.description import DatasetBlock
from rightfit.ranking.applications.applications import Application
from rightfit.tuning.search.space import ModelBlock
from rightfit.tuning.search.stopping import STOPPING_NAMES, check_stopping, import_rule
from rightfit.tuning.search.training_params import TrainingParams

WHOLE_BLOCKS: Mapping[str, type[BaseModel]] = {
    "evaluation": EvaluationParams,
    "http_load": HttpLoadParams,
    "ranking": RankingParams,
    "refit": RefitParams,
    "training": TrainingParams,
}
NAMED_BLOCKS: Mapping[str, type[BaseModel]] = {
    "datasets": DatasetBlock,
    "models": ModelBlock,
    "applications": Application,
}


def find_faults(
    parameters: RawParameters,
    *,
    stages: Collection[str] = (),
    machine: Machine | None = None,
    others: Mapping[str, type[BaseModel]] | None = None,
) -> list[str]:
    """Describe what is wrong with the parameters that Rightfit's pipelines read.

    Args:
        parameters: All parameters, the library's values included. Datasets and models that the
            grid does not name are not checked.
        stages: Stages that will run; what only others need is not checked.
        machine: Where they will run; ``None`` leaves out what depends on it.
        others: Models of parameters that a project's tagged nodes read, by key.

    Returns:
        One line per fault, with the file to correct; empty if all is right.
    """
    faults = find_block_faults(parameters, stages=stages, machine=machine, others=others)
    return list(dict.fromkeys([*faults, *find_model_faults(parameters, stages)]))


def find_block_faults(
    parameters: RawParameters,
    *,
    stages: Collection[str] = (),
    machine: Machine | None = None,
    others: Mapping[str, type[BaseModel]] | None = None,
) -> list[str]:
    """Describe as :func:`find_faults` what can be seen without asking the models' families.

    That is quick, where a family's answer takes the import of its library.
    """
    faults = find_grid_faults(parameters)
    for kind in NAMED_BLOCKS:
        faults += _find_named_faults(kind, parameters)
    for key, model in {**WHOLE_BLOCKS, **_leave_out_known(others or {})}.items():
        found = explain_faults("", {key: look_up(parameters, key)}, [key], model)
        block = key.partition(".")[0]
        faults += [f"{fault}. Correct parameters_{block}.yml." for fault in found]
    faults += _find_joint_faults(parameters)
    if "evaluation" in stages:
        faults += find_load_faults(parameters)
    if machine is not None:
        faults += find_machine_faults(parameters, stages, machine)
    return list(dict.fromkeys(faults))


def _leave_out_known(models: Mapping[str, type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """Leave out keys of blocks that Rightfit checks anyway."""
    known = {"grid", *WHOLE_BLOCKS, *NAMED_BLOCKS}
    return {key: model for key, model in models.items() if key.partition(".")[0] not in known}


def _find_named_faults(kind: str, parameters: RawParameters) -> list[str]:
    blocks = parameters.get(kind)
    if kind == "applications":
        if not isinstance(blocks, Mapping) or not blocks:
            return [
                f"applications must name at least one application, but got {blocks!r}. Correct "
                "parameters_applications.yml."
            ]
        checked, misnamed = dict(blocks), find_misnamed(blocks)
    else:
        checked, misnamed = list_named(parameters, kind), {}
    if not isinstance(blocks, Mapping):
        return []  # a fault of the grid
    are_models = kind == "models"
    given = [name for name, block in checked.items() if are_models and is_imported(block)]
    made = [name for name, block in checked.items() if are_models and is_cascade(block)]
    others = [name for name in checked if name not in (*given, *made)]
    found = [
        *explain_faults(kind, blocks, others, NAMED_BLOCKS[kind], misnamed=misnamed),
        *explain_faults(kind, blocks, given, ImportedBlock),
        *explain_faults(kind, blocks, made, CascadeBlock),
    ]
    return [f"{fault}. Correct parameters_{kind}.yml." for fault in found]


def _find_joint_faults(parameters: RawParameters) -> list[str]:
    """Describe faults that no single block shows; parts with faults of their own are left out."""
    applications = parameters.get("applications")
    names = list(applications) if isinstance(applications, Mapping) else []
    return [
        *find_contradictions(applications),
        *find_tie_faults(parameters.get("ranking"), names),
        *find_file_faults(list_named(parameters, "models")),
        *find_refit_faults(parameters),
        *_find_stopping_faults(parameters.get("training")),
    ]


def _find_stopping_faults(raw: object) -> Iterator[str]:
    """Describe a stopping rule that is not at its import path."""
    name = raw.get("early_stopping") if isinstance(raw, Mapping) else None
    if not isinstance(name, str) or name in STOPPING_NAMES:
        return
    try:
        path = check_stopping(name)
    except ValueError:
        return  # told with its block
    try:
        import_rule(path)
    except ValueError as err:
        yield f"training.early_stopping: {err} Correct parameters_training.yml."
