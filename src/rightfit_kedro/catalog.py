"""The library's catalog entries: one per dataset that Rightfit's pipelines read or write.

They are added to a project's catalog one by one, for the cells of its grid, and never as patterns,
so that they cannot capture a project's own names. An entry or a pattern of the project that fits
the same name wins; one without a ``type`` only changes the library's entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from string import Formatter
from typing import Any

import yaml
from kedro.io import CatalogConfigResolver, DataCatalog, DatasetError

from rightfit._core.errors import RightfitError
from rightfit_kedro.grid import Grid

FOLDER = "catalog_entries"
EARLIER_WINNERS, RECOMMENDATIONS = "earlier_winners", "recommendations"
RAW_TABLE = "{table}"  # as a pattern it would capture everything

Entries = dict[str, Any]


def complete_catalog(project: Mapping[str, Any], grid: Grid, data_root: str) -> Entries:
    """Add the library's entries to a project's catalog.

    Returns:
        The catalog's configuration with an entry for each dataset of the grid.
    """
    patterns: Entries = {name: {} for name in project if CatalogConfigResolver.is_pattern(name)}
    resolver = CatalogConfigResolver(
        patterns, default_runtime_patterns=DataCatalog.default_runtime_patterns
    )
    entries, result = dict(project), project.get(RECOMMENDATIONS)
    if EARLIER_WINNERS not in entries and isinstance(result, Mapping):
        # earlier winners lie where a project keeps its recommendations
        entries[EARLIER_WINNERS] = {key: value for key, value in result.items() if key != "type"}
    added = {
        name: combine_entries(entry, entries.get(name))
        for name, entry in make_entries(grid, data_root).items()
        if name in project or resolver.match_dataset_pattern(name) is None
    }
    return {**project, **added}


def make_catalog(entries: Entries, credentials: dict[str, Any]) -> DataCatalog:
    """Make a catalog.

    Raises:
        ValueError: If entries, patterns and credentials do not fit together.
    """
    try:
        return DataCatalog.from_config(entries, credentials)
    except (DatasetError, KeyError) as err:
        reason = " ".join(str(err.args[0] if err.args else err).split()).rstrip(".")
        raise RightfitError(f"catalog: {reason}. Correct conf/*/catalog*.yml.") from err


def make_entries(grid: Grid, data_root: str) -> Entries:
    """Return the library's entries for the cells of a grid, by name.

    Cascades are made with the tables of trials, which are made with models: their candidates are in
    the layer of these tables, since kedro-viz shows no layers at all where they go round in a
    circle.
    """
    entries = {
        name.format_map(coordinates): _fill(entry, coordinates)
        for name, entry in read_patterns(data_root).items()
        for coordinates in _list_places(name, grid)
    }
    for dataset, model in grid.cascade_cells():
        entries[f"{dataset}.{model}.candidates"]["metadata"] = {
            "kedro-viz": {"layer": "model_output"}
        }
    return entries


def read_patterns(data_root: str) -> Entries:
    """Return the library's entries by name, with ``{dataset}``, ``{model}`` and ``{table}``."""
    entries: Entries = {}
    folder = files("rightfit_kedro").joinpath(FOLDER)
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        entries |= yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    root = data_root.rstrip("/")
    return {
        name: entry | {"filepath": f"{root}/{entry['filepath']}"} for name, entry in entries.items()
    }


def combine_entries(entry: Mapping[str, Any], project_entry: Any) -> Any:
    """Return the entry of a project, of the library, or of both where the first has no type."""
    if project_entry is None:
        return entry
    return (
        project_entry
        if not isinstance(project_entry, Mapping) or "type" in project_entry
        else {**entry, **project_entry}
    )


def _list_places(name: str, grid: Grid) -> Iterator[dict[str, str]]:
    """Yield the values of a pattern's fields for all that it stands for in a grid."""
    fields = {field for _, field, _, _ in Formatter().parse(name) if field}
    if fields == {"dataset", "model"}:
        yield from ({"dataset": dataset, "model": model} for dataset, model in grid.cells())
    elif fields == {"dataset"}:
        yield from ({"dataset": dataset} for dataset in grid.datasets)
    elif fields == {"table"}:
        tables = (table for tables in grid.tables.values() for table in tables)
        yield from ({"table": table} for table in dict.fromkeys(tables))
    else:
        yield {}


def _fill(value: Any, coordinates: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, coordinates) for key, item in value.items()}
    return value.format_map(coordinates) if isinstance(value, str) else value
