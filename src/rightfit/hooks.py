"""Hooks: tell the pipelines which cells exist, refuse unknown parameters, show the winners."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from click import ClickException
from kedro.framework import project
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.validation.exceptions import ParameterValidationError
from pydantic import BaseModel

from rightfit.faults import explain_faults
from rightfit.grid import UnsuitableGridError, current_grid, use_parameters
from rightfit.pipelines.training.params import check_families
from rightfit.printable import clean_text
from rightfit.served_parameters import check_served, is_served

_PARAMETER_BLOCKS = frozenset(
    {
        "applications",
        "datasets",
        "early_stopping",
        "evaluation",
        "grid",
        "models",
        "ranking",
        "training",
        "training_costs",
    }
)
_RUNTIME_ONLY = frozenset({"data_root"})


class ConfigurationError(ClickException):
    """Faulty configuration: commands end with its message and exit code 1, without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(clean_text(message))


class GridHook:
    """Read and check the configuration in use before the first pipeline is built."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Hand the parameters to the pipelines and let Kedro check their types.

        Raises:
            ConfigurationError: If a parameter block is unknown, a value is not allowed, the grid
                names what is not described, or a request to the server sets too much.
        """
        parameters = context.config_loader["parameters"]
        try:
            if is_served():
                check_served(context.config_loader.runtime_params, os.environ)
            _refuse_unknown_blocks(parameters)
            if use_parameters(parameters):
                pipelines.configure(f"{project.PACKAGE_NAME}.pipeline_registry")
            _ = context.params  # checked here, or its error would come with a traceback
            check_families(parameters, current_grid().models)
        except ParameterValidationError as err:
            raise ConfigurationError(_explain(parameters) or str(err)) from err
        except ValueError as err:
            raise ConfigurationError(str(err)) from err


class ErrorHook:
    """Turn faults of the input into one clear message."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look for the raw files before the first node.

        Raises:
            ConfigurationError: Naming every raw file that is missing.
        """
        raw = sorted(name for name in pipeline.inputs() if name.endswith("_raw"))
        missing = [
            str(getattr(catalog.get(name), "_filepath", name))
            for name in raw
            if not catalog.exists(name)
        ]
        if missing:
            raise ConfigurationError(
                f"Raw files are missing: {missing}. Put them there, or correct the datasets in "
                "parameters_grid.yml and their tables in parameters_datasets.yml."
            )

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Let a fault of the data end the command with its message alone.

        Raises:
            ConfigurationError: In place of an error that names the file to mend.
        """
        from rightfit.preparation.checking import RawTableError

        if isinstance(error, DatasetError | RawTableError | UnsuitableGridError):
            raise ConfigurationError(str(error)) from error


class ResultHook:
    """Show the winners once a run has ranked."""

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Print the table of winners if the run made one."""
        if "recommendations" not in pipeline.all_outputs():
            return
        from rich.console import Console

        from rightfit.ranking.explanation.decisions import read_recommendations
        from rightfit.reporting.terminal import tabulate_winners

        recommendations = read_recommendations(catalog.load("recommendations"))
        Console().print(tabulate_winners(recommendations))


def _refuse_unknown_blocks(parameters: Mapping[str, Any]) -> None:
    """Refuse what Kedro would accept in silence: a block that nothing reads.

    A name that starts with _ is a template for other blocks, as everywhere in Kedro.
    """
    named = {name for name in parameters if not name.startswith("_")}
    unknown = sorted(named - _PARAMETER_BLOCKS - _RUNTIME_ONLY)
    if unknown:
        raise ValueError(
            f"Unknown parameters {unknown}; there are {sorted(_PARAMETER_BLOCKS)}. Correct "
            "--params or the file in conf/."
        )


def _explain(parameters: Mapping[str, Any]) -> str:
    """Say what is wrong with the blocks that users write themselves; empty if they are right."""
    from rightfit.pipelines.data_engineering.params import DatasetSpec
    from rightfit.pipelines.ranking.params import find_misnamed
    from rightfit.pipelines.training.params import ModelParams
    from rightfit.ranking.applications.applications import Application

    grid, applications = current_grid(), parameters["applications"]
    named = applications if isinstance(applications, Mapping) else ()
    checks: tuple[tuple[str, Iterable[str], type[BaseModel], Mapping[str, str]], ...] = (
        ("datasets", grid.datasets, DatasetSpec, {}),
        ("models", grid.models, ModelParams, {}),
        ("applications", named, Application, find_misnamed(applications)),
    )
    return "\n".join(
        f"{fault}. Correct parameters_{kind}.yml."
        for kind, names, model, misnamed in checks
        for fault in explain_faults(kind, parameters[kind], names, model, misnamed=misnamed)
    )
