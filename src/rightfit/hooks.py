"""Rightfit's hooks.

A project adds them to its own in ``settings.py``::

    from rightfit.hooks import rightfit_hooks

    HOOKS = (MyHook(), *rightfit_hooks())

They act on Rightfit's parameters, nodes and datasets alone.
"""

from __future__ import annotations

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, DataCatalog, DatasetError
from kedro.pipeline import Pipeline

from rightfit.failures import FailureHook
from rightfit.mlflow_tracking import MlflowHook
from rightfit.ownership import is_own, list_own_outputs
from rightfit.parameters.grid import UnsuitableGridError
from rightfit.parameters.imported import UnsuitableModelError
from rightfit.process_state import ProcessHook
from rightfit.project import ConfigurationError, ConfigurationHook
from rightfit.reuse.hook import ReuseHook
from rightfit.run_versions import VersionHook

__all__ = ["ConfigurationError", "ErrorHook", "ResultHook", "rightfit_hooks"]

RAW_READER = "check_raw_tables"
HANDLES = ("inferred_descriptions",)  # what it reads beside the tables


def rightfit_hooks() -> tuple[Any, ...]:
    """Return new hooks for one project."""
    return (
        ConfigurationHook(),
        ErrorHook(),
        VersionHook(),
        ProcessHook(),
        ResultHook(),
        MlflowHook(),
        ReuseHook(),
        FailureHook(),
    )


class ErrorHook:
    """Turns faults of Rightfit's input into one clear message."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look for the raw tables before the first node.

        Raises:
            ConfigurationError: Naming every raw table that is missing.
        """
        missing = [name for name in _list_raw(pipeline) if _is_missing(catalog.get(name))]
        if missing:
            places = [str(getattr(catalog.get(name), "_filepath", name)) for name in missing]
            raise ConfigurationError(
                f"Raw files are missing: {places}. Put them there, or correct the datasets in "
                "parameters_grid.yml and their tables in parameters_datasets.yml."
            )

    @hook_impl
    def on_pipeline_error(self, error: Exception, pipeline: Pipeline) -> None:
        """End the command with the message of a fault in the data, without a traceback.

        An error of a dataset in a run with other nodes may be theirs, and is left alone.

        Raises:
            ConfigurationError: In place of an error that names the file to mend.
        """
        from rightfit.preparation.frames import RawTableError

        is_ours = isinstance(error, RawTableError | UnsuitableGridError | UnsuitableModelError)
        if is_ours or (isinstance(error, DatasetError) and all(map(is_own, pipeline.nodes))):
            raise ConfigurationError(str(error)) from error


class ResultHook:
    """Shows the winners once a run has ranked, or kept an unchanged ranking."""

    def __init__(self) -> None:
        self._is_ranking = False

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Note whether a ranking is wanted."""
        self._is_ranking = "recommendations" in list_own_outputs(pipeline)

    @hook_impl
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """Print the table of winners."""
        if not self._is_ranking:
            return
        from rich.console import Console

        from rightfit.ranking.explanation.decisions import read_recommendations
        from rightfit.reporting.terminal import tabulate_winners

        recommendations = read_recommendations(catalog.load("recommendations"))
        Console().print(tabulate_winners(recommendations))


def _list_raw(pipeline: Pipeline) -> list[str]:
    """Return the tables that Rightfit's checks read and no node of the pipeline writes."""
    read = {
        name
        for node in pipeline.nodes
        if is_own(node) and node.func.__name__ == RAW_READER
        for name in node.inputs
        if not name.startswith("params:") and name not in HANDLES
    }
    return sorted(read & pipeline.inputs())


def _is_missing(dataset: AbstractDataset[Any, Any] | None) -> bool:
    """Return whether a raw table's source is absent, as far as its kind of entry can tell."""
    if dataset is None or type(dataset)._exists is AbstractDataset._exists:
        return dataset is None
    return not dataset.exists()
