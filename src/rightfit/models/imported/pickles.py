"""Models as pickles: those of this process for a fresh one, and files that the user trusts.

A model of this process is written so that a fresh process of this user can open it: cloudpickle
writes what lies in the caller's script or notebook by value, so that it need not be importable; all
else is imported there, so the modules that it is made of are noted.

Opening a pickle from elsewhere runs whatever code it holds. Only processes that are started for it
do so, never that of the caller or of a pipeline.
"""

from __future__ import annotations

import importlib.util
import io
import pickle
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rightfit._core.errors import RightfitError
from rightfit.models.imported.first_predictions import try_object
from rightfit.models.imported.kinds import PICKLE_FILE
from rightfit.models.imported.objects import (
    SKLEARN,
    ModelDescription,
    ObjectFamily,
    ServedObject,
    describe_object,
)
from rightfit.models.imported.row_table import RowTable
from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Configuration
from rightfit.models.sources import PACKAGES, read_own_sources

_EVERYWHERE = ("numpy", *PACKAGES, "scipy")
# Some of those that ``measuring/worker/process.py`` hides unless they are named.
_HIDDEN = re.compile(rb"\b(onnx|pandas|polars|pyarrow|torch)\b")


def write_object(
    model: Any, path: Path | None, facts: ModelDescription
) -> tuple[Any, tuple[str, ...]]:
    """Pickle a model.

    Args:
        model: The model.
        path: Where to; ``None``: only to see what it is made of.
        facts: What it says of itself.

    Returns:
        The model opened again, and the modules that a process should import before it opens the
        file.

    Raises:
        RightfitError: If it cannot travel.
    """
    import cloudpickle

    try:
        content = cloudpickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as err:  # whatever the parts of an object raise
        raise RightfitError(
            f"{facts.name} cannot travel to the process that measures it: {err}. Leave out what "
            "belongs to this process alone, such as open files, locks, generators and connections, "
            "or save the model to a file and give its path."
        ) from err
    reader = _Reader(io.BytesIO(content))
    copy = reader.load()
    if path is not None:
        path.write_bytes(content)
    return copy, list_imports(content, reader.modules)


def list_imports(content: bytes, modules: Iterable[str]) -> tuple[str, ...]:
    """Return what to import before a pickle is opened, so that imports count as no loading.

    scikit-learn's models all import the same: they can share a measuring process.

    Args:
        content: The pickle. It and the sources of the caller's own modules are searched for the
            names of libraries that are hidden otherwise.
        modules: Modules that it names.
    """
    module_names = set(modules)
    uses_sklearn = any(name.partition(".")[0] == "sklearn" for name in module_names)
    shared = {*_EVERYWHERE, "sklearn", "__main__", *sys.stdlib_module_names}
    packages = {name for name in module_names if name.partition(".")[0] not in shared}
    hidden_imports = find_hidden(content)
    for name in list(packages):
        of_source = find_hidden("\n".join(read_own_sources(name).values()).encode())
        hidden_imports |= of_source
        if "polars" in of_source:  # it may compute as it is imported: its threads survive no fork
            packages.remove(name)
    if "catboost" in {name.partition(".")[0] for name in packages}:
        hidden_imports.add("pandas")  # which CatBoost cannot do without
    return (*(SKLEARN if uses_sklearn else ()), *sorted({*packages, *hidden_imports}))


def find_hidden(content: bytes) -> set[str]:
    """Return the libraries that a content names and that are hidden otherwise.

    >>> find_hidden(b"import pandas as pd; pandas_categorical")
    {'pandas'}
    """
    return {name.decode() for name in _HIDDEN.findall(content)}


class Pickled(ObjectFamily):
    """Serves what the file holds; see :class:`rightfit.Family`."""

    weights_file: str = PICKLE_FILE

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:
        """See :class:`ObjectFamily`; joblib opens the file, where it is installed."""
        opener = ("joblib",) if importlib.util.find_spec("joblib") else ()
        return (*opener, *configuration.get("imports", ()))

    def load_weights(
        self, path: Path, configuration: Configuration, schema: InputSchema
    ) -> ServedObject:
        """See :class:`rightfit.Family`."""
        return ServedObject(open_pickle(path), configuration, schema)


FAMILY = Pickled()


def open_pickle(path: Path) -> Any:
    """Open a pickle or, where joblib is installed, one of joblib's."""
    try:
        import joblib
    except ModuleNotFoundError:
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301 - the user says to trust it
    return joblib.load(path)


def try_pickle(path: str, rows: str, unnamed: list[str] | None) -> dict[str, Any]:
    """Open a pickle in this process and have it answer some rows.

    Args:
        path: The file.
        rows: A pickled :class:`RowTable`, of the process that asks.
        unnamed: Columns of a model that names none; ``None``: all that there are.

    Returns:
        Fields of the ``FirstPredictions``, as JSON types.
    """
    with Path(rows).open("rb") as file:
        table: RowTable = pickle.load(file)  # noqa: S301 - see above
    model = open_pickle(Path(path))
    facts = describe_object(model)
    _, imports = write_object(model, None, facts)  # as of a model in memory
    tried = try_object(model, facts, table, imports=imports, unnamed=unnamed)
    return asdict(tried) | {"answers": np.asarray(tried.answers).tolist()}


class _Reader(pickle.Unpickler):
    """Notes the modules that it is asked for, also by functions that were written by value."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        self.modules.add(module_name)
        global_object = super().find_class(module_name, global_name)
        if (module_name, global_name) != ("cloudpickle.cloudpickle", "subimport"):
            return global_object

        def import_noted(name: str) -> Any:
            self.modules.add(name)
            return global_object(name)

        return import_noted
