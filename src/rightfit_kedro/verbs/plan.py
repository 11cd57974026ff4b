"""List what an evaluation would measure, and how long that takes at most."""

from __future__ import annotations

from typing import Any

import click

from rightfit._core.errors import NothingStoredError
from rightfit.api.candidate_measuring import list_paths, list_servings
from rightfit.api.progress_line import showing_progress
from rightfit.cli.options import echo_lines, faults_as_message
from rightfit.measuring.hardware.environment import describe_environment
from rightfit.measuring.profiles.measuring_plan import describe_plan
from rightfit.measuring.rounds.jobs import with_paths
from rightfit.params.evaluation import EvaluationParams
from rightfit.ranking.applications.applications import Applications
from rightfit_kedro.command_line import read_run_params
from rightfit_kedro.grid import read_grid
from rightfit_kedro.stored_results import ProjectLocation, where
from rightfit_kedro.validation import find_faults

SECTION = "Run"


@click.command()
@click.option(
    "--params",
    default="",
    callback=read_run_params,
    help="Parameters for this plan, as for kedro run.",
)
@where
def plan(location: ProjectLocation, params: dict[str, Any]) -> None:
    """List what an evaluation would measure, and how long that takes at most."""
    with faults_as_message(), showing_progress():
        parameters, results = location.read_parameters(params), location.open_results()
        faults = find_faults(parameters, stages=["evaluation"])
        if faults:
            raise ValueError("\n".join(faults))
        evaluation = EvaluationParams.model_validate(parameters["evaluation"])
        applications = Applications.model_validate(parameters["applications"])
        environment = describe_environment()
        servings = with_paths(
            list_servings(evaluation, environment), list_paths(applications, evaluation)
        )
        n_candidates: dict[str, int | None] = {}
        for dataset, model in read_grid(parameters).cells():
            cell = f"{dataset}.{model}"
            try:
                n_candidates[cell] = len(results.load_newest(f"{cell}.candidates"))
            except NothingStoredError:
                n_candidates[cell] = None
        echo_lines(
            [
                f"Preset {evaluation.preset}; nothing is measured now.",
                *describe_plan(
                    evaluation.settings,
                    servings,
                    n_candidates,
                    tiers=evaluation.tiers,
                    devices=environment.devices,
                ),
            ]
        )
