"""List what an evaluation would measure, and how long that takes at most."""

from __future__ import annotations

from typing import Any

import click

from rightfit.evaluation.candidate_measuring import list_paths, list_servings
from rightfit.kedro_project.command_line import read_run_params
from rightfit.parameters.evaluation import EvaluationParams
from rightfit.parameters.grid import Grid, read_grid
from rightfit.parameters.raw import RawParameters
from rightfit.parameters.validation import find_faults
from rightfit.profiling.hardware.environment import describe_environment
from rightfit.profiling.measuring.jobs import with_paths
from rightfit.profiling.profiles.measuring_plan import describe_plan
from rightfit.ranking.applications.applications import Applications
from rightfit.verbs.options import echo_lines, faults_as_message
from rightfit.verbs.stored import NothingStoredError, Place, StoredResults, where

SECTION = "Run"


@click.command()
@click.option(
    "--params",
    default="",
    callback=read_run_params,
    help="Parameters for this plan, as for kedro run.",
)
@where
def plan(place: Place, params: dict[str, Any]) -> None:
    """List what an evaluation would measure, and how long that takes at most."""
    with faults_as_message():
        echo_lines(plan_evaluation(place.read_parameters(params), place.open_results()))


def plan_evaluation(parameters: RawParameters, results: StoredResults) -> list[str]:
    """Describe what an evaluation would measure, how long at most, and what cannot be measured.

    Returns:
        Lines to show.

    Raises:
        ValueError: If the parameters are not right.
    """
    faults = find_faults(parameters, stages=["evaluation"])
    if faults:
        raise ValueError("\n".join(faults))
    grid = read_grid(parameters)
    params = EvaluationParams.model_validate(parameters["evaluation"])
    applications = Applications.model_validate(parameters["applications"])
    environment = describe_environment()
    return [
        f"Preset {params.preset}; nothing is measured now.",
        *describe_plan(
            params.settings,
            with_paths(list_servings(params, environment), list_paths(applications, params)),
            _count_candidates(grid, results),
            tiers=params.tiers,
            devices=environment.devices,
        ),
    ]


def _count_candidates(grid: Grid, results: StoredResults) -> dict[str, int | None]:
    counts: dict[str, int | None] = {}
    for dataset, model in grid.cells():
        cell = f"{dataset}.{model}"
        try:
            counts[cell] = len(results.load_newest(f"{cell}.candidates"))
        except NothingStoredError:
            counts[cell] = None
    return counts
