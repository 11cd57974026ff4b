"""Configurations of families for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

QUICK: Mapping[str, dict[str, Any]] = {
    "linear": {
        "n_epochs": 8, "alpha": 1e-4, "penalty": "l2", "learning_rate": "optimal", "eta0": 0.01,
    },
    "forest": {
        "n_estimators": 16, "max_depth": 8, "min_samples_leaf": 1, "max_features": "sqrt",
    },
    "boosting": {
        "max_iter": 32, "learning_rate": 0.2, "max_leaf_nodes": 7, "min_samples_leaf": 4,
        "l2_regularization": 0.1, "max_features": 0.5,
    },
    "net": {
        "n_epochs": 30, "n_layers": 1, "n_units": 32, "n_channels": 4, "dropout": 0.0,
        "learning_rate": 0.02, "weight_decay": 0.0, "batch_size": 16,
    },
}  # fmt: skip
"""Settings of families without a library of their own that learn a small table in seconds."""

BOOSTERS = ("lightgbm", "xgboost", "catboost")
"""Families whose libraries are extras."""
