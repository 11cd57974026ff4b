"""A table that any family should learn something of in a second."""

from __future__ import annotations

import numpy as np

from rightfit.families.family import TrainingData
from rightfit.families.schema import InputSchema

N_ROWS = 600
N_FEATURES = 8


def make_small_table(*, n_classes: int, seed: int) -> TrainingData:
    """Draw overlapping groups of rows, one a class, standardised as encoded rows are.

    Args:
        n_classes: Classes, of about equal share.
        seed: Another seed draws other rows of the same groups.
    """
    labels = np.arange(N_ROWS) % n_classes
    centres = np.random.default_rng(0).normal(0, 1.5, (n_classes, N_FEATURES))
    rows = centres[labels] + np.random.default_rng(seed).normal(0, 1, (N_ROWS, N_FEATURES))
    schema = InputSchema(
        features=tuple(f"x{i}" for i in range(N_FEATURES)),
        classes=tuple("abcdefgh"[:n_classes]),
        image_shape=None,
    )
    return TrainingData((rows / 1.8).astype(np.float32), labels.astype(np.int64), schema)
