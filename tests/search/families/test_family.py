from __future__ import annotations

import numpy as np
import pytest
from harness.python_programs import run_python

from rightfit.models.schema import InputSchema
from rightfit_search.families.by_path.sklearn_estimators import EstimatorFamily
from rightfit_search.families.family import LabelledRows, TrainingData, split_training
from rightfit_search.families.registry import get_family

SCHEMA = InputSchema(("x",), ("no", "yes"), None)


def test_training_data_refuses_rows_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"rows must have shape \(2, 1\)"):
        TrainingData(np.zeros((2, 3), dtype=np.float32), np.array([0, 1]), SCHEMA)


def test_training_data_names_classes_without_rows() -> None:
    with pytest.raises(ValueError, match=r"no example of the classes \['yes'\]"):
        TrainingData(np.zeros((2, 1), dtype=np.float32), np.array([0, 0]), SCHEMA)


def test_rows_that_judge_may_lack_classes() -> None:
    judges = LabelledRows(np.zeros((2, 1), dtype=np.float32), np.array([0, 0]), SCHEMA)

    assert judges.labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("n_units", "n_checkpoints", "expected"),
    [(8, 4, [1, 2, 4, 8]), (5, 2, [2, 5]), (4, 4, [1, 1, 2, 4]), (160, 1, [160])],
)
def test_split_training_ends_at_the_whole(
    n_units: int, n_checkpoints: int, expected: list[int]
) -> None:
    assert split_training(n_units, n_checkpoints) == expected


def test_split_training_refuses_more_checkpoints_than_units() -> None:
    with pytest.raises(ValueError, match=r"n_units=3 .* n_checkpoints=4"):
        split_training(3, 4)


@pytest.mark.whole
@pytest.mark.long
def test_models_of_scikit_learn_need_the_same_imports_since_skops_imports_all_of_it() -> None:
    code = (
        "import sys, skops.io; held = set(sys.modules); import sklearn.svm, sklearn.linear_model;"
        "import sklearn.ensemble; print(set(sys.modules) - held)"
    )

    added = run_python("-c", code, check=True)
    families = [get_family(name) for name in ("linear", "forest")]
    families.append(EstimatorFamily("sklearn.svm.SVC"))

    assert added.stdout.strip() == "set()"
    assert len({family.native_imports for family in families}) == 1
