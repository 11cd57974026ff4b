"""The configuration that a project needs to begin with: ``rightfit init``.

A file that exists is never written over, and a block that the project has already is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from rightfit.parameters.defaults import BLOCKS, read_default
from rightfit.parameters.grid import MAX_NAME_BYTES
from rightfit.parameters.raw import RawParameters
from rightfit.preparation.inferring.proposal import write_named, write_yaml

TEMPLATE_CONF = "template/{{ cookiecutter.repo_name }}/conf/base"
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
    **{name: set(read_default(name)) for name in BLOCKS if name != "models"},
}
"""Keys by which a block, or a block in it, is known to be Rightfit's."""

DATASETS = """\
# What is predicted, from which tables. tables names entries of the catalog (pandas or polars
# frames); a table without an entry is read from data/01_raw/<table>.parquet. What a block leaves
# out (schema, features, split, quality) is inferred from the tables at the first run.
datasets:
"""


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
    _refuse_own_blocks(parameters)
    texts = {
        "grid": GRID.format(datasets=write_yaml({"datasets": [dataset]}).rstrip()),
        "datasets": DATASETS + block,
        "applications": _read_example("applications"),
    }
    return [
        NewFile(path, text, _find_reason(path, name, parameters))
        for name, text in texts.items()
        for path in [folder / f"parameters_{name}.yml"]
    ]


def sketch_block(dataset: str, column: str) -> str:
    """Write the block of a dataset whose table nobody has named yet."""
    return write_named("datasets", {dataset: {"tables": [dataset], "target": {"column": column}}})


def name_dataset(entry: str) -> str:
    """Return a dataset's name made from a catalog entry: some letters, digits and underscores.

    >>> name_dataset("model_input.table@pandas")
    'model_input_table_pandas'
    """
    name = re.sub(r"\W", "_", entry)
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def _refuse_own_blocks(parameters: RawParameters) -> None:
    taken = sorted(name for name in MARKS if _is_foreign(name, parameters.get(name)))
    if taken:
        raise ValueError(
            f"The project has parameters {taken} of its own, names that Rightfit reads. Rename "
            "them in conf/, then run this again."
        )


def _is_foreign(name: str, block: Any) -> bool:
    """Return whether a block shows none of the keys that it has in Rightfit."""
    if not block:
        return False
    if not isinstance(block, Mapping):
        return True
    inner = [item for item in block.values() if isinstance(item, Mapping)]
    return not any(MARKS[name] & set(holder) for holder in (block, *inner))


def _find_reason(path: Path, name: str, parameters: RawParameters) -> str:
    if path.exists():
        return "it exists"
    return f"the parameter {name} exists" if name in parameters else ""


def _read_example(name: str) -> str:
    file = files("rightfit").joinpath(TEMPLATE_CONF, f"parameters_{name}.yml")
    return file.read_text(encoding="utf-8")
