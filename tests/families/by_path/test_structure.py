from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from rightfit.families.by_path.sklearn_estimators import count_structure

ROWS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=np.float32)
LABELS = np.array([0, 0, 1, 1])


def test_linear_model_is_its_coefficients() -> None:
    counts = count_structure(LogisticRegression().fit(ROWS, LABELS))

    assert counts == {"n_parameters": 4.0, "n_operations": 4.0}  # two, an intercept, n_iter_


def test_neighbours_are_their_rows_and_labels() -> None:
    model = KNeighborsClassifier(1, algorithm="brute").fit(ROWS, LABELS)

    assert count_structure(model) == {"n_parameters": 12.0, "n_operations": 12.0}


def test_row_passes_one_path_of_a_tree() -> None:
    counts = count_structure(DecisionTreeClassifier(random_state=0).fit(ROWS, LABELS))

    assert counts == {"n_parameters": 3 * 4.0, "n_operations": 2.0}  # root and a leaf


def test_pipeline_is_the_sum_of_its_steps() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)

    n_scaler = 6.0  # mean, variance and scale of two columns
    assert count_structure(model)["n_parameters"] == 4.0 + n_scaler
