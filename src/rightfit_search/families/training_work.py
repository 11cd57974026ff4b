"""The work of a training, in counts that need no clock; a search predicts costs from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingSize:
    """How much data a training has.

    Args:
        n_rows: Rows to learn from.
        n_judged: Rows of the validation.
        n_features: Columns.
        n_outputs: Columns of the answers.
    """

    n_rows: int
    n_judged: int
    n_features: int
    n_outputs: int


def count_passes(
    size: TrainingSize,
    structure: Mapping[str, float],
    *,
    n_rows: float,
    n_passes: float,
    n_columns: float,
) -> dict[str, float]:
    """Count the work of a training that passes over its rows.

    Args:
        size: Of its data.
        structure: Counts of the model that it has come to.
        n_rows: Rows of a pass.
        n_passes: Passes: epochs, trees or rounds.
        n_columns: Columns that a split, or a tree, chooses from.

    Returns:
        Counts by name; ``fitted_…`` are those of a fit that no passes describe, 0 here.
    """
    operations, passed = structure["n_operations"], n_rows * n_passes
    return {
        "values": n_rows * size.n_features,
        "fitted_values": 0.0,
        "fitted_outputs": 0.0,
        "step_outputs": size.n_outputs * n_passes,
        "passed": passed,
        "passed_values": passed * size.n_features,
        "passed_outputs": passed * size.n_outputs,
        "passed_column_outputs": passed * n_columns * size.n_outputs,
        "passed_operations": passed * operations,
        "row_operations": n_rows * operations,
        "column_operations": n_rows * operations * n_columns,
        "node_columns": structure.get("n_nodes", 0.0) * n_columns,
        "row_pairs": n_rows**2 * size.n_features,
        "judged_operations": size.n_judged * operations,
        "judged_pairs": size.n_judged * n_rows * size.n_features,
    }
