"""Any fitted estimator of scikit-learn from a skops file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rightfit.families.by_path.estimators import TRUSTED, EstimatorFamily
from rightfit.families.by_path.prototypes import list_steps
from rightfit.families.family import Configuration
from rightfit.families.schema import InputSchema, Task
from rightfit.families.sklearn_io import load_skops


class SkopsModel(EstimatorFamily):
    """Serves what the file holds; see :class:`rightfit.families.family.Family`."""

    def __init__(self) -> None:
        super().__init__("sklearn.pipeline.Pipeline")

    def check_task(self, task: Task) -> None:
        """Accept both tasks: what the file holds is known once it is opened."""

    def load_weights(self, path: Path, configuration: Configuration, schema: InputSchema) -> Any:  # noqa: ARG002
        """See :class:`rightfit.families.family.Family`."""
        return prepare_model(load_skops(path, trusted=TRUSTED, estimator=None), schema)


def prepare_model(model: Any, schema: InputSchema) -> Any:
    """Check a fitted estimator, and let it take rows without names.

    Raises:
        ValueError: If it is none, or reads other columns or predicts other classes.
    """
    if not hasattr(model, "predict") or hasattr(model, "classes_") != bool(schema.classes):
        kind = "classifier" if schema.classes else "regressor"
        raise ValueError(f"it holds a {type(model).__name__}, which is no fitted {kind}")
    n_features = getattr(model, "n_features_in_", schema.n_features)
    if n_features != schema.n_features:
        raise ValueError(
            f"it reads {n_features} columns, the dataset has {schema.n_features}: "
            f"{list(schema.features)}"
        )
    classes = tuple(map(str, np.asarray(getattr(model, "classes_", ())).tolist()))
    positions = tuple(str(i) for i in range(schema.n_classes))
    if classes not in (schema.classes, positions):
        raise ValueError(
            f"its classes are {list(classes)}, the dataset's are {list(schema.classes)}; name them "
            "so, and in this order, in target.classes of the dataset"
        )
    for step in list_steps(model):
        vars(step).pop("feature_names_in_", None)  # else each call warns that rows have none
    return model


FAMILY = SkopsModel()
