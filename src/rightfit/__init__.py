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
    "Project",
    "Ranking",
    "RightfitClassifier",
    "RightfitError",
    "RightfitRegressor",
    "Runtime",
    "SearchResult",
    "Serving",
    "StoppingRule",
    "__version__",
    "compare",
    "measure",
    "open_project",
    "rank",
    "search",
]

_HOMES = {
    "Application": "rightfit.ranking.applications.applications",
    "Constraint": "rightfit.ranking.applications.applications",
    "Decision": "rightfit.ranking.explanation.decisions",
    "Environment": "rightfit.profiling.hardware.environment",
    "Family": "rightfit.families.family",
    "Figure": "rightfit.profiling.metrics",
    "FittedModel": "rightfit.api.fitted",
    "Metric": "rightfit.profiling.metrics",
    "Objective": "rightfit.ranking.applications.applications",
    "Profile": "rightfit.profiling.profile",
    "Profiles": "rightfit.api.profiles",
    "Project": "rightfit.verbs.opened_project",
    "Ranking": "rightfit.api.ranking",
    "RightfitClassifier": "rightfit.api.estimators",
    "RightfitError": "rightfit.errors",
    "RightfitRegressor": "rightfit.api.estimators",
    "Runtime": "rightfit.families.runtimes",
    "SearchResult": "rightfit.api.searching",
    "Serving": "rightfit.profiling.serving",
    "StoppingRule": "rightfit.tuning.search.stopping",
    "compare": "rightfit.api.measuring",
    "measure": "rightfit.api.measuring",
    "open_project": "rightfit.verbs.opened_project",
    "rank": "rightfit.api.ranking",
    "search": "rightfit.api.searching",
}

_OF_SEARCH = ("optuna", "scipy", "sqlalchemy", "threadpoolctl")
_NEEDS = {  # beside the core, when the module is imported
    "rightfit.api.searching": _OF_SEARCH,
    "rightfit.api.estimators": (*_OF_SEARCH, "sklearn>=1.6"),
}

if TYPE_CHECKING:
    from rightfit.api.estimators import RightfitClassifier, RightfitRegressor
    from rightfit.api.fitted import FittedModel
    from rightfit.api.measuring import compare, measure
    from rightfit.api.profiles import Profiles
    from rightfit.api.ranking import Ranking, rank
    from rightfit.api.searching import SearchResult, search
    from rightfit.errors import RightfitError
    from rightfit.families.family import Family
    from rightfit.families.runtimes import Runtime
    from rightfit.profiling.hardware.environment import Environment
    from rightfit.profiling.metrics import Figure, Metric
    from rightfit.profiling.profile import Profile
    from rightfit.profiling.serving import Serving
    from rightfit.ranking.applications.applications import Application, Constraint, Objective
    from rightfit.ranking.explanation.decisions import Decision
    from rightfit.tuning.search.stopping import StoppingRule
    from rightfit.verbs.opened_project import Project, open_project


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if (home := _HOMES[name]) in _NEEDS:
        from rightfit.extras import require

        require(*_NEEDS[home], purpose=f"rightfit.{name}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
