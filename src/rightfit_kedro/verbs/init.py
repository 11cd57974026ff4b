"""Write the configuration that the project lacks; no file is ever written over.

A block that the project has already is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
from kedro.config import AbstractConfigLoader
from kedro.framework.project import settings
from kedro.io import DatasetError
from kedro.utils import find_kedro_project
from pydantic import ValidationError

from rightfit._core.frames import Table
from rightfit._core.processes.regular_files import find_special, require_regular
from rightfit._core.spelling import find_nearest
from rightfit._core.strict_model import list_faults, read_key
from rightfit._core.yaml_documents import read_yaml
from rightfit.api.rank import EXAMPLES
from rightfit.cli.options import FiniteRange, faults_as_message
from rightfit.params.defaults import RawParameters, read_default
from rightfit.params.faults import explain_faults
from rightfit_kedro.config_loader import list_files, load_configuration, make_loader
from rightfit_kedro.explain import describe_csv
from rightfit_kedro.grid import MAX_NAME_BYTES
from rightfit_kedro.json_schema import EDITOR_COMMENT, FILE, write_schema
from rightfit_kedro.parameters import BLOCKS
from rightfit_kedro.stored_results import ProjectLocation, StoredResults, where
from rightfit_search.tables.assembling import assemble
from rightfit_search.tables.completion import complete_block, write_block, write_named, write_yaml
from rightfit_search.tables.description import DatasetBlock
from rightfit_search.tables.description_parts import Target
from rightfit_search.tables.encoding import fit_encoder
from rightfit_search.tables.table_check import check_tables
from rightfit_search.tables.tables import read_tables

SECTION = "Run"
GRID = """\
# Which cells exist: every dataset with every model.
# Datasets are described in parameters_datasets.yml. Models are the library's, or your own in a
# parameters_models.yml: models.<name>.family is the import path of a module that holds FAMILY.
grid:
  {datasets}
  models: [linear, forest, boosting]
  # Also: net, convnet (images), svm, knn, stack, cascade (two others in a row) and, each with the
  # extra of its name, lightgbm, xgboost, catboost.
"""
MARKS: Mapping[str, set[str]] = {
    "applications": {"objectives", "constraints"},
    "datasets": {"tables"},
    "grid": {"datasets", "models"},
    "models": {"family", "fixed", "space"},
    **{name: set(read_default(name, at)) for name, at in BLOCKS.items() if name != "models"},
}
"""Keys by which a block, or a block in it, is known to be Rightfit's."""

DATASETS = """\
# What is predicted, from which tables. tables names entries of the catalog (pandas or polars
# frames); a table without an entry is read from data/01_raw/<table>.parquet. What a block leaves
# out (schema, features, split, quality) is inferred from the tables at the first run.
datasets:
"""


@click.command()
@click.option("--dataset", "-d", "entry", help="Catalog entry of the first dataset's table.")
@click.option("--target", "-t", "column", help="Column to predict.")
@click.option(
    "--at-least", type=FiniteRange(), help="Predict whether the column reaches this number."
)
@click.option("--dry-run", is_flag=True, help="Show the files, write nothing.")
@where
def init(
    location: ProjectLocation,
    entry: str | None,
    column: str | None,
    at_least: float | None,
    *,
    dry_run: bool,
) -> None:
    """Write the configuration that the project lacks; no file is ever written over."""
    dataset = name_dataset(entry or "my_table")
    # of a dataset whose table nobody has named yet
    sketched = {"tables": [dataset], "target": {"column": column or "label"}}
    block = write_named("datasets", {dataset: sketched})
    with faults_as_message():
        source = location.find_conf_source()
        base = settings.CONFIG_LOADER_ARGS.get("base_env", "base")
        loader = make_loader(source, env=base)
        parameters = load_configuration(loader, "parameters")
        described = read_key(parameters.get("datasets"), dataset)
        if entry is not None and not described:
            results = location.open_results(raw_table=entry)
            block = describe_entry(results, entry, column, at_least=at_least, dataset=dataset)
        planned = plan_files(source / base, parameters, dataset=dataset, block=block)
    for file in planned:
        if file.kept_because:
            click.echo(f"kept     {file.path}: {file.kept_because}")
            if entry is None or file.path.name != "parameters_datasets.yml":
                continue
            if described:
                paths = ", ".join(map(str, find_dataset(loader, dataset)))
                click.echo(f"{dataset} is described already, below datasets in {paths}")
                if dry_run:
                    click.echo(show_completed(location, described, dataset).rstrip())
            else:
                click.echo(f"To describe {entry}, add to it below datasets:\n{block}".rstrip())
            continue
        if not dry_run:
            try:
                file.path.parent.mkdir(parents=True, exist_ok=True)
                file.path.write_text(file.text, encoding="utf-8")
            except OSError as err:
                raise click.ClickException(f"cannot write {file.path}: {err.strerror}") from err
        click.echo(f"{'would be' if dry_run else 'wrote   '} {file.path}")
        if dry_run and file.path.suffix == ".yml":
            click.echo("\n".join(f"  | {line}".rstrip() for line in file.text.splitlines()))
    runs = "kedro" if find_kedro_project(location.folder) else "rightfit"
    click.echo(f"Next: review parameters_datasets.yml, then {runs} run --pipelines perf")


def describe_entry(
    results: StoredResults,
    entry: str,
    column: str | None,
    *,
    at_least: float | None,
    dataset: str,
) -> str:
    """Infer the description of a dataset from a catalog entry.

    Args:
        results: The project's catalog.
        entry: Name of the entry.
        column: Column to predict.
        at_least: The column's value from which on a row belongs to the second of two classes;
            ``None`` where its values are the classes.
        dataset: The dataset's name.

    Returns:
        The complete block as YAML, to stand below ``datasets``.

    Raises:
        ValueError: If the entry cannot be loaded or is no regular file, the column is not in it, or
            something cannot be inferred.
    """
    tables = {entry: load_table(results, entry)}
    columns = tables[entry].columns
    if column is None or column not in columns:
        raise ValueError(f"--target must be a column of {entry}, one of {columns}; got {column!r}.")
    settings = {"column": column, "at_least": at_least}
    if faults := explain_faults("", {"target": settings}, ["target"], Target):
        raise ValueError("; ".join(faults))
    try:
        block = DatasetBlock(tables={entry: entry}, target=Target.model_validate(settings))
        return complete(block, tables, dataset)
    except ValueError as err:
        reason = " ".join(str(err).split())
        raise ValueError(f"The table {entry} cannot be described: {reason}") from err


def show_completed(location: ProjectLocation, described: object, dataset: str) -> str:
    """Return a dataset's own block with all that is inferred from its tables, or why it cannot be.

    Args:
        location: The project.
        described: What the configuration says of the dataset.
        dataset: Its name.
    """
    try:
        block = DatasetBlock.model_validate(described)
        opened = {entry: location.open_results(raw_table=entry) for entry in block.tables.values()}
        tables = {name: load_table(opened[entry], entry) for name, entry in block.tables.items()}
        text = complete(block, tables, dataset)
    except ValueError as err:
        faults = list_faults(err) if isinstance(err, ValidationError) else str(err).split()
        return f"What is inferred cannot be shown: {' '.join(faults)}"
    return f"With all that is inferred from its tables it is:\n{text}"


def load_table(results: StoredResults, entry: str) -> Table:
    """Load a catalog entry, or the file of a table without one.

    Raises:
        ValueError: If it cannot be loaded, or is no regular file or no table.
    """
    path = results.find_source(entry)
    for special in () if path is None else find_special(path):
        require_regular(special)
    try:
        loaded = results.load_current(entry)
    except DatasetError as err:
        other_entries = set(results.list_entries()) - {entry}
        nearest = find_nearest(entry, sorted(other_entries))
        question = f"Did you mean {nearest}? " if nearest else ""
        advice = describe_csv(str(path)) or (
            "If a pipeline of yours makes it, give it a catalog entry and run that pipeline first."
        )
        raise ValueError(f"The table {entry} cannot be loaded. {question}{advice} {err}") from err
    return read_tables({entry: entry}, [loaded])[entry]


def complete(block: DatasetBlock, tables: Mapping[str, Table], dataset: str) -> str:
    """Return a block as YAML with all that is inferred; it is prepared as in a run.

    Raises:
        ValueError: If something cannot be inferred, or a run would refuse the block.
    """
    completed = complete_block(block, tables, dataset_name=dataset)
    check_tables(completed.spec, tables, dataset_name=dataset)
    rows, _ = assemble(completed.spec, tables)
    fit_encoder(completed.spec.features, rows, completed.spec.list_decimals())
    return write_block(dataset, completed)


@dataclass(frozen=True)
class NewFile:
    """A file of configuration to be written."""

    path: Path
    text: str
    kept_because: str


def plan_files(
    folder: Path, parameters: RawParameters, *, dataset: str, block: str
) -> list[NewFile]:
    """Plan the files that a project lacks.

    Raises:
        ValueError: If the project uses the name of a block of Rightfit for something else.
    """
    clashes = sorted(name for name in MARKS if _is_foreign(name, parameters.get(name)))
    if clashes:
        raise ValueError(
            f"The project has parameters {clashes} of its own, names that Rightfit reads. Rename "
            "them in conf/, then run this again."
        )
    example = files("rightfit").joinpath(EXAMPLES)
    texts = {
        "grid": GRID.format(datasets=write_yaml({"datasets": [dataset]}).rstrip()),
        "datasets": DATASETS + block,
        "applications": example.read_text(encoding="utf-8"),
    }
    planned = []
    for name, text in texts.items():
        path = folder / f"parameters_{name}.yml"
        reason = f"the parameter {name} exists" if name in parameters else ""
        head = "" if text.startswith(EDITOR_COMMENT) else EDITOR_COMMENT
        planned.append(NewFile(path, head + text, "it exists" if path.exists() else reason))
    path = folder.parent / FILE
    kept_because = "it exists" if path.exists() else ""
    return [*planned, NewFile(path, "" if kept_because else write_schema(), kept_because)]


def find_dataset(loader: AbstractConfigLoader, dataset: str) -> list[Path]:
    """Return the files of parameters that describe a dataset."""
    contents = {path: read_yaml(path) for path in list_files(loader, "parameters")}
    return [
        path
        for path, content in contents.items()
        if read_key(read_key(content, "datasets"), dataset)
    ]


def name_dataset(entry: str) -> str:
    """Return a dataset's name made from a catalog entry: some letters, digits and underscores.

    >>> name_dataset("model_input.table@pandas")
    'model_input_table_pandas'
    """
    name = re.sub(r"\W", "_", entry)
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def _is_foreign(name: str, block: Any) -> bool:
    """Return whether a block shows none of the keys that it has in Rightfit."""
    if not block:
        return False
    if not isinstance(block, Mapping):
        return True
    inner = [item for item in block.values() if isinstance(item, Mapping)]
    return not any(MARKS[name] & set(holder) for holder in (block, *inner))
