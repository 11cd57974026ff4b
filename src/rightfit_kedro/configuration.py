"""The configuration of the project in use, completed by the library's values.

``--params`` must set something that is read. On a command line the user owns the machine's files; a
request to Kedro's server comes from whoever reaches the port: it may say how to rank. Where data
lies, what is measured and which code is imported stays with the person who started the server.

Kedro builds pipelines without showing them the configuration. :class:`ConfigurationHook` sees it
when a session makes its context; it stands in the project's settings, where :func:`find_grid` finds
the grid again when Kedro asks the project's registry for pipelines.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from click import ClickException
from kedro.config import AbstractConfigLoader
from kedro.framework import project
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines, settings
from kedro.utils import find_kedro_project

from rightfit._core.errors import RightfitError
from rightfit._core.formatting import clean_text
from rightfit._core.spelling import suggest
from rightfit.params.defaults import RawParameters
from rightfit_kedro.catalog import complete_catalog
from rightfit_kedro.config_loader import (
    DATA_ROOT,
    OWN_PROJECT,
    explain_file,
    find_data_root,
    list_files,
    list_texts,
    load_configuration,
    make_loader,
    name_files,
    read_parameters,
)
from rightfit_kedro.grid import Grid, read_grid
from rightfit_kedro.kedro_private import list_requested_pipelines, validate_only
from rightfit_kedro.nodes import PIPELINES, holds_own, list_stages
from rightfit_kedro.parameters import (
    BLOCKS,
    PROJECT_BLOCKS,
    complete_parameters,
    find_misspelt_blocks,
    find_values,
)

logger = logging.getLogger(__name__)

READ_FILES = ("globals", "parameters", "catalog")
DEFAULT_PIPELINE = "__default__"
REQUEST_BLOCKS = frozenset({"applications", "ranking"})  # that a request may set
DATA_ROOTS = "RIGHTFIT_DATA_ROOTS"  # roots that a request may name, separated as PATH is


class ConfigurationError(ClickException):
    """Faulty configuration: commands end with its message and exit code 1, without a traceback."""

    def __init__(self, message: str) -> None:
        super().__init__(clean_text(message))


class ConfigurationHook:
    """Completes a session's configuration, and checks it where Rightfit's pipelines are to run.

    A project without a parameter ``grid`` is left as it is.
    """

    def __init__(self) -> None:
        self.grid: Grid | None = None
        """The grid of the session that was opened last."""
        self.has_read = False
        """Whether any session has been opened."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Add the library's parameters and catalog entries to those of the project.

        Raises:
            ConfigurationError: If the grid names what is not described, a run's parameter is
                misspelt, a block that the requested pipelines read is not right, or a request to
                the server sets too much.
        """
        loader, asked_for = context.config_loader, list_requested_pipelines()
        runtime_params, requested = loader.runtime_params or {}, asked_for or [DEFAULT_PIPELINE]
        if PIPELINES & set(requested):
            # Kedro's find_pipelines would look for a folder of that name in the project
            pipelines.set_requested(None)
        _refuse_broken_files(loader)
        project_parameters = read_parameters(loader)
        if project_parameters is None:
            self._use(None)
            pipeline_names = PIPELINES & set(requested)
            is_own_project = project.PACKAGE_NAME == OWN_PROJECT
            # where only Rightfit's pipelines can be meant
            if is_own_project or (pipeline_names and not pipeline_names & set(pipelines)):
                parameters = load_configuration(loader, "parameters")
                raise _explain_parameters(loader, complete_parameters(parameters))
            return
        parameters = complete_parameters(project_parameters)
        if is_served():
            check_served(runtime_params, os.environ)
        try:
            grid, data_root = read_grid(parameters), find_data_root(loader)
        except ValueError as err:
            self._use(None)
            if set(requested) & PIPELINES or not _are_foreign(requested):
                raise _explain_parameters(loader, parameters, *str(err).splitlines()) from err
            logger.warning("Rightfit's pipelines cannot be made: %s", err)
            _check_foreign_only(context)
            return
        self._use(grid)
        for name, meant in find_misspelt_blocks(
            set(project_parameters) - set(runtime_params)
        ).items():
            logger.warning("Rightfit reads no parameter %r; did you mean %r?", name, meant)
        loader["parameters"] = parameters
        own_catalog = load_configuration(loader, "catalog")
        loader["catalog"] = complete_catalog(own_catalog, grid, data_root)
        self._check(context, parameters, requested, is_run=asked_for is not None)

    def _use(self, grid: Grid | None) -> None:
        """Let Kedro build the pipelines again when the grid is another one."""
        self.has_read = True
        if grid == self.grid:
            return
        self.grid = grid
        requested = list_requested_pipelines()
        pipelines.configure(f"{project.PACKAGE_NAME}.pipeline_registry")
        pipelines.set_requested(requested)

    def _check(
        self,
        context: KedroContext,
        parameters: RawParameters,
        requested: list[str],
        *,
        is_run: bool,
    ) -> None:
        from rightfit_kedro.validation import Machine, find_block_faults, find_model_faults

        try:
            chosen = {name: pipelines[name] for name in requested if name in pipelines}
        except Exception:
            logger.debug("The pipelines cannot be made yet; Kedro will say why.", exc_info=True)
            return
        if not any(map(holds_own, chosen.values())):
            _check_foreign_only(context)
            return
        stages = {stage for pipeline in chosen.values() for stage in list_stages(pipeline)}
        machine = Machine.here() if is_run else None
        faults = find_block_faults(parameters, stages=stages, machine=machine)
        faults += find_unread(context.config_loader, parameters)
        if faults:  # or the families are asked once it is known whether they are needed
            lines = [*faults, *find_model_faults(parameters, stages)]
            raise ConfigurationError(name_files(context.config_loader, "\n".join(lines)))


def _refuse_broken_files(loader: AbstractConfigLoader) -> None:
    """Read every kind of file that Kedro will read, so that all faults are named at once.

    Raises:
        ConfigurationError: Naming each broken file and its line.
    """
    faults: list[str] = []
    for key in READ_FILES:
        try:
            configuration = load_configuration(loader, key)
        except RightfitError as err:
            faults += str(err).splitlines()
        else:
            if configuration:
                loader[key] = configuration  # or it is read again each time that it is asked for
    # What credentials refer to may exist only where the tasks run: their files must be readable.
    faults += filter(None, map(explain_file, list_files(loader, "credentials")))
    if faults:
        raise ConfigurationError("\n".join(dict.fromkeys(faults)))


def _explain_parameters(
    loader: AbstractConfigLoader, parameters: RawParameters, *sentences: str
) -> ConfigurationError:
    """Return an error that names the faults of all blocks, after those that were told already."""
    from rightfit_kedro.validation import find_faults

    lines = dict.fromkeys([*sentences, *find_faults(parameters)])
    return ConfigurationError(name_files(loader, "\n".join(lines)))


def _are_foreign(requested: list[str]) -> bool:
    """Return whether the project's registry makes these pipelines without Rightfit's nodes."""
    try:
        names = [name for name in requested if name in pipelines or name != DEFAULT_PIPELINE]
        chosen = [pipelines[name] for name in names]
    except Exception:  # such as a KeyError: of a registry that needs "perf", of a tagged pipeline
        logger.debug("The registry needs Rightfit's pipelines.", exc_info=True)
        return False
    return all(pipeline.nodes and not holds_own(pipeline) for pipeline in chosen)


def _check_foreign_only(context: KedroContext) -> None:
    """Check own pipelines alone; before a run of ``__default__`` Kedro would check all."""
    names = [name for name, pipeline in pipelines.items() if not holds_own(pipeline)]
    validate_only(context, names)


def find_grid() -> Grid | None:
    """Return the grid of the session in use, or else of the project in the working directory.

    Commands such as ``kedro registry list`` open no session; the environment variable ``KEDRO_ENV``
    chooses their environment.

    Returns:
        ``None`` where the configuration has no ``grid``.

    Raises:
        ConfigurationError: If the grid is not right and no session has reported that.
    """
    for hook in settings.HOOKS:
        if isinstance(hook, ConfigurationHook) and hook.has_read:
            return hook.grid
    folder = find_kedro_project(Path.cwd())
    if folder is None:
        return None
    loader = make_loader(folder / settings.CONF_SOURCE, env=os.environ.get("KEDRO_ENV"))
    try:
        parameters = read_parameters(loader)
        return read_grid(complete_parameters(parameters)) if parameters else None
    except ValueError as err:
        raise ConfigurationError(str(err)) from err


def find_unread(loader: AbstractConfigLoader, parameters: RawParameters) -> Iterator[str]:
    """Describe parameters of a run that no node, file or block has.

    Yields:
        One line per parameter, with the places where blocks have one of that name.
    """
    read_names = {*BLOCKS, *PROJECT_BLOCKS, DATA_ROOT}
    names = [str(name) for name in loader.runtime_params or {} if name not in read_names]
    if not names:
        return
    files = make_loader(Path(str(loader.conf_source)), env=loader.env)
    in_files = load_configuration(files, "parameters")
    inputs = {name for pipeline in pipelines.values() for name in pipeline.datasets()}
    texts = [*list_texts(loader), *inputs]
    other_blocks = [block for block in parameters if block not in {*BLOCKS, *PROJECT_BLOCKS}]
    for name in names:
        read = re.compile(rf"params:{re.escape(name)}(?!\w)")  # rankin is no part of ranking
        if name and (name in in_files or any(map(read.search, texts))):
            continue
        key_paths = [
            key_path
            for block in (*BLOCKS, *other_blocks)
            for key_path, _ in find_values(parameters[block], [name], block)
        ]
        hint = f"{suggest(name, read_names)}."
        if key_paths:
            hint = f"; did you mean {' or '.join(key_paths[:3])}?"
        yield f"--params sets {name!r}, which nothing reads{hint}"


def is_served() -> bool:
    """Tell whether this process is Kedro's HTTP server: nothing else imports its module."""
    return "kedro.server.http_server" in sys.modules


def check_served(parameters: RawParameters, environment: Mapping[str, str]) -> None:
    """Refuse a request that sets more than a request may.

    Raises:
        ConfigurationError: Naming every parameter that is not allowed.

    >>> check_served({"applications": {}}, {})
    """
    roots = [root for root in environment.get(DATA_ROOTS, "").split(os.pathsep) if root]
    refused = sorted(
        name
        for name, value in parameters.items()
        if name not in REQUEST_BLOCKS and not (name == "data_root" and value in roots)
    )
    if refused:
        raise ConfigurationError(
            f"A request to the server may not set {refused}; it may set "
            f"{sorted(REQUEST_BLOCKS)}, and data_root to one of {roots}. The person who "
            f"starts the server allows roots with the environment variable {DATA_ROOTS}; all else "
            "belongs in conf/."
        )
