"""Which cells exist: every dataset × every model that the parameter ``grid`` names.

A model whose block lists ``datasets`` takes part on those only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from rightfit._core.strict_model import Names, StrictModel, read_key, split_names
from rightfit.params.defaults import RawParameters
from rightfit.params.faults import explain_faults
from rightfit_kedro.explain import name_file
from rightfit_search.families.registry import refer_to_family

NAME = re.compile(r"\w[\w-]*")
MAX_NAME_BYTES = 100
IMPORTED = "imported"  # in place of a family: the model is a file that somebody has already
CASCADE = "cascade"  # in place of a family: two candidates of the dataset in a row
MAX_CASCADES = 20


@dataclass(frozen=True)
class Grid:
    """The datasets and models of a study.

    Args:
        tables: Catalog entries of each dataset's raw tables, its main table first.
        families: Reference of each searched model's family, by the model's name.
        imported: Datasets of each model that takes part without a search, by the model's name.
        datasets_of: Datasets of each searched model that is not for all of them.
        cascades: Names of the models that are made of two candidates of the others.
        reads_all_rows: Whether candidates may learn from train rows beyond a dataset's sample.
        teachers: Imported model that labels a dataset's rows without a target, by the dataset.
    """

    tables: Mapping[str, tuple[str, ...]]
    families: Mapping[str, str]
    imported: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    datasets_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cascades: tuple[str, ...] = ()
    reads_all_rows: bool = False
    teachers: Mapping[str, str] = field(default_factory=dict)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets, in the order of the configuration."""
        return tuple(self.tables)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: the searched ones, then the imported ones, then cascades."""
        return (*self.families, *self.imported, *self.cascades)

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

    def cascade_cells(self) -> Iterator[tuple[str, str]]:
        """Yield the (dataset, model) pairs made of the candidates of other models."""
        return (cell for cell in self.cells() if cell[1] in self.cascades)

    def list_models(self, dataset: str) -> tuple[str, ...]:
        """Return the models of a dataset."""
        imported = (model for model, datasets in self.imported.items() if dataset in datasets)
        searched = self.list_searched(dataset)  # which cascades consist of
        return (*searched, *imported, *(self.cascades if searched else ()))

    def list_searched(self, dataset: str) -> tuple[str, ...]:
        """Return the models of a dataset that a search is made for."""
        return tuple(
            model
            for model in self.families
            if dataset in self.datasets_of.get(model, self.datasets)
        )


class GridParams(StrictModel):
    """The cells of a study (``params:grid``)."""

    datasets: Names = Field(min_length=1)  # names of blocks of `datasets`
    models: Names = Field(min_length=1)  # names of blocks of `models`


class CascadeBlock(StrictModel):
    """A model made of two candidates of the others (``params:models.<name>``).

    Of every dataset at most ``n_candidates`` cascades are measured, those that promise most.
    """

    family: Literal["cascade"]
    n_candidates: int = Field(ge=1, le=MAX_CASCADES)  # most cascades measured of each dataset


def read_grid(parameters: RawParameters) -> Grid:
    """Build the grid from a project's parameters.

    Args:
        parameters: All parameters, the library's values included. ``grid`` names datasets and
            models that ``datasets`` and ``models`` describe, as lists or, on a command line, as
            names with spaces between.

    Raises:
        ValueError: If a block is missing, or the grid names something that is not described; lists
            all faults, one a line.
    """
    faults = find_grid_faults(parameters)
    if faults:
        raise ValueError("\n".join(faults))
    datasets, models = (list_named(parameters, kind) for kind in ("datasets", "models"))
    tables = {name: list_entries(block) for name, block in datasets.items()}
    datasets_of = {
        name: tuple(dataset for dataset in tables if dataset in (block.get("datasets") or tables))
        for name, block in models.items()
    }
    searched = [name for name, block in models.items() if is_searched(block)]
    return Grid(
        tables,
        families={name: _find_family(name, models[name]) for name in searched},
        imported={name: datasets_of[name] for name, block in models.items() if is_imported(block)},
        datasets_of={
            name: datasets_of[name] for name in searched if datasets_of[name] != tuple(tables)
        },
        cascades=tuple(name for name, block in models.items() if is_cascade(block)),
        reads_all_rows=read_key(parameters.get("training"), "rows") in ("all", "auto"),
        teachers={
            name: teacher for name, block in datasets.items() if (teacher := block.get("teacher"))
        },
    )


def is_imported(block: object) -> bool:
    """Tell whether a model's block names a file instead of a family."""
    return isinstance(block, Mapping) and block.get("family") == IMPORTED


def is_cascade(block: object) -> bool:
    """Tell whether a model's block asks for cascades of the other models."""
    return isinstance(block, Mapping) and block.get("family") == CASCADE


def is_searched(block: object) -> bool:
    """Tell whether a search is made for a model's block."""
    return not is_imported(block) and not is_cascade(block)


def find_grid_faults(parameters: RawParameters) -> list[str]:
    """Describe what is wrong with the grid and with what it names.

    Returns:
        One line per fault, with the file to correct.
    """
    missing = [key for key in ("grid", "datasets", "models") if key not in parameters]
    if missing:
        return [
            f"The configuration lacks the parameters {missing}. Write them with: kedro rightfit "
            "init"
        ]
    faults = explain_faults("", parameters, ["grid"], GridParams)
    for kind in ("datasets", "models"):
        if not isinstance(parameters[kind], Mapping) or not parameters[kind]:
            faults.append(f"{kind} must describe at least one of them, got {parameters[kind]!r}")
    faults = [name_file(fault, "grid") for fault in faults]
    for kind in ("datasets", "models"):
        described = parameters[kind] if isinstance(parameters[kind], Mapping) else {}
        unknown = sorted(set(_list_names(parameters, kind)) - set(described))
        if unknown and described:
            faults.append(
                f"grid.{kind} names {unknown}, described are {sorted(map(str, described))} "
                f"(parameters_{kind}.yml). Correct parameters_grid.yml."
            )
        for name, block in list_named(parameters, kind).items():
            faults += _find_block_faults(kind, name, block)
    models = list_named(parameters, "models")
    if models and not any(is_searched(block) for block in models.values()):
        faults += [
            f"models.{name} makes cascades of the grid's searched models, but the grid has none. "
            "Correct grid.models in parameters_grid.yml."
            for name, block in models.items()
            if is_cascade(block)
        ]
    return [*faults, *_find_unmatched(parameters), *_find_teacher_faults(parameters)]


def list_named(parameters: RawParameters, kind: str) -> dict[str, Any]:
    """Return the blocks of a kind that the grid names, by name, as far as they exist."""
    described = parameters.get(kind)
    blocks = described if isinstance(described, Mapping) else {}
    return {name: blocks[name] for name in _list_names(parameters, kind) if name in blocks}


def _list_names(parameters: RawParameters, kind: str) -> list[str]:
    grid = parameters.get("grid")
    names = split_names(grid.get(kind)) if isinstance(grid, Mapping) else None
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _find_unmatched(parameters: RawParameters) -> Iterator[str]:
    """Describe models for unknown datasets, and datasets that no model is for."""
    models, described = list_named(parameters, "models"), parameters["datasets"]
    if not isinstance(described, Mapping):
        return  # told already
    blocks = {name: block for name, block in models.items() if isinstance(block, Mapping)}
    of_model = {name: block.get("datasets") for name, block in blocks.items()}
    wrong = {
        name: datasets
        for name, datasets in of_model.items()
        if datasets is not None
        and not (
            isinstance(datasets, list)
            and all(
                isinstance(dataset_name, str) and dataset_name in described
                for dataset_name in datasets
            )
        )
    }
    for name, datasets in wrong.items():
        yield (
            f"models.{name}.datasets must list datasets of {sorted(map(str, described))}, but got "
            f"{datasets!r}. Correct parameters_models.yml."
        )
    if wrong or len(of_model) < len(models) or None in of_model.values():
        return
    used_datasets = {dataset for datasets in of_model.values() for dataset in datasets or ()}
    empty = [
        dataset for dataset in list_named(parameters, "datasets") if dataset not in used_datasets
    ]
    if empty and models:
        yield (
            f"The grid has no model for {empty}: those it names are for other datasets. Correct "
            "grid.models in parameters_grid.yml, or datasets of the model in parameters_models.yml."
        )


def _find_teacher_faults(parameters: RawParameters) -> Iterator[str]:
    """Describe teachers that cannot label a dataset's rows."""
    models = list_named(parameters, "models")
    imported = {name: block for name, block in models.items() if is_imported(block)}
    trains_on_all = read_key(parameters.get("training"), "rows") in ("all", "auto")
    for dataset, block in list_named(parameters, "datasets").items():
        teacher, key = read_key(block, "teacher"), f"datasets.{dataset}.teacher"
        if teacher is None:
            continue
        model = imported.get(teacher) if isinstance(teacher, str) else None
        datasets = (model or {}).get("datasets") or [dataset]
        if model is None or dataset not in datasets or model.get("input") == "encoded":
            yield (
                f"{key} must name an imported model of the grid that reads this dataset's raw "
                f"columns, one of {list(imported)}, but got {teacher!r}. Correct "
                "parameters_datasets.yml."
            )
        if trains_on_all:
            yield (
                f"{key}: its rows join the sample, so training.rows must be sample. Correct "
                "parameters_training.yml."
            )


def _find_block_faults(kind: str, name: str, block: Any) -> Iterator[str]:
    """Describe what keeps a block out of the grid: its name, its tables or its family."""
    if not NAME.fullmatch(name) or len(name.encode()) > MAX_NAME_BYTES:
        yield (
            f"{kind}.{name}: a name consists of letters, digits, _ and -, at most "
            f"{MAX_NAME_BYTES} bytes of them, because folders are called by it. Correct "
            f"parameters_{kind}.yml and parameters_grid.yml."
        )
    if kind == "datasets" and not list_entries(block):
        yield (
            f"datasets.{name}.tables must name the catalog entries of the raw tables, the main one "
            f"first, as in tables: [{name}] or tables: {{{name}: entry}}. Correct "
            "parameters_datasets.yml."
        )
    if kind == "models" and is_searched(block):
        try:
            _find_family(name, block)
        except ValueError as err:
            yield str(err)


def list_entries(block: Any) -> tuple[str, ...]:
    """Return the catalog entries that a dataset's block names; empty if it names none.

    >>> list_entries({"tables": ["orders"]}), list_entries({"tables": {"orders": "orders_2026"}})
    (('orders',), ('orders_2026',))
    """
    tables = block.get("tables") if isinstance(block, Mapping) else None
    if isinstance(tables, Mapping):
        tables = list(tables.values())
    if not isinstance(tables, list) or not all(isinstance(entry, str) for entry in tables):
        return ()
    return tuple(tables)


def _find_family(name: str, block: Any) -> str:
    try:
        return refer_to_family(block if isinstance(block, Mapping) else {})
    except ValueError as err:
        raise ValueError(name_file(f"models.{name}.{err}", "models")) from err
