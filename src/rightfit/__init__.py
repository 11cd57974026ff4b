"""Find the model that fits the application: search, measure what serving costs, rank.

```python
import rightfit as rf

profiles = rf.compare({"forest": forest, "boosting": booster}, X_test, y_test)
ranking = rf.rank(profiles, "applications.yml")
ranking.winner("web_api")
```

The names in ``__all__`` are the public ones; everything else may change in any release. They are
imported when they are first used, so that ``import rightfit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Libraries that report to their makers unless this is set before they are imported; whatever this
# process starts inherits it. onnxruntime 1.29 and newer also keep a device id in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
if not os.path.exists(".telemetry"):  # noqa: PTH110 - a Kedro project that has decided for itself
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
if "onnxruntime" in sys.modules:  # imported before: its events, at least, end here
    sys.modules["onnxruntime"].disable_telemetry_events()

__all__ = [
    "Application",
    "Constraint",
    "Decision",
    "Environment",
    "Family",
    "Figure",
    "FittedModel",
    "Metric",
    "Objective",
    "Profile",
    "Profiles",
    "Progress",
    "Project",
    "Ranking",
    "RightfitClassifier",
    "RightfitError",
    "RightfitRegressor",
    "Runtime",
    "SearchResult",
    "Serving",
    "StoppingRule",
    "TunedServing",
    "__version__",
    "compare",
    "measure",
    "open_project",
    "rank",
    "search",
    "tune_serving",
]

_HOMES = {
    "Application": "rightfit.ranking.applications.applications",
    "Constraint": "rightfit.ranking.applications.applications",
    "Decision": "rightfit.ranking.explanation.decisions",
    "Environment": "rightfit.measuring.hardware.environment",
    "Family": "rightfit.models.family",
    "Figure": "rightfit.measuring.metrics",
    "FittedModel": "rightfit.api.fitted",
    "Metric": "rightfit.measuring.metrics",
    "Objective": "rightfit.ranking.applications.applications",
    "Profile": "rightfit.measuring.profile",
    "Profiles": "rightfit.api.profiles",
    "Progress": "rightfit._core.progress",
    "Project": "rightfit.kedro_project.opened_project",
    "Ranking": "rightfit.api.rank",
    "RightfitClassifier": "rightfit.api.estimators",
    "RightfitError": "rightfit._core.errors",
    "RightfitRegressor": "rightfit.api.estimators",
    "Runtime": "rightfit.models.runtimes",
    "SearchResult": "rightfit.api.search_result",
    "Serving": "rightfit.measuring.serving",
    "StoppingRule": "rightfit.searching.stopping_rules",
    "TunedServing": "rightfit.api.serving_tuning",
    "compare": "rightfit.api.measure",
    "measure": "rightfit.api.measure",
    "open_project": "rightfit.kedro_project.opened_project",
    "rank": "rightfit.api.rank",
    "search": "rightfit.api.search",
    "tune_serving": "rightfit.api.serving_tuning",
}

_OF_SEARCH = ("optuna", "scipy", "sqlalchemy", "threadpoolctl")
_NEEDS = {  # beside the core, when the module is imported
    "rightfit.api.search": _OF_SEARCH,
    "rightfit.api.search_result": _OF_SEARCH,
    "rightfit.api.estimators": (*_OF_SEARCH, "sklearn>=1.6"),
}

if TYPE_CHECKING:
    from rightfit._core.errors import RightfitError
    from rightfit._core.progress import Progress
    from rightfit.api.estimators import RightfitClassifier, RightfitRegressor
    from rightfit.api.fitted import FittedModel
    from rightfit.api.measure import compare, measure
    from rightfit.api.profiles import Profiles
    from rightfit.api.rank import Ranking, rank
    from rightfit.api.search import search
    from rightfit.api.search_result import SearchResult
    from rightfit.api.serving_tuning import TunedServing, tune_serving
    from rightfit.kedro_project.opened_project import Project, open_project
    from rightfit.measuring.hardware.environment import Environment
    from rightfit.measuring.metrics import Figure, Metric
    from rightfit.measuring.profile import Profile
    from rightfit.measuring.serving import Serving
    from rightfit.models.family import Family
    from rightfit.models.runtimes import Runtime
    from rightfit.ranking.applications.applications import Application, Constraint, Objective
    from rightfit.ranking.explanation.decisions import Decision
    from rightfit.searching.stopping_rules import StoppingRule


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if (home := _HOMES[name]) in _NEEDS:
        from rightfit._core.extras import require

        require(*_NEEDS[home], purpose=f"rightfit.{name}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
