"""A fitted model from a pickle or a joblib file, which the user says to trust.

Opening such a file runs whatever code it holds. Only processes that are started for it do so, never
that of the caller or of a pipeline.
"""

from __future__ import annotations

import importlib.util
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.families.family import Configuration
from rightfit.families.imported.facts import describe_object
from rightfit.families.imported.kinds import PICKLE_FILE
from rightfit.families.imported.objects import ObjectFamily, ServedObject, serve_object
from rightfit.families.imported.row_table import RowTable
from rightfit.families.imported.travelling import write_object
from rightfit.families.imported.trying import try_object
from rightfit.families.schema import InputSchema


class Pickled(ObjectFamily):
    """Serves what the file holds; see :class:`rightfit.families.family.Family`."""

    weights_file: str = PICKLE_FILE

    def list_imports(self, configuration: Configuration) -> tuple[str, ...]:
        """See :class:`ObjectFamily`; joblib opens the file, where it is installed."""
        opener = ("joblib",) if importlib.util.find_spec("joblib") else ()
        return (*opener, *configuration.get("imports", ()))

    def load_weights(
        self, path: Path, configuration: Configuration, schema: InputSchema
    ) -> ServedObject:
        """See :class:`rightfit.families.family.Family`."""
        return serve_object(open_pickle(path), configuration, schema)


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
        Fields of the :class:`rightfit.families.imported.trying.Trial`, as JSON types.
    """
    with Path(rows).open("rb") as file:
        table: RowTable = pickle.load(file)  # noqa: S301 - see above
    model = open_pickle(Path(path))
    facts = describe_object(model)
    imports = write_object(model, None, facts).imports  # as of a model in memory
    trial = try_object(model, facts, table, imports=imports, unnamed=unnamed)
    return asdict(trial) | {"answers": np.asarray(trial.answers).tolist()}
