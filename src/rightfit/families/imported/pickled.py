"""A fitted estimator from a pickle or a joblib file, which the configuration says to trust.

Opening such a file runs whatever code it holds. Only a measuring process does so, never that
of the pipeline.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rightfit.families.family import Configuration
from rightfit.families.imported.skops_model import SkopsModel, prepare_model
from rightfit.families.schema import InputSchema


class Pickled(SkopsModel):
    """Serves what the file holds; see :class:`rightfit.families.family.Family`."""

    weights_file: str = "weights.pickle"

    def __init__(self) -> None:
        super().__init__()
        self.native_imports = ("sklearn.ensemble", "sklearn.linear_model", "joblib")

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:  # noqa: ARG002
        """See :class:`rightfit.families.family.Family`."""
        import joblib

        return prepare_model(joblib.load(path), schema)


FAMILY = Pickled()
