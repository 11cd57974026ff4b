"""A table that any family should learn something of in a second."""

from __future__ import annotations

import numpy as np

from rightfit.families.family import TrainingData
from rightfit.families.schema import InputSchema, Task

N_ROWS = 600
N_FEATURES = 8
CLASSES = ("a", "b", "c")


def make_small_table(task: Task, *, seed: int) -> TrainingData:
    """Draw rows, standardised as encoded rows are: three overlapping groups, or a bent slope.

    Args:
        task: What is learnt: the group, or a value of some hundreds with noise.
        seed: Another seed draws other rows of the same kind.
    """
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (N_ROWS, N_FEATURES))
    features = tuple(f"x{i}" for i in range(N_FEATURES))
    if task == "regression":
        values = 300 + 60 * rows[:, 0] + 40 * np.abs(rows[:, 1]) + rng.normal(0, 10, N_ROWS)
        return TrainingData(rows.astype(np.float32), values, InputSchema(features, (), None))
    labels = np.arange(N_ROWS, dtype=np.int64) % len(CLASSES)
    rows += np.random.default_rng(0).normal(0, 1.5, (len(CLASSES), N_FEATURES))[labels]
    schema = InputSchema(features, CLASSES, None)
    return TrainingData((rows / 1.8).astype(np.float32), labels, schema)
