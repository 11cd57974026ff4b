"""Which cells exist: every dataset × every model family that the parameter ``grid`` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rightfit.families.registry import refer_to_family

IMPORTED = "imported"
"""In place of a family: the model is a file that somebody has already."""


class UnsuitableGridError(ValueError):
    """A pipeline has nothing to do with the cells of the grid in use."""


@dataclass(frozen=True)
class Grid:
    """The datasets and models of a study.

    Args:
        tables: Catalog entries of each dataset's raw tables, its main table first.
        families: Reference of each model's family, by the model's name.
        imported: Datasets of each model that takes part without a search, by the model's name.
    """

    tables: Mapping[str, tuple[str, ...]]
    families: Mapping[str, str]
    imported: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets, in the order of the configuration."""
        return tuple(self.tables)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: the searched ones, then the imported ones."""
        return (*self.families, *self.imported)

    def cells(self) -> Iterator[tuple[str, str]]:
        """Yield every (dataset, model) pair."""
        for dataset in self.tables:
            for model in self.list_models(dataset):
                yield dataset, model

    def searched_cells(self) -> Iterator[tuple[str, str]]:
        """Yield the (dataset, model) pairs that a search is made for."""
        return (cell for cell in self.cells() if cell[1] in self.families)

    def imported_cells(self) -> Iterator[tuple[str, str]]:
        """Yield the (dataset, model) pairs whose model is a file that somebody has already."""
        return (cell for cell in self.cells() if cell[1] in self.imported)

    def list_models(self, dataset: str) -> tuple[str, ...]:
        """Return the models of a dataset."""
        given = (model for model, datasets in self.imported.items() if dataset in datasets)
        return (*self.families, *given)


def read_grid(parameters: Mapping[str, Any]) -> Grid:
    """Build the grid from a project's parameters.

    Args:
        parameters: All parameters, the library's values included. ``grid`` names datasets and
            models that ``datasets`` and ``models`` describe, as lists or, on a command line, as
            names with spaces between.

    Raises:
        ValueError: If a block is missing, or the grid names something that is not described.
    """
    missing = [key for key in ("grid", "datasets", "models") if key not in parameters]
    if missing:
        raise ValueError(
            f"The configuration lacks the parameters {missing}. Write them with: kedro rightfit "
            "init"
        )
    named = {kind: _list_names(parameters["grid"], kind) for kind in ("datasets", "models")}
    _refuse([fault for kind in named for fault in _find_unknown(kind, named[kind], parameters)])
    tables = {name: _list_tables(name, parameters["datasets"][name]) for name in named["datasets"]}
    blocks = {name: parameters["models"][name] for name in named["models"]}
    imported = {name: block for name, block in blocks.items() if is_imported(block)}
    families = {
        name: _find_family(name, block) for name, block in blocks.items() if name not in imported
    }
    datasets = {
        name: _list_datasets(name, block, tuple(tables), described=parameters["datasets"])
        for name, block in imported.items()
    }
    return _require_models(Grid(tables, families, datasets))


def is_imported(block: object) -> bool:
    """Tell whether a model's block names a file instead of a family."""
    return isinstance(block, Mapping) and block.get("family") == IMPORTED


def _list_datasets(
    name: str, block: Mapping[str, Any], in_grid: tuple[str, ...], *, described: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the datasets of the grid that an imported model is for."""
    named = block.get("datasets")
    if named is None:
        return in_grid
    if not isinstance(named, list) or not set(named) <= set(described):
        raise ValueError(
            f"models.{name}.datasets must list datasets of {sorted(described)}, but got {named!r}. "
            "Correct parameters_models.yml."
        )
    return tuple(dataset for dataset in in_grid if dataset in named)


def _require_models(grid: Grid) -> Grid:
    empty = [dataset for dataset in grid.datasets if not grid.list_models(dataset)]
    if empty:
        raise ValueError(
            f"The grid has no model for {empty}: those it names are for other datasets. Correct "
            "grid.models in parameters_grid.yml, or datasets of the model in parameters_models.yml."
        )
    return grid


def _list_names(grid: Any, kind: str) -> list[str]:
    names = grid.get(kind) if isinstance(grid, Mapping) else None
    names = split_names(names)
    if not isinstance(names, list) or not names:
        raise ValueError(
            f"grid.{kind} must be a list of at least one name, but got {names!r}. Correct "
            "parameters_grid.yml."
        )
    return names


def _find_unknown(kind: str, names: list[str], parameters: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted({str(name) for name in names} - set(parameters[kind]))
    if unknown:
        yield (
            f"grid.{kind} names {unknown}, described are {sorted(parameters[kind])} "
            f"(parameters_{kind}.yml)"
        )


def _refuse(faults: list[str]) -> None:
    if faults:
        raise ValueError("; ".join(faults) + ". Correct parameters_grid.yml.")


def _list_tables(name: str, block: Any) -> tuple[str, ...]:
    entries = list_entries(block)
    if not entries:
        raise ValueError(
            f"datasets.{name}.tables must name the catalog entries of the raw tables, the main one "
            f"first, as in tables: [{name}] or tables: {{{name}: entry}}. Correct "
            "parameters_datasets.yml."
        )
    return entries


def list_entries(block: Any) -> tuple[str, ...]:
    """Return the catalog entries that a dataset's block names; empty if it names none.

    >>> list_entries({"tables": ["orders"]}), list_entries({"tables": {"orders": "orders_2026"}})
    (('orders',), ('orders_2026',))
    """
    tables = block.get("tables") if isinstance(block, Mapping) else None
    if isinstance(tables, Mapping):
        tables = list(tables.values())
    is_named = isinstance(tables, list) and all(isinstance(entry, str) for entry in tables)
    return tuple(tables) if is_named and isinstance(tables, list) else ()


def split_names(names: Any) -> Any:
    """Return names given on a command line as a list; anything else stays as it is.

    ``--params`` splits at commas and passes texts, so names are separated by spaces there:
    ``--params "grid.datasets=landsat shuttle"``. Brackets are allowed: ``grid.datasets=[landsat]``.

    >>> split_names("[landsat]"), split_names("landsat shuttle"), split_names(["landsat"])
    (['landsat'], ['landsat', 'shuttle'], ['landsat'])
    """
    if not isinstance(names, str):
        return names
    return names.strip("[] ").replace(",", " ").split()


def _find_family(name: str, block: Any) -> str:
    try:
        return refer_to_family(block if isinstance(block, Mapping) else {})
    except ValueError as err:
        raise ValueError(f"models.{name}.{err}. Correct parameters_models.yml.") from err
