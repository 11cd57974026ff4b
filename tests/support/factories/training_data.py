"""Rows to learn from."""

from __future__ import annotations

import numpy as np

from rightfit.models.schema import InputSchema
from rightfit_search.families.family import TrainingData


def make_blobs(*, image_shape: tuple[int, int, int] | None, n_features: int) -> TrainingData:
    """Draw three well separated groups, 60 rows."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    centres = np.eye(3, n_features, dtype=np.float32) * 4
    rows = centres[labels] + rng.normal(0, 0.3, (60, n_features)).astype(np.float32)
    schema = InputSchema(
        features=tuple(f"x{i}" for i in range(n_features)),
        classes=("a", "b", "c"),
        image_shape=image_shape,
    )
    return TrainingData(rows, labels, schema)
