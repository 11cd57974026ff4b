"""What a number of a model costs that no recording is of: ``PRODUCT_S`` of ``pausing/priors.py``.

``python benchmarks/constants/unrecorded_rates.py`` trains estimators of scikit-learn that are no
trees, exports and compiles them, and times them on one thread. The last line is JSON: the median of
the CPU seconds for each stored number that a row uses, and its ends.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from typing import Any

import numpy as np
import onnx
from sklearn.datasets import make_classification
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from rightfit.models.graph_passes import MODEL_PASSES
from rightfit.models.graph_passes.compiling import compile_graph
from rightfit.models.onnx_session import open_session
from rightfit.models.schema import InputSchema
from rightfit_search.families.registry import get_family

ESTIMATORS: dict[str, list[Any]] = {
    "sklearn.svm.SVC": [SVC(C=1.0, probability=True), SVC(C=10.0, probability=True)],
    "sklearn.neighbors.KNeighborsClassifier": [KNeighborsClassifier(5)],
    "sklearn.neural_network.MLPClassifier": [MLPClassifier((100,), max_iter=20)],
    "sklearn.naive_bayes.GaussianNB": [GaussianNB()],
}
SHAPES = ((1_500, 20, 2), (1_500, 36, 6))  # rows, columns, classes
BATCH_SIZES, N_TIMED_ROWS = (64, 512), 1_024


def time_row(content: bytes, rows: np.ndarray[Any, Any]) -> float:
    """Return the CPU seconds of a row, at the best of several batch sizes."""
    session, fastest_s = open_session(content), np.inf
    for batch_size in BATCH_SIZES:
        feed = {session.get_inputs()[0].name: rows[:batch_size]}
        session.run(None, feed)
        start_ns = time.process_time_ns()
        for _ in range(N_TIMED_ROWS // batch_size):
            session.run(None, feed)
        fastest_s = min(fastest_s, (time.process_time_ns() - start_ns) / 1e9 / N_TIMED_ROWS)
    return float(fastest_s)


def main() -> None:
    """Time all and print."""
    costs = []
    for (n_rows, n_columns, n_classes), (path, estimators) in itertools.product(
        SHAPES, ESTIMATORS.items()
    ):
        rows, labels = make_classification(
            n_rows, n_columns, n_informative=8, n_classes=n_classes, flip_y=0.2, random_state=0
        )
        rows = rows.astype(np.float32)
        schema = InputSchema(
            tuple(f"x{number}" for number in range(n_columns)), tuple("abcdef"[:n_classes]), None
        )
        family = get_family(f"sklearn:{path}")
        for estimator in estimators:
            model = estimator.fit(rows, labels)
            exported = onnx.load_from_string(family.export_onnx(model, schema))
            compiled = compile_graph(exported, MODEL_PASSES, lambda _: True, name=path)
            row_s = time_row(compiled.content, rows)
            n_used = family.describe_structure(model)["n_operations"]
            costs.append(row_s / n_used)
            print(f"{path}, {n_columns} columns: {row_s:.2g} s a row, {costs[-1]:.2g} a number")
    figures = {"median_s": statistics.median(costs), "least_s": min(costs), "most_s": max(costs)}
    print(json.dumps({name: float(f"{value:.2g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
