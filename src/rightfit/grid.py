"""Which cells exist: dataset × model family, read from the configuration of the environment in use.

Kedro builds pipelines without showing them the configuration. The hook in ``hooks.py`` hands the
parameters over (``use_parameters``) before the first pipeline is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class UnsuitableGridError(ValueError):
    """A pipeline has nothing to do with the cells of the grid in use."""


@dataclass(frozen=True)
class Grid:
    """The datasets and families of a study.

    Args:
        tables: Catalog entries of each dataset's raw tables, its main table first.
        models: Names of the model families.
    """

    tables: Mapping[str, tuple[str, ...]]
    models: tuple[str, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets, in the order of the configuration."""
        return tuple(self.tables)

    def cells(self) -> Iterator[tuple[str, str]]:
        """Yield every (dataset, model) pair."""
        for dataset in self.tables:
            for model in self.models:
                yield dataset, model


_current: list[Grid] = []


def read_grid(parameters: Mapping[str, Any]) -> Grid:
    """Build the grid from the project's parameters.

    Args:
        parameters: All parameters; ``grid`` names datasets and models that ``datasets`` and
            ``models`` describe.

    Raises:
        ValueError: If a block is missing, or the grid names something that is not described.
    """
    missing = [key for key in ("grid", "datasets", "models") if key not in parameters]
    if missing:
        raise ValueError(f"The configuration lacks the parameters {missing}; see conf/base.")
    faults = []
    named = {kind: split_names(parameters["grid"].get(kind)) for kind in ("datasets", "models")}
    for kind in named:
        names = named[kind]
        if not isinstance(names, list) or not names:
            faults.append(f"grid.{kind} must be a list of at least one name, but got {names!r}")
            continue
        unknown = sorted({str(name) for name in names} - set(parameters[kind]))
        if unknown:
            faults.append(
                f"grid.{kind} names {unknown}, described are {sorted(parameters[kind])} "
                f"(parameters_{kind}.yml)"
            )
    if faults:
        raise ValueError("; ".join(faults) + ". Correct parameters_grid.yml.")
    tables = {name: list_entries(parameters["datasets"][name]) for name in named["datasets"]}
    faults = [
        f"datasets.{name}.tables must name the catalog entries of the raw tables, the main one "
        f"first, as in tables: [{name}] or tables: {{{name}: entry}}"
        for name, entries in tables.items()
        if not entries
    ]
    if faults:
        raise ValueError("; ".join(faults) + ". Correct parameters_datasets.yml.")
    return Grid(tables=tables, models=tuple(named["models"]))


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


def use_parameters(parameters: Mapping[str, Any]) -> bool:
    """Make the parameters' grid the current one; tell whether it changed.

    Raises:
        ValueError: As :func:`read_grid`.
    """
    grid = read_grid(parameters)
    changed = _current != [grid]
    _current[:] = [grid]
    return changed


def has_grid() -> bool:
    """Tell whether a configuration has been read."""
    return bool(_current)


def current_grid() -> Grid:
    """Return the grid in use.

    Raises:
        RuntimeError: If no configuration has been read yet.
    """
    if not _current:
        raise RuntimeError(
            "No configuration has been read yet, so the cells are unknown. Build pipelines through "
            "a Kedro session, or call rightfit.grid.use_parameters first."
        )
    return _current[0]
