"""What another tuner has found, as models that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rightfit._core.errors import RightfitError
from rightfit._core.extras import is_of
from rightfit.models.imported.predictors import build_trials, is_predictor, list_models

MAX_TRIALS = 1_000


def candidates(
    found: object,
    rows: object | None = None,
    targets: object | None = None,
    *,
    build: Callable[[dict[str, Any]], Any] | None = None,
    most: int = 5,
) -> Mapping[str, Any]:
    """Return the models that another tuner has found, by name, for :func:`compare`.

    Args:
        found: A fitted ``TabularPredictor`` of AutoGluon: the model that it answers with first,
            then every other that it has trained; they are read from its own folder, which must
            stay where it is. A fitted ``AutoML`` of FLAML: the model that it answers with. A
            finished study of Optuna: its best trials, each built and fitted.
        rows: Of a study: the rows to fit on.
        targets: Of a study: their targets.
        build: Of a study: returns an estimator, not fitted, from a trial's ``params``.
        most: Of a study: how many trials at most, the best first.

    Raises:
        RightfitError: If it is none of these, is not fitted, or lacks what it needs.
    """
    if is_predictor(found):
        return list_models(found)
    if is_of(found, "flaml", "AutoML"):
        automl: Any = found
        if automl.model is None:
            raise RightfitError("AutoML is not fitted yet: call its fit(...) first.")
        return {str(automl.best_estimator): automl}
    if is_of(found, "optuna", "Study"):
        if build is None or rows is None or targets is None:
            raise RightfitError(
                "A study holds parameters, not models: give build, rows and targets, as in "
                "candidates(study, X, y, build=lambda params: Estimator(**params))."
            )
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MAX_TRIALS:
            raise RightfitError(f"most must be a whole number from 1 to {MAX_TRIALS}: {most!r}.")
        return build_trials(found, build, rows, targets, most=most)
    raise RightfitError(
        "candidates takes a TabularPredictor of AutoGluon, an AutoML of FLAML or a study of "
        f"Optuna, but got a {type(found).__name__}."
    )
