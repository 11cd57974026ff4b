"""What training costs, by counts that need no clock.

A search's budget and its steps count these CPU seconds, not those that the process took: the same
data, configuration and seed give the same search, whatever else the machine does. A line per
family with coefficients of at least 0, fitted to the logarithms of timed trainings
(``benchmarks/constants/learn_costs.py``), turns the counts of a look into CPU seconds of the
machine on which they were timed. On tables that it has not seen it is a factor of up to three or
four off, see ``docs/decisions/0023-budgets-of-work.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from rightfit.families.family import Configuration, split_training
from rightfit.families.registry import get_family
from rightfit.tuning.pausing.observed import Structure
from rightfit.tuning.pausing.serving_costs import CostLine

SHIPPED = "training_costs.json"


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


def steps_ratio(
    configuration: Configuration, family: str, checkpoint: int, n_checkpoints: int
) -> float:
    """Return the steps of a whole training for each step taken up to a checkpoint."""
    length = configuration.get(get_family(family).length_setting or "")
    if length is None:  # by shares of rows: each look at twice those of the one before
        return float(2 ** (n_checkpoints - checkpoint))
    n_units = int(length)
    return n_units / split_training(n_units, n_checkpoints)[checkpoint - 1]


def count_work(
    size: TrainingSize,
    family: str,
    configuration: Configuration,
    structure: Structure,
    *,
    checkpoint: int,
    n_checkpoints: int,
) -> dict[str, float]:
    """Count what a training up to a look consists of.

    Args:
        size: Of its data.
        family: Import path of the family.
        configuration: Hyper-parameters.
        structure: Counts of the model at the look.
        checkpoint: The look, from 1.
        n_checkpoints: Looks of a whole training.
    """
    length = configuration.get(get_family(family).length_setting or "")
    share = 1 / steps_ratio(configuration, family, checkpoint, n_checkpoints)
    n_rows = size.n_rows * (share if length is None else 1.0)
    passed = n_rows * (1.0 if length is None else float(length) * share)
    is_exact = configuration.get("solver") == "lbfgs"  # of linear models: by shares of the rows
    fitted = n_rows * 2.0 ** (checkpoint - n_checkpoints) if is_exact else 0.0
    passed = 0.0 if is_exact else passed
    chosen = configuration.get("max_features", configuration.get("colsample_bytree"))
    n_columns = float(size.n_features)  # columns that a split, or a tree, chooses from
    if chosen == "sqrt":
        n_columns = math.sqrt(size.n_features)
    elif chosen == "log2":
        n_columns = math.log2(max(size.n_features, 2))
    elif isinstance(chosen, float):
        n_columns = size.n_features * chosen
    operations = structure["n_operations"]
    return {
        "values": n_rows * size.n_features,
        "fitted_values": fitted * size.n_features,
        "fitted_outputs": fitted * size.n_features * size.n_outputs,
        "step_outputs": size.n_outputs * (1.0 if length is None else float(length) * share),
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


def predict_cpu_s(family: str, counts: Mapping[str, float]) -> float | None:
    """Return the CPU seconds that a training and its validation usually take.

    Args:
        family: Import path of the family.
        counts: From :func:`count_work`.

    Returns:
        ``None`` for a family without a line: what its training takes has to be timed.
    """
    line = _read_lines().get(name_line(family))
    return None if line is None else line.predict(counts)


def name_line(family: str) -> str:
    """Return the name of a family's line.

    >>> name_line("rightfit.families.forest"), name_line("sklearn:sklearn.svm.SVC")
    ('forest', 'sklearn:sklearn.svm.SVC')
    """
    return family.removeprefix("rightfit.families.").removeprefix("libraries.")


@cache
def _read_lines() -> dict[str, CostLine]:
    document = json.loads(files(__package__).joinpath(SHIPPED).read_text(encoding="utf-8"))
    return {family: CostLine(**line) for family, line in document.items()}
