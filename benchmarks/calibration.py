"""Are probabilities calibrated: as trained, by a temperature, and as scikit-learn would do it?

``PYTHONPATH=benchmarks/constants python benchmarks/calibration.py`` trains the default of three
families on tables that come with packages (``constants/tables.py``). As in a search, the
temperature is learnt from what a model of the train rows says of the validation rows, and applied
to a model of both. ``CalibratedClassifierCV`` (five folds) wraps the same family and gets the same
rows; isotonic regression, class by class, learns what the temperature learns. A line per cell, of
held-out log loss and expected calibration error; the last one is JSON. A table's shipped model is
the family of the best validation accuracy:

- ``n_tables``, ``n_cells``;
- ``calibration_error``, ``log_loss``: means over the shipped models, by way;
- ``above_sklearn``: tables whose shipped model has a calibration error above that of
  scikit-learn's (``sigmoid``, its default) by more than 1.96 standard errors of the difference;
- ``worst_log_loss``: of all cells, the largest loss by the temperature, in standard errors;
- ``isotonic_better``: tables whose shipped model has a lower log loss by isotonic regression;
- ``n_other_answers``: rows whose predicted class the temperature changes.
"""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from record_portfolios import make_cell
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression

from rightfit.models.family import Labels, Rows, TrainingData, TrainingRun
from rightfit.models.quality.metric import QualityMetric
from rightfit.models.registry import get_family
from rightfit.models.temperature import learn_temperature, scale_probabilities

TABLES = (
    *("attrition", "credit", "spam", "churn", "remote", "wa_churn"),  # two classes
    *("vehicle", "jobs", "digits", "poverty"),
)
MODELS = ("linear", "forest", "lightgbm")
MAX_ROWS = {"train": 3_000, "validation": 1_500, "test": 5_000}
WAYS = ("as trained", "temperature", "isotonic", "sklearn sigmoid", "sklearn isotonic")
SEED, N_DRAWS = 7, 100
CALIBRATION_ERROR = QualityMetric(name="neg_calibration_error", worst=1.0, best=0.0)


class FamilyClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped base
    """A family's default as an estimator of scikit-learn."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def fit(self, X: Rows, y: Labels) -> FamilyClassifier:  # noqa: N803
        """Train."""
        cell = self.cell
        configuration = cell.params.fixed | dict(cell.default() or {})
        run = TrainingRun(configuration, TrainingData(X, y, cell.train.schema), seed=SEED)
        *_, last = get_family(cell.family).train(run)
        self.model_, self.classes_ = last.model, np.arange(cell.train.schema.n_classes)
        return self

    def predict_proba(self, X: Rows) -> Rows:  # noqa: N803
        """Return class probabilities."""
        return get_family(self.cell.family).predict(self.model_, np.array(X))


def scale_isotonically(said: Rows, labels: Labels, probabilities: Rows) -> Rows:
    """Return probabilities by isotonic regressions, class by class, learnt from what was said."""
    shares = np.full(probabilities.shape, 1e-6, dtype=np.float32)
    for label in range(said.shape[1]):
        regression = IsotonicRegression(out_of_bounds="clip").fit(said[:, label], labels == label)
        shares[:, label] += regression.predict(probabilities[:, label])
    scaled: Rows = shares / shares.sum(axis=1, keepdims=True)
    return scaled


def list_losses(labels: Labels, probabilities: Rows) -> npt.NDArray[np.float64]:
    """Return the log loss of each row."""
    chosen = probabilities[np.arange(len(labels)), labels.astype(np.int64)].astype(np.float64)
    losses: npt.NDArray[np.float64] = -np.log(np.clip(chosen, np.finfo(np.float32).eps, 1))
    return losses


def compare(table: str, model: str) -> dict[str, Any] | None:
    """Compare the ways on one cell; ``None`` where the family cannot learn the table."""
    made = make_cell(table, model, MAX_ROWS)
    if made is None:
        return None
    cell, test = made
    whole, validation, labels = cell.final_rows(), cell.validation, test.labels
    get_family(cell.family).load_libraries()
    trial = FamilyClassifier(cell).fit(cell.train.rows, cell.train.labels)
    said = trial.predict_proba(validation.rows)
    temperature = learn_temperature(said, validation.labels)
    raw = FamilyClassifier(cell).fit(whole.rows, whole.labels).predict_proba(test.rows)
    answers = {
        "as trained": raw,
        "temperature": scale_probabilities(raw, temperature),
        "isotonic": scale_isotonically(said, validation.labels, raw),
    }
    for method in ("sigmoid", "isotonic"):
        wrapped = CalibratedClassifierCV(FamilyClassifier(cell), method=method, cv=5)
        answers[f"sklearn {method}"] = wrapped.fit(whole.rows, whole.labels).predict_proba(
            test.rows
        )
    losses = {way: list_losses(labels, answers[way]) for way in WAYS}
    errors = {way: -CALIBRATION_ERROR.score(labels, answers[way]) for way in WAYS}
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(labels), size=(N_DRAWS, len(labels)))
    differences = [
        CALIBRATION_ERROR.score(labels[rows], answers["sklearn sigmoid"][rows])
        - CALIBRATION_ERROR.score(labels[rows], answers["temperature"][rows])
        for rows in drawn
    ]
    added = losses["temperature"] - losses["as trained"]
    return {
        "table": table,
        "model": model,
        "validation_accuracy": float((said.argmax(axis=1) == validation.labels).mean()),
        "temperature": temperature,
        "losses": {way: float(losses[way].mean()) for way in WAYS},
        "errors": errors,
        "above_sklearn": errors["temperature"] - errors["sklearn sigmoid"]
        > 1.96 * float(np.std(differences)),
        "added_errors": float(added.mean() / (added.std() / np.sqrt(len(added)) or 1.0)),
        "n_other_answers": int((raw.argmax(1) != answers["temperature"].argmax(1)).sum()),
    }


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of small folds
    cells, shipped = [], []
    for table in asked.tables:
        compared = [compare(table, model) for model in asked.models]
        of_table = [cell for cell in compared if cell is not None]
        for cell in of_table:
            by_way = ", ".join(
                f"{way} {cell['losses'][way]:.4f} {cell['errors'][way]:.4f}" for way in WAYS
            )
            print(
                f"{table}.{cell['model']}: temperature {cell['temperature']:.2f}; log loss and "
                f"calibration error {by_way}; log loss {cell['added_errors']:+.1f} standard "
                f"errors by the temperature",
                flush=True,
            )
        cells += of_table
        shipped.append(max(of_table, key=lambda cell: cell["validation_accuracy"]))
    print("shipped: " + ", ".join(f"{cell['table']} {cell['model']}" for cell in shipped))
    figures = {
        "n_tables": len(shipped),
        "n_cells": len(cells),
        "calibration_error": {
            way: round(float(np.mean([cell["errors"][way] for cell in shipped])), 4) for way in WAYS
        },
        "log_loss": {
            way: round(float(np.mean([cell["losses"][way] for cell in shipped])), 4) for way in WAYS
        },
        "above_sklearn": sum(cell["above_sklearn"] for cell in shipped),
        "worst_log_loss": round(max(cell["added_errors"] for cell in cells), 2),
        "isotonic_better": sum(
            cell["losses"]["isotonic"] < cell["losses"]["temperature"] for cell in shipped
        ),
        "n_other_answers": sum(cell["n_other_answers"] for cell in cells),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
