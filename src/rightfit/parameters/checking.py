"""Every fault of the blocks that Rightfit reads, at once and before any node runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from rightfit.parameters.applications import ApplicationsParams, find_misnamed
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.faults import explain_faults
from rightfit.parameters.grid import Grid
from rightfit.parameters.imported import ImportedBlock, check_imported
from rightfit.parameters.models import check_families
from rightfit.parameters.ranking import RankingParams
from rightfit.preparation.block import DatasetBlock
from rightfit.ranking.applications.applications import Application
from rightfit.tuning.search.space import ModelBlock
from rightfit.tuning.search.training_params import TrainingParams

WHOLE_BLOCKS: Mapping[str, type[BaseModel]] = {
    "evaluation": EvaluationParams,
    "ranking": RankingParams,
    "training": TrainingParams,
}


def find_faults(parameters: Mapping[str, Any], grid: Grid) -> list[str]:
    """Describe what is wrong with the parameters that the grid's pipelines read.

    Args:
        parameters: All parameters, the library's values included.
        grid: The cells in use; what they do not need is not checked.

    Returns:
        One line per fault, with the file to correct; empty if all is right.
    """
    applications = parameters.get("applications")
    if not isinstance(applications, Mapping) or not applications:
        return [
            f"applications must name at least one application, but got {applications!r}. Correct "
            "parameters_applications.yml."
        ]
    checks: list[tuple[str, Mapping[str, Any], Iterable[str], type[BaseModel]]] = [
        ("datasets", parameters["datasets"], grid.datasets, DatasetBlock),
        ("models", parameters["models"], grid.families, ModelBlock),
        ("models", parameters["models"], grid.imported, ImportedBlock),
        ("applications", applications, applications, Application),
    ]
    misnamed = find_misnamed(applications)
    faults = [
        f"{fault}. Correct parameters_{kind}.yml."
        for kind, blocks, names, model in checks
        for fault in explain_faults(
            kind, blocks, names, model, misnamed=misnamed if kind == "applications" else {}
        )
    ]
    for kind, model in WHOLE_BLOCKS.items():
        found = explain_faults("", {kind: parameters[kind]}, [kind], model)
        faults += [f"{fault}. Correct parameters_{kind}.yml." for fault in found]
    return faults or _find_joint_faults(parameters, grid)


def _find_joint_faults(parameters: Mapping[str, Any], grid: Grid) -> list[str]:
    """Describe faults that no single block shows."""
    try:
        ApplicationsParams.model_validate(parameters["applications"])
        check_families(parameters, grid.families)
        check_imported(parameters["models"], grid.imported)
    except ValueError as err:
        return [str(err)]
    return []
