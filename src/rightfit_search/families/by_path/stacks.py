"""A stack of different models (scikit-learn): usually better than each, and slower than all.

For ``family: sklearn``, with the ``estimator``
``rightfit_search.families.by_path.stacks.make_classifier``. A linear model weighs what the others
answer to rows that they were not fitted to (Wolpert, 1992).
"""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge


def make_classifier() -> Any:
    """Return a stack of a forest, boosted trees and logistic regression, not yet fitted."""
    return StackingClassifier(
        [
            ("forest", RandomForestClassifier()),
            ("boosting", HistGradientBoostingClassifier()),
            ("linear", LogisticRegression()),
        ]
    )


def make_regressor() -> Any:
    """Return a stack of a forest, boosted trees and ridge regression, not yet fitted."""
    return StackingRegressor(
        [
            ("forest", RandomForestRegressor()),
            ("boosting", HistGradientBoostingRegressor()),
            ("linear", Ridge()),
        ]
    )
