"""The first trees of an ensemble as a model of its own, which costs less and predicts less well.

Trees of a forest are exchangeable, and each round of boosting mends what those before it have left:
so the first ones are the model that a shorter training would have given.
"""

from __future__ import annotations

import copy
from typing import Any

from rightfit._core.extras import is_of


def count_rounds(model: Any) -> int | None:
    """Return the trees of a forest or the rounds of boosting; ``None``: the model is neither.

    Args:
        model: A fitted model, or a pipeline that ends with one.
    """
    if is_of(model, "sklearn", "Pipeline"):
        return count_rounds(model.steps[-1][1])
    if is_of(model, "sklearn", "BaseForest"):
        return len(model.estimators_)
    if is_of(model, "sklearn", "BaseGradientBoosting"):
        return int(model.n_estimators_)
    if is_of(model, "sklearn", "BaseHistGradientBoosting"):
        return int(model.n_iter_)
    if is_of(model, "lightgbm", "Booster"):
        return int(model.current_iteration())
    if is_of(model, "lightgbm", "LGBMModel"):
        return count_rounds(model.booster_)
    if is_of(model, "xgboost", "Booster"):
        return int(model.num_boosted_rounds())
    if is_of(model, "xgboost", "XGBModel"):
        return count_rounds(model.get_booster())
    if is_of(model, "catboost", "CatBoost"):
        return int(model.tree_count_)
    return None


def keep_rounds(model: Any, n_rounds: int) -> Any:
    """Return a copy of an ensemble with its first trees or rounds; the model stays as it is.

    Args:
        model: A model that :func:`count_rounds` counts.
        n_rounds: From 1 to as many as it has.

    Raises:
        TypeError: If it is no such model.
    """
    if is_of(model, "sklearn", "Pipeline"):
        *steps, (name, last) = model.steps
        return _change(model, steps=[*steps, (name, keep_rounds(last, n_rounds))])
    if is_of(model, "sklearn", "BaseForest"):
        return _change(model, estimators_=model.estimators_[:n_rounds], n_estimators=n_rounds)
    if is_of(model, "sklearn", "BaseGradientBoosting"):
        kept = model.estimators_[:n_rounds]
        return _change(model, estimators_=kept, n_estimators_=n_rounds, n_estimators=n_rounds)
    if is_of(model, "sklearn", "BaseHistGradientBoosting"):
        return _change(model, _predictors=model._predictors[:n_rounds])  # no public way
    if is_of(model, "lightgbm", "Booster"):
        return type(model)(model_str=model.model_to_string(num_iteration=n_rounds))
    if is_of(model, "lightgbm", "LGBMModel"):
        return _change(model, _Booster=keep_rounds(model.booster_, n_rounds), _best_iteration=-1)
    if is_of(model, "xgboost", "Booster"):
        kept = model[:n_rounds]
        kept.set_attr(best_iteration=None, best_score=None)  # a round that it may no longer have
        return kept
    if is_of(model, "xgboost", "XGBModel"):
        return _change(model, _Booster=keep_rounds(model.get_booster(), n_rounds))
    if is_of(model, "catboost", "CatBoost"):
        kept = model.copy()
        kept.shrink(n_rounds)
        return kept
    raise TypeError(f"{type(model).__name__} is no ensemble of trees whose rounds are known.")


def _change(model: Any, **attributes: Any) -> Any:
    changed = copy.copy(model)
    vars(changed).update(attributes)
    return changed
