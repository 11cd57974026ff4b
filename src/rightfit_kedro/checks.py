"""Checks of a run before its first node: entries, raw tables, machines, and places to write to."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kedro.framework.project import pipelines
from kedro.io import DatasetError
from kedro.pipeline import Pipeline

from rightfit._core.processes.regular_files import SPECIAL, find_special
from rightfit.ranking.applications.applications import Applications
from rightfit_kedro.configuration import ConfigurationError
from rightfit_kedro.explain import REMAKE, describe_csv, name_file, one_line
from rightfit_kedro.kedro_private import (
    Catalog,
    find_load_version,
    find_path,
    find_versioned_path,
    is_versioned,
    tells_existence,
)
from rightfit_kedro.nodes import is_own, list_own_inputs, list_own_outputs
from rightfit_kedro.result_records import open_records, read_time

logger = logging.getLogger(__name__)

RAW_READER = "check_raw_tables"
STORES = {"studies", "measurements", "inferred_descriptions"}  # written through handles
HANDLES = ("inferred_descriptions",)  # what the raw reader reads beside the tables
LEAST_BYTES = 2**20  # that must fit on the disk: less does not hold the smallest result


def refuse_unusable_surroundings(pipeline: Pipeline, catalog: Catalog) -> None:
    """Look for what Rightfit's nodes read and where they write, before the first of them runs.

    Raises:
        ConfigurationError: Naming every catalog entry that cannot be opened, every raw table that
            is missing or no regular file, every machine that nothing was imported of, and every
            place that cannot be written.
    """
    checks = (
        _find_entry_faults,
        _find_raw_faults,
        _find_unknown_machines,
        _find_unwritable_results,
    )
    for find in checks:  # each expects what those before it have made sure of
        faults = list(find(pipeline, catalog))
        if faults:
            raise ConfigurationError("\n".join(faults))


def _find_entry_faults(pipeline: Pipeline, catalog: Catalog) -> Iterator[str]:
    """Open the catalog entries of Rightfit's nodes, which imports their classes."""
    for name in sorted(list_own_inputs(pipeline) | list_own_outputs(pipeline)):
        try:
            catalog.get(name)
        except DatasetError as err:
            yield f"{one_line(err)} Correct it in conf/*/catalog*.yml."


def _find_raw_faults(pipeline: Pipeline, catalog: Catalog) -> Iterator[str]:
    """Name the raw tables that are missing, else those that are no regular file."""
    raw = {name: catalog.get(name) for name in list_raw(pipeline)}
    missing = {
        name: entry
        for name, entry in raw.items()
        if entry is None or (tells_existence(entry) and not entry.exists())
    }
    if missing:
        paths = [str(find_path(entry) or name) for name, entry in missing.items()]
        advice = " ".join(filter(None, map(describe_csv, paths)))
        yield (
            f"Raw files are missing: {paths}. Put them there, or correct the datasets in "
            f"parameters_grid.yml and their tables in parameters_datasets.yml. {advice}"
        ).rstrip()
        return
    # what would keep a reader waiting
    local = [path for entry in raw.values() if (path := find_path(entry)) is not None]
    special = [str(file) for path in local for file in find_special(path)]
    if special:
        yield (
            f"Raw files are {SPECIAL}: {special}. Only regular files are read: put them there, "
            "or correct the entries in conf/*/catalog*.yml."
        )


def _find_unknown_machines(pipeline: Pipeline, catalog: Catalog) -> Iterator[str]:
    """Explain which machines applications name that nothing fit to use was imported of."""
    if "measurements" not in pipeline.inputs() or "params:applications" not in pipeline.inputs():
        return
    from rightfit.api.candidate_measuring import find_machines, require_machine

    machines = find_machines(catalog.load("measurements"))
    applications: Applications = catalog.load("params:applications")
    for name, application in applications.items():
        if application.environment is not None:
            try:
                require_machine(application.environment, machines).read()
            except ValueError as err:
                yield name_file(f"applications.{name}: {err}", "applications")


def _find_unwritable_results(pipeline: Pipeline, catalog: Catalog) -> list[str]:
    """Describe the places, of those where Rightfit's nodes write, that cannot be written."""
    stores = list_own_inputs(pipeline) & STORES
    paths = []
    for name in sorted(list_own_outputs(pipeline) | stores):
        dataset = catalog.get(name)
        path = find_path(dataset)
        if path is not None:
            paths.append(path if name in stores or is_versioned(dataset) else path.parent)
    return find_unwritable(paths)


def refuse_damaged_inputs(pipeline: Pipeline, catalog: Catalog) -> None:
    """Compare the results that a run reads, and no node of it makes, with what their runs wrote.

    Raises:
        ConfigurationError: Naming each damaged file.
    """
    records, faults = open_records(catalog), []
    for name in sorted(list_own_inputs(pipeline) & pipeline.inputs()):
        dataset = catalog.get(name)
        version = find_load_version(dataset)
        path = None if version is None else find_versioned_path(dataset, version)
        if version is None or path is None:
            continue
        try:
            records.verify(name, version, path)
        except ValueError as err:
            faults.append(f"{name} in {path.parent} is damaged: {err}. {REMAKE}")
    if faults:
        raise ConfigurationError("\n".join(faults))


def warn_of_newer_tables(pipeline: Pipeline, catalog: Catalog) -> None:
    """Name the raw tables that were written since the results that a run reads were made."""
    if not list_own_inputs(pipeline) & pipeline.inputs():
        return
    readers = {
        node
        for node in (pipelines.get("data_engineering") or Pipeline([])).nodes
        if is_own(node) and node.func.__name__ == RAW_READER
    }
    newer = []
    for reader in sorted(readers - set(pipeline.nodes)):
        with suppress(DatasetError, OSError):  # of entries that this run does not read
            description = catalog.get(reader.outputs[0])
            made_s = read_time(find_load_version(description) if find_path(description) else None)
            tables = [find_path(catalog.get(name)) for name in list_raw(Pipeline([reader]))]
            newer += [str(path) for path in tables if path and path.stat().st_mtime > made_s]
    if newer:
        logger.warning(
            "This run reads results that were made before %s was written last; to take its rows: "
            "kedro run --pipelines perf",
            ", ".join(dict.fromkeys(newer)),
        )


def find_unwritable(paths: Iterable[Path]) -> list[str]:
    """Describe places that a run could not write to.

    The paths need not exist.

    Returns:
        One line for each folder.
    """
    nearest = [  # of a path's folders, that exists
        next((folder for folder in (path, *path.parents) if os.path.lexists(folder)), path)
        for path in paths
    ]
    faults = []
    for folder in dict.fromkeys(nearest):
        try:
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            with tempfile.TemporaryFile(dir=folder, prefix=".rightfit-") as file:
                file.write(bytes(LEAST_BYTES))
                file.flush()
        except OSError as err:
            faults.append(f"{folder} cannot be written: {err.strerror}.")
    return faults


def list_raw(pipeline: Pipeline) -> list[str]:
    """Return the tables that Rightfit's checks read and no node of the pipeline writes."""
    read = {
        name
        for node in pipeline.nodes
        if is_own(node) and node.func.__name__ == RAW_READER
        for name in node.inputs
        if not name.startswith("params:") and name not in HANDLES
    }
    return sorted(read & pipeline.inputs())
