"""Gradient-boosted trees on binned columns (scikit-learn's HistGradientBoosting)."""

from __future__ import annotations

from typing import Any

from rightfit.models.schema import InputSchema
from rightfit.models.tree_prefixes import keep_rounds
from rightfit_search.families.ensembles import EnsembleFamily


class BoostingFamily(EnsembleFamily):
    """An ensemble whose step is a round of boosting: one tree, or one per class if over two."""

    def list_trees(self, model: Any) -> list[Any]:
        """Return the trees of all rounds."""
        return [tree for one_round in model._predictors for tree in one_round]

    def take_prefix(self, model: Any, n_steps: int) -> Any:
        """See :class:`rightfit.Family`."""
        return keep_rounds(model, n_steps)

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """Convert to ONNX.

        Raises:
            ValueError: If the model treats columns as categories: the converter takes their codes
                for numbers, without a word.
        """
        if model.is_categorical_ is not None:
            raise ValueError(
                "Boosted trees on native categories can't be exported to ONNX: the converter "
                "reads categories as numbers. Encode them "
                "(features.categorical of the dataset)."
            )
        return super().export_onnx(model, schema)


FAMILY = BoostingFamily(
    "sklearn.ensemble.HistGradientBoostingClassifier",
    settings=(
        "max_iter",
        "learning_rate",
        "max_leaf_nodes",
        "min_samples_leaf",
        "l2_regularization",
        "max_features",
    ),
    length_setting="max_iter",
    options={"early_stopping": False},  # its own, on a part of the train rows
    trusted=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
)
