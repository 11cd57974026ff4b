"""Random forest grown tree by tree (scikit-learn, warm start)."""

from __future__ import annotations

from rightfit.models.ensembles import EnsembleFamily

FAMILY = EnsembleFamily(
    "sklearn.ensemble.RandomForestClassifier",
    settings=("n_estimators", "max_depth", "min_samples_leaf", "max_features"),
)
