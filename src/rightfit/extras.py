"""Libraries that the core does without: which extra brings each, and the error without it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping

from rightfit.errors import RightfitError

EXTRAS: Mapping[str, str] = {
    "PIL": "images",
    "catboost": "catboost",
    "kedro": "kedro",
    "kedro_datasets": "kedro",
    "lightgbm": "lightgbm",
    "onnxmltools": "lightgbm",
    "onnxscript": "torch",
    "optuna": "search",
    "pyarrow": "serve",
    "safetensors": "torch",
    "skl2onnx": "sklearn",
    "sklearn": "sklearn",
    "skops": "sklearn",
    "sqlalchemy": "search",
    "threadpoolctl": "search",
    "torch": "torch",
    "xgboost": "xgboost",
}
"""The extra that brings a library, by the name that the library is imported under."""


def require(*modules: str, purpose: str) -> None:
    """Check that libraries of extras are installed, without importing them.

    Args:
        modules: Names of modules. Those of libraries that no extra brings are not checked.
        purpose: What needs them; it begins the error's sentence.

    Raises:
        RightfitError: If one is missing, naming the extras to install.
    """
    libraries = dict.fromkeys(module.partition(".")[0] for module in modules)
    missing = [
        name for name in libraries if name in EXTRAS and importlib.util.find_spec(name) is None
    ]
    if missing:
        extras = ",".join(dict.fromkeys(EXTRAS[name] for name in missing))
        raise RightfitError(
            f"{purpose} needs {' and '.join(missing)}, which this environment lacks: "
            f"pip install 'rightfit[{extras}]'"
        )


def find_version(distribution: str) -> str | None:
    """Return the version of an installed distribution; ``None`` if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
