"""The common base of the families of scikit-learn's estimators."""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from rightfit.models.schema import InputSchema
from rightfit.models.served_family import Rows
from rightfit.models.sklearn_io import export_estimator, import_skops
from rightfit_search.families.family import Family


class SklearnFamily(Family):
    """The common base of the families of scikit-learn's estimators."""

    weights_file: str = "weights.skops"
    # skops imports all of scikit-learn: models of different estimators share a measuring process
    native_imports: tuple[str, ...] = ("sklearn", "skops.io")

    def load_libraries(self) -> None:
        """See :class:`rightfit.Family`."""
        self.require_libraries("Training a model of scikit-learn")
        import_skops()
        for library in self.native_imports:
            importlib.import_module(library)

    def predict(self, model: Any, rows: Rows) -> Rows:
        """See :class:`rightfit.Family`."""
        if hasattr(model, "classes_"):
            probabilities: Rows = model.predict_proba(rows).astype(np.float32, copy=False)
            return probabilities
        values: Rows = model.predict(rows).astype(np.float32, copy=False)[:, None]
        return values

    def save_weights(self, model: Any, path: Path) -> None:
        """Write a fitted estimator with skops, deflated."""
        # faster than the usual level 6, for little more space: a search pays for it
        import_skops().dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=3)

    def export_onnx(self, model: Any, schema: InputSchema) -> bytes:
        """Convert a fitted classifier or regressor with skl2onnx."""
        return export_estimator(model, schema)


def measure_tree(tree: Any) -> tuple[int, float, float]:
    """Measure a fitted tree, of scikit-learn's trees and forests or of its histogram boosting.

    Returns:
        Its nodes, the numbers that it stores, and the comparisons of an average training row: the
        sum of the nodes' shares of the rows.
    """
    if type(tree).__name__ == "TreePredictor":
        nodes = tree.nodes
        n_stored = 3.0 * len(nodes)  # column and threshold, or value
        return len(nodes), n_stored, float(nodes["count"].sum() / nodes["count"][0])
    weights = tree.weighted_n_node_samples
    n_stored = float(tree.node_count * (2 + tree.value[0].size))
    return tree.node_count, n_stored, float(weights.sum() / weights[0])
