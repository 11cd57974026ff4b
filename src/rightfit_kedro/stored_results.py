"""The project that a verb is used in: its configuration and its stored results.

No Kedro session is opened: it reads and checks all parameters and builds every pipeline, which
takes seconds. To read a result only the catalog of the environment in use is needed, and the
library's own entries. A result that is no longer what its run wrote is refused, if the run has kept
a record of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click
import polars as pl
from kedro.framework import project as in_use
from kedro.framework.project import configure_project, settings
from kedro.framework.startup import bootstrap_project
from kedro.io import AbstractVersionedDataset, DataCatalog, DatasetError
from kedro.io.core import VersionNotFoundError
from kedro.utils import find_kedro_project

from rightfit._core.errors import DamagedResultError, NothingStoredError, RightfitError
from rightfit._core.kedro_logs import hiding_chatter
from rightfit._core.processes.regular_files import require_regular
from rightfit._core.spelling import suggest
from rightfit.models.bundle_files import LIST, MANIFEST
from rightfit_kedro.catalog import RAW_TABLE, combine_entries, make_catalog, read_patterns
from rightfit_kedro.config_loader import (
    OWN_PROJECT,
    find_data_root,
    load_configuration,
    make_loader,
    read_parameters,
)
from rightfit_kedro.explain import REMAKE, one_line
from rightfit_kedro.parameters import complete_parameters
from rightfit_kedro.result_records import WHOLE_FILE, RecordStore, open_records
from rightfit_kedro.versions import is_no_newer

POLARS_TABLES = (
    "polars.EagerPolarsDataset",
    "rightfit_kedro.datasets.nested_table.NestedTableDataset",
)
# what a file of another content makes its readers raise
_READ_ERRORS = (
    DatasetError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError,
    OSError,
)  # fmt: skip

Own = ParamSpec("Own")


@dataclass(frozen=True)
class ProjectLocation:
    """Where a verb finds configuration and stored results.

    Args:
        data_root: Root of all data instead of the configured one.
        env: Environment of the configuration; ``None``: the default one.
        conf_source: Folder or archive of the configuration; ``None``: the project's own.
        folder: The working directory, in the project or not.
    """

    data_root: str | None = None
    env: str | None = None
    conf_source: Path | None = None
    folder: Path = field(default_factory=Path.cwd)

    def find_conf_source(self) -> Path:
        """Return the folder or archive of the configuration."""
        project = find_project(self.folder)  # its settings are in use from here on
        return self.conf_source or project / settings.CONF_SOURCE

    def require_conf_source(self) -> Path:
        """Return the folder or archive of the configuration, if it is there.

        Raises:
            RightfitError: If it is not.
        """
        conf_source = self.find_conf_source()
        base = settings.CONFIG_LOADER_ARGS.get("base_env", "base")
        if not conf_source.is_file() and not (conf_source / base).is_dir():
            raise RightfitError(
                f"There is no project here: {conf_source} holds no configuration. Run this inside "
                "a project, name its configuration with --conf-source (in Python the project with "
                "folder=), or write one here: rightfit init"
            )
        return conf_source

    def open_results(self, raw_table: str | None = None) -> StoredResults:
        """Open the results that the configuration points to.

        Args:
            raw_table: A raw table to be loaded, which may have no entry of its own.

        Raises:
            RightfitError: If there is no configuration.
        """
        project, conf_source = find_project(self.folder), self.require_conf_source()
        root = self.data_root
        if root and "://" not in root:
            root = str(self.folder / root)
        runtime_params = {} if root is None else {"data_root": root}
        loader = make_loader(conf_source, env=self.env, runtime_params=runtime_params)
        patterns = read_patterns(find_data_root(loader))
        catalog = load_configuration(loader, "catalog")
        raw = patterns.pop(RAW_TABLE)
        if raw_table is not None and raw_table not in catalog:
            own_patterns = {name: entry for name, entry in catalog.items() if "{" in name}
            if raw_table not in DataCatalog.from_config(own_patterns):
                patterns[raw_table] = raw | {"filepath": raw["filepath"].format(table=raw_table)}
        config = catalog | {
            name: combine_entries(patterns[name], catalog.get(name)) for name in patterns
        }
        for name, entry in config.items():  # relative paths start from the project, as in a run
            if isinstance(entry, dict) and "://" not in (path := entry.get("filepath", "://")):
                config[name] = entry | {"filepath": str(project / path)}
        return StoredResults(config, load_configuration(loader, "credentials"))

    def read_parameters(self, runtime_params: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return all parameters, the library's included.

        Args:
            runtime_params: Parameters that replace those of the configuration.

        Raises:
            ValueError: If there is no configuration, or no grid in it.
        """
        source = self.require_conf_source()
        parameters = read_parameters(
            make_loader(source, env=self.env, runtime_params=dict(runtime_params or {}))
        )
        if parameters is None:
            raise ValueError("The configuration has no grid. Write one: rightfit init")
        return complete_parameters(parameters)


def where(command: Callable[Concatenate[ProjectLocation, Own], None]) -> Callable[..., None]:
    """Give a verb the options that locate configuration and results, as its first argument."""

    @wraps(command)
    def run(
        data_root: str | None,
        env: str | None,
        conf_source: Path | None,
        *args: Own.args,
        **keywords: Own.kwargs,
    ) -> None:
        command(ProjectLocation(data_root, env, conf_source), *args, **keywords)

    decorated: Callable[..., None] = run
    for option in (
        click.option("--data-root", help="Root of all data instead of the configured one."),
        click.option("--env", "-e", envvar="KEDRO_ENV", help="Environment of the configuration."),
        click.option(
            "--conf-source",
            type=click.Path(exists=True, path_type=Path),
            help="Folder or archive of the configuration; conf in the project if not given.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def find_project(folder: Path) -> Path:
    """Return the project that a folder lies in, its settings in use.

    Outside of a project the folder itself is returned, with the settings of the library: a verb
    reads results anywhere, given a configuration.
    """
    project_folder = find_kedro_project(folder)
    if project_folder is None:
        configure_project(OWN_PROJECT)
        return folder
    if not in_use.PACKAGE_NAME:  # kedro's own commands have done it
        bootstrap_project(project_folder)
    return Path(project_folder)


class StoredResults:
    """Reads versioned results of earlier runs."""

    def __init__(self, config: dict[str, Any], credentials: dict[str, Any]) -> None:
        self._config = config
        self._credentials = credentials
        self._catalog = make_catalog(config, credentials)
        self._opened: list[DataCatalog] = []  # a copy of a remote bundle lives as long as these

    @cached_property
    def records(self) -> RecordStore:
        """What runs have recorded of their results."""
        return open_records(self._catalog)

    def list_entries(self) -> list[str]:
        """Return the names in the catalog, patterns left out."""
        return [name for name in self._config if "{" not in name]

    def list_versions(self, name: str) -> list[str]:
        """Return the versions of a result, oldest first."""
        table = self._find_parquet(name)
        if table is not None:
            return sorted(path.parent.name for path in table.glob(f"[!.]*/{table.name}"))
        dataset = self._catalog.get(name)
        if not isinstance(dataset, AbstractVersionedDataset):
            return []
        try:
            return sorted(dataset.list_versions(full_path=False))
        except VersionNotFoundError:
            return []

    def find_version(self, name: str, *, at_most: str | None = None) -> str:
        """Return a result's newest version, those of no run and dated in the future left out.

        ``at_most`` is the newest that counts: what another result was made from is no newer than
        it.

        Raises:
            NothingStoredError: If there is none.
            RightfitError: If the catalog has no such result.
        """
        newest, stored = self.records.find_newest(), self.list_versions(name)
        dated = [version for version in stored if is_no_newer(version, newest)]
        versions = [version for version in dated if at_most is None or version <= at_most]
        if not versions:
            path = self._catalog.config_resolver.resolve_pattern(name).get("filepath")
            if path is None:
                raise RightfitError(
                    f"The catalog has no result {name!r} of which versions are kept"
                    f"{suggest(name, self.list_entries())}."
                )
            if stored and not dated:
                raise NothingStoredError(
                    f"{name} in {path}: every version is dated in the future: {stored[-3:]}. "
                    "Correct the clock if it has gone back; otherwise remove them."
                )
            until = f" up to {at_most}" if at_most else ""
            raise NothingStoredError(
                f"No run has written {name}{until} to {path} yet. Run: kedro run --pipelines perf "
                "(results kept elsewhere are found with --data-root or --env, in Python with "
                "data_root= or env=)."
            )
        return versions[-1]

    def find_place(self, name: str) -> str | None:
        """Return the path of a local versioned entry or pattern, with its fields as they are."""
        entry = self._config.get(name)
        if not isinstance(entry, dict) or not entry.get("versioned"):
            return None
        path = str(entry.get("filepath", ""))
        return path if path and "://" not in path else None

    def locate(self, name: str, version: str) -> Path:
        """Return the path of one version of a local result."""
        path = Path(self._catalog.config_resolver.resolve_pattern(name)["filepath"])
        return path / version / path.name

    def locate_report(self) -> Path:
        """Return the path of the latest report.

        Raises:
            NothingStoredError: If no run has written one.
        """
        version = self.find_version("report")
        latest = Path(getattr(self._catalog.get("report"), "latest", ""))
        return latest if latest.is_file() else self.locate("report", version)

    def find_source(self, name: str) -> Path | None:
        """Return the local file or folder of an entry, its versions left out; ``None`` if none."""
        entry = self._catalog.config_resolver.resolve_pattern(name)
        path = str(entry.get("filepath") or entry.get("path") or "")
        return Path(path) if path and "://" not in path else None

    def load_current(self, name: str) -> Any:
        """Load what is not versioned."""
        with hiding_chatter():
            return self._catalog.load(name)

    def load(self, name: str, version: str) -> Any:
        """Load one version of a result.

        Raises:
            DamagedResultError: If it cannot be read, or is not what its run wrote.
        """
        with self.reading(name, version):
            self._verify(name, version)
            table = self._find_parquet(name)
            if table is not None:
                return pl.read_parquet(table / version / table.name, glob=False)
            catalog = DataCatalog.from_config(
                self._config, self._credentials, load_versions={name: version}
            )
            self._opened.append(catalog)
            return catalog.load(name)

    def load_newest(self, name: str, *, at_most: str | None = None) -> Any:
        """Load the version that :meth:`find_version` finds."""
        return self.load(name, self.find_version(name, at_most=at_most))

    @contextmanager
    def reading(self, name: str, version: str) -> Iterator[None]:
        """Turn errors of a block that reads a result into one that names the result.

        Raises:
            DamagedResultError: If the block fails by what is in the file.
        """
        try:
            with hiding_chatter():
                yield
        except DamagedResultError:
            raise
        except Exception as err:
            is_of_polars = type(err).__module__.startswith("polars.exceptions")
            if not (is_of_polars or isinstance(err, _READ_ERRORS)):
                raise
            path = self._catalog.config_resolver.resolve_pattern(name)["filepath"]
            reason = one_line(err.__cause__ or err)
            raise DamagedResultError(
                f"{name} in {path}/{version} is damaged ({reason}). {REMAKE} (or delete that "
                "folder to use an older one)"
            ) from err

    def _verify(self, name: str, version: str) -> None:
        """Compare a local result with what was recorded when its run wrote it.

        Raises:
            ValueError: If it is something else.
        """
        if self.find_source(name) is None:
            return
        path = self.locate(name, version)
        require_regular(path)
        # the other files of a bundle are compared with its manifest when it is read
        self.records.verify(name, version, path, only=(WHOLE_FILE, LIST, MANIFEST))

    def _find_parquet(self, name: str) -> Path | None:
        """Return where the versions of a local parquet table lie that is read without options.

        Its dataset is not opened: Kedro's module of it imports pyarrow and pandas for another one,
        which takes as long as all the rest of an answer.
        """
        entry = self._catalog.config_resolver.resolve_pattern(name)
        is_plain = (
            entry.get("type") in POLARS_TABLES
            and entry.get("file_format") == "parquet"
            and "://" not in str(entry["filepath"])
            and not any(map(entry.get, ("load_args", "fs_args", "credentials")))
        )
        return Path(entry["filepath"]) if is_plain else None
