"""Find the model that fits the application: search, measure what serving costs, rank.

```python
import rightfit as rf

profiles = rf.compare({"forest": forest, "boosting": booster}, X_test, y_test)
ranking = rf.rank(profiles, "applications.yml")
ranking.winner("web_api")
```

The names in ``__all__`` are the public ones; everything else may change in any release. They are
imported when they are first used, so that ``import rightfit`` costs next to nothing. Those of other
packages are found by their entry points. Type checkers read them in ``__init__.pyi``.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable

__version__ = "0.1.0"

# Libraries that report to their makers unless this is set before they are imported; whatever this
# process starts inherits it. onnxruntime 1.29 and newer also keep a device id in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
if not os.path.exists(".telemetry"):  # noqa: PTH110 - a Kedro project that has decided for itself
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
if "onnxruntime" in sys.modules:  # imported before: its events, at least, end here
    sys.modules["onnxruntime"].disable_telemetry_events()

FACES = "rightfit.faces"  # entry points: public names that other packages add

_HOMES = {
    "Application": "rightfit.ranking.applications.applications",
    "Constraint": "rightfit.ranking.applications.applications",
    "Decision": "rightfit.ranking.explanation.decisions",
    "Environment": "rightfit.measuring.hardware.environment",
    "Figure": "rightfit.measuring.metrics",
    "Metric": "rightfit.measuring.metrics",
    "Objective": "rightfit.ranking.applications.applications",
    "Profile": "rightfit.measuring.profile",
    "Profiles": "rightfit.api.profiles",
    "Progress": "rightfit._core.progress",
    "Ranking": "rightfit.api.rank",
    "RightfitError": "rightfit._core.errors",
    "Runtime": "rightfit.models.runtimes",
    "Serving": "rightfit.measuring.serving",
    "TunedServing": "rightfit.api.serving_tuning",
    "candidates": "rightfit.api.given_candidates",
    "compare": "rightfit.api.measure",
    "log_export": "rightfit.exporting.mlflow_model",
    "measure": "rightfit.api.measure",
    "rank": "rightfit.api.rank",
    "tune_serving": "rightfit.api.serving_tuning",
}


def __getattr__(name: str) -> object:
    if name == "__all__":
        value: object = sorted({"__version__", *_HOMES, *_find_faces()})
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif not name.startswith("_") and name in _find_faces():
        from rightfit._core.plugins import load_plugin

        value = load_plugin(FACES, name, purpose=f"rightfit.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _find_faces() -> Iterable[str]:
    from rightfit._core.plugins import find_plugins

    return find_plugins(FACES)


def __dir__() -> list[str]:
    return sorted(__getattr__("__all__"))
