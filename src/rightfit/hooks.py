"""Rightfit's hooks.

A project adds them to its own in ``settings.py``::

    from rightfit.hooks import rightfit_hooks

    HOOKS = (MyHook(), *rightfit_hooks())

They act on Rightfit's parameters, nodes and datasets alone.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from kedro.config import AbstractConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractDataset, DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from rightfit.errors import RightfitError
from rightfit.failures import FailureHook
from rightfit.guards.clear_errors import (
    explain_content,
    explain_error,
    explain_unreadable,
    load_result,
    one_line,
)
from rightfit.guards.given import explain_run_params
from rightfit.guards.output import tolerate_lost_output
from rightfit.guards.places import find_unwritable
from rightfit.mlflow_tracking import MlflowHook
from rightfit.ownership import find_stage, is_own, list_own_outputs, list_stages
from rightfit.process_state import ProcessHook
from rightfit.processes.regular_files import SPECIAL, find_special
from rightfit.project import ConfigurationError, ConfigurationHook
from rightfit.reuse.hook import ReuseHook
from rightfit.run_versions import VersionHook
from rightfit.searches_ahead import SearchHook
from rightfit.tuning.search.progress import RunDisplay, RunStep

__all__ = ["ConfigurationError", "ErrorHook", "ResultHook", "rightfit_hooks"]

RAW_READER = "check_raw_tables"
COMMANDS = ("kedro", "rightfit")
STORES = {"studies", "measurements", "inferred_descriptions"}  # written through handles
MODEL = "params:models."  # whoever reads such an input trains or measures a model
HANDLES = ("inferred_descriptions",)  # what it reads beside the tables


def rightfit_hooks() -> tuple[Any, ...]:
    """Return new hooks for one project.

    In a command of Kedro, output that cannot be written is lost from now on and fails nothing, and
    parameters that cannot be read are refused in one line: Kedro reads a project's settings before
    it writes its first line and before it reads its options.
    """
    if _is_command(Path(sys.argv[0])):
        tolerate_lost_output()
        explain_run_params()
    return (
        ConfigurationHook(),
        ErrorHook(),
        VersionHook(),
        ProcessHook(),
        ResultHook(),
        MlflowHook(),
        ReuseHook(),
        SearchHook(),  # starts a process that imports while families are asked
        FamilyHook(),
        DisplayHook(),
        FailureHook(),
    )


def _is_command(program: Path) -> bool:
    """Tell Kedro's commands, and a packaged project run as a module, from other programs."""
    is_project = program.name == "__main__.py" and program.with_name("settings.py").exists()
    return program.name in COMMANDS or is_project


class ErrorHook:
    """Turns faults of Rightfit's input into one clear message."""

    @hook_impl(tryfirst=True)  # the other hooks write already
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Look for the raw tables before the first node.

        Raises:
            ConfigurationError: Naming every catalog entry that cannot be opened, and every raw
                table that is missing or no regular file.
        """
        faults = list(_find_entry_faults(pipeline, catalog))
        if faults:
            raise ConfigurationError("\n".join(faults))
        missing = [name for name in _list_raw(pipeline) if _is_missing(catalog.get(name))]
        if missing:
            places = [_find_path(catalog.get(name)) or name for name in missing]
            raise ConfigurationError(
                f"Raw files are missing: {places}. Put them there, or correct the datasets in "
                "parameters_grid.yml and their tables in parameters_datasets.yml."
            )
        special = [
            str(path) for name in _list_raw(pipeline) for path in _find_special(catalog, name)
        ]
        if special:
            raise ConfigurationError(
                f"Raw files are {SPECIAL}: {special}. Only regular files are read: put them there, "
                "or correct the entries in conf/*/catalog*.yml."
            )
        unknown = list(_list_unknown_environments(pipeline, catalog))
        if unknown:
            raise ConfigurationError("\n".join(unknown))
        unwritable = find_unwritable(_list_written(pipeline, catalog))
        if unwritable:
            raise ConfigurationError("\n".join(unwritable))

    @hook_impl
    def on_pipeline_error(self, error: Exception, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """End the command with the message of a fault that a person can mend, without a traceback.

        An error of a dataset or of the system in a run with other nodes may be theirs, and is left
        alone.

        Raises:
            ConfigurationError: In place of an error that names the file to mend.
        """
        is_alone = all(map(is_own, pipeline.nodes))
        told = explain_error(error) if is_alone or isinstance(error, RightfitError) else None
        if is_alone and not told:
            raw = {name: _find_path(catalog.get(name)) for name in _list_raw(pipeline)}
            told = explain_content(error, raw)
        if told:
            raise ConfigurationError(told) from error


def _find_entry_faults(pipeline: Pipeline, catalog: DataCatalog) -> Iterator[str]:
    """Open the catalog entries of Rightfit's nodes, which imports their classes.

    Yields:
        One line per entry that says nothing that can be opened.
    """
    names = {
        name for node in pipeline.nodes if is_own(node) for name in (*node.inputs, *node.outputs)
    }
    for name in sorted(names):
        try:
            catalog.get(name)
        except DatasetError as err:
            kind = catalog.config_resolver.resolve_pattern(name).get("type")
            yield (
                f"{name}: its catalog entry of type {kind!r} cannot be opened "
                f"({one_line(err.__cause__ or err)}). Correct it in conf/*/catalog*.yml."
            )


def _list_unknown_environments(pipeline: Pipeline, catalog: DataCatalog) -> Iterator[str]:
    """Explain which machines applications name that nothing fit to use was imported of."""
    if "measurements" not in pipeline.inputs() or "params:applications" not in pipeline.inputs():
        return
    from rightfit.handover.importing import load_measured
    from rightfit.ranking.applications.applications import Applications

    store = catalog.load("measurements")
    applications: Applications = catalog.load("params:applications")
    for name, one in applications.items():
        if one.environment is not None:
            try:
                load_measured(one.environment, store)
            except ValueError as err:
                yield f"applications.{name}: {err}"


class FamilyHook:
    """Checks the models' settings by their families, where any model is trained or measured."""

    def __init__(self) -> None:
        self._loader: AbstractConfigLoader | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Note where the parameters are."""
        self._loader = context.config_loader

    @hook_impl(trylast=True)  # another hook leaves out what is unchanged
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Ask the families, which imports their libraries.

        Raises:
            ConfigurationError: Naming every setting that a family does not know or cannot take.
        """
        from rightfit.parameters.models import find_model_faults

        read = {name for node in pipeline.nodes if is_own(node) for name in node.inputs}
        if self._loader is None or not any(name.startswith(MODEL) for name in read):
            return
        faults = list(find_model_faults(self._loader["parameters"], list_stages(pipeline)))
        if faults:
            raise ConfigurationError("\n".join(faults))


class ResultHook:
    """Shows the winners and the report's path once a run has made them, or kept unchanged ones."""

    def __init__(self) -> None:
        self._outputs: frozenset[str] = frozenset()

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Note whether a ranking and a report are wanted."""
        self._outputs = frozenset(list_own_outputs(pipeline))

    @hook_impl
    def after_pipeline_run(self, catalog: DataCatalog) -> None:
        """Print the table of winners, and where the report is.

        Raises:
            ConfigurationError: If a ranking that was kept cannot be read.
        """
        if "recommendations" in self._outputs:
            self._show_winners(catalog)
        if "report" in self._outputs:
            report = catalog.get("report")
            latest = getattr(report, "latest", None)  # a project may store it in its own way
            click.echo(f"Report: {latest or getattr(report, '_get_load_path', str)()}")

    def _show_winners(self, catalog: DataCatalog) -> None:
        from rich.console import Console

        from rightfit.ranking.explanation.decisions import read_recommendations
        from rightfit.reporting.terminal import tabulate_winners

        try:
            recommendations = read_recommendations(load_result(catalog, "recommendations"))
        except ValueError as err:
            raise ConfigurationError(explain_unreadable("recommendations", err)) from err
        Console().print(tabulate_winners(recommendations))


class DisplayHook:
    """Shows in a terminal how far a run of Rightfit's nodes is, unless it is to be quiet."""

    def __init__(self) -> None:
        self._display: RunDisplay | None = None
        self._during = contextlib.ExitStack()

    @hook_impl(trylast=True)  # another hook may leave nodes out
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Begin to show it."""
        from rich.console import Console

        console = Console(stderr=True)
        steps = [find_step(node) for node in pipeline.nodes if is_own(node)]
        is_quiet = logging.getLogger("rightfit").getEffectiveLevel() >= logging.WARNING
        is_command = click.get_current_context(silent=True) is not None
        if steps and is_command and console.is_terminal and not is_quiet:
            self._display = RunDisplay(steps)
            self._during.enter_context(self._display.shown(console))

    @hook_impl(tryfirst=True)  # another hook searches here
    def before_node_run(self, node: Node) -> None:
        """Show what begins."""
        if self._display is not None and is_own(node):
            self._display.begin(find_step(node))

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Show what is done."""
        if self._display is not None and is_own(node):
            self._display.end(find_step(node))

    @hook_impl(tryfirst=True)  # before anything is printed
    def after_pipeline_run(self) -> None:
        """Make way for the results."""
        self._stop()

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """Make way for the error."""
        self._stop()

    def _stop(self) -> None:
        self._display = None
        self._during.close()


def find_step(node: Node) -> RunStep:
    """Return the stage of one of Rightfit's nodes, and the cell or dataset that it is about."""
    return RunStep(find_stage(node), node.namespace or "")


def _list_written(pipeline: Pipeline, catalog: DataCatalog) -> Iterator[Path]:
    """Yield the local files and folders that Rightfit's nodes write."""
    stores = {name for node in pipeline.nodes if is_own(node) for name in node.inputs} & STORES
    for name in sorted(list_own_outputs(pipeline) | stores):
        dataset = catalog.get(name)
        path = getattr(dataset, "_filepath", None) or getattr(dataset, "_folder", None)
        if path is None or getattr(dataset, "_protocol", "file") != "file":
            continue
        is_folder = name in stores or getattr(dataset, "_version", None) is not None
        yield Path(path) if is_folder else Path(path).parent


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


def _find_path(dataset: AbstractDataset[Any, Any] | None) -> str:
    """Return the path of an entry's file or folder, empty where it has none."""
    return str(getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None) or "")


def _find_special(catalog: DataCatalog, name: str) -> Iterator[Path]:
    """Yield the local files of a raw table that would keep a reader waiting."""
    dataset = catalog.get(name)
    path = _find_path(dataset)
    if path and getattr(dataset, "_protocol", "file") == "file":
        yield from find_special(Path(path))


def _is_missing(dataset: AbstractDataset[Any, Any] | None) -> bool:
    """Return whether a raw table's source is absent, as far as its kind of entry can tell."""
    if dataset is None or type(dataset)._exists is AbstractDataset._exists:
        return dataset is None
    return not dataset.exists()
