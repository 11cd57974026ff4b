"""The public names of searching that need libraries of extras: these are checked first."""

from __future__ import annotations

import importlib

from rightfit._core.extras import require

_SEARCH = ("optuna", "scipy", "sqlalchemy", "threadpoolctl")
_ESTIMATORS = ("rightfit_search.api.estimators", (*_SEARCH, "sklearn>=1.6"))
_HOMES = {  # module, and libraries beside the core's when it is imported
    "RightfitClassifier": _ESTIMATORS,
    "RightfitRegressor": _ESTIMATORS,
    "SearchResult": ("rightfit_search.api.search_result", _SEARCH),
    "search": ("rightfit_search.api.search", _SEARCH),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, libraries = _HOMES[name]
    require(*libraries, purpose=f"rightfit.{name}")
    return getattr(importlib.import_module(module), name)
