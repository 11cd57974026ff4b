"""``kedro run --pipelines evaluation --params evaluation.dry_run=true``: the plan, nothing else."""

from __future__ import annotations

import logging

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from rightfit.pipelines.evaluation.nodes import list_servings, profile_candidates
from rightfit.pipelines.evaluation.params import EvaluationParams

logger = logging.getLogger(__name__)


class DryRunHook:
    """Shows what an evaluation would measure, and ends the run before its first node."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Show the plan of a dry run.

        Raises:
            SystemExit: With code 0, after the plan was shown.
        """
        cells = [str(node.namespace) for node in pipeline.nodes if node.func is profile_candidates]
        if not cells:
            return
        params = EvaluationParams.model_validate(catalog.load("params:evaluation"))
        if not params.dry_run:
            return
        for line in plan_lines(params, cells, catalog):
            logger.info(line)
        raise SystemExit(0)


def plan_lines(params: EvaluationParams, cells: list[str], catalog: DataCatalog) -> list[str]:
    """Return the plan for some cells, line by line.

    Args:
        params: What to measure and how.
        cells: ``{dataset}.{model}`` of each.
        catalog: Holds the candidates that are there already.
    """
    from rightfit.profiling.hardware.environment import describe_environment
    from rightfit.profiling.profiles.plan import describe_plan

    environment = describe_environment()
    candidates: dict[str, int | None] = {}
    for cell in cells:
        name = f"{cell}.candidates"
        candidates[cell] = len(catalog.load(name)) if catalog.exists(name) else None
    return [
        f"Dry run, preset {params.preset}: nothing is measured.",
        *describe_plan(
            params.settings,
            list_servings(params, environment),
            candidates,
            tiers=params.tiers,
            devices=environment.devices,
        ),
    ]
