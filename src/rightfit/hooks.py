"""Hooks: tell the pipelines which cells exist, refuse unknown parameters, show the winners."""

from __future__ import annotations

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from rightfit.grid import use_parameters

_PARAMETER_BLOCKS = frozenset(
    {
        "applications",
        "datasets",
        "evaluation",
        "grid",
        "models",
        "ranking",
        "training",
    }
)
_RUNTIME_ONLY = frozenset({"data_root"})


class GridHook:
    """Read the grid of the environment in use before the first pipeline is built."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Hand the parameters to the pipelines.

        Raises:
            ValueError: If a parameter block is unknown, or the grid names what is not described.
        """
        from kedro.framework.project import PACKAGE_NAME, pipelines

        parameters = context.config_loader["parameters"]
        unknown = sorted(set(parameters) - _PARAMETER_BLOCKS - _RUNTIME_ONLY)
        if unknown:
            raise ValueError(
                f"Unknown parameters {unknown}; there are {sorted(_PARAMETER_BLOCKS)}. Correct "
                "--params or the file in conf/."
            )
        if use_parameters(parameters):
            pipelines.configure(f"{PACKAGE_NAME}.pipeline_registry")


class ResultHook:
    """Show the winners once a run has ranked."""

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Print the table of winners if the run made one."""
        if "recommendations" not in pipeline.all_outputs():
            return
        from rich.console import Console

        from rightfit.reporting.terminal import tabulate_winners

        Console().print(tabulate_winners(catalog.load("recommendations")))
