"""Libraries that the core does without: which extra brings each, and the error without it.

What is asked about them here is answered without importing them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable, Mapping

from rightfit._core.errors import RightfitError

EXTRAS: Mapping[str, str] = {
    "PIL": "images",
    "kedro": "kedro",
    "kedro_datasets": "kedro",
    "onnxmltools": "lightgbm",
    "onnxscript": "torch",
    "optuna": "search",
    "pyarrow": "serve",
    "safetensors": "torch",
    "scipy": "search",
    "skl2onnx": "sklearn",
    "sklearn": "sklearn",
    "skops": "sklearn",
    "sqlalchemy": "search",
    "threadpoolctl": "search",
    "torch": "torch",
}
"""The extra that brings a library, by the name that the library is imported under.

Those of families in ``rightfit_search.families.libraries`` are named there.
"""

_DISTRIBUTIONS: Mapping[str, str] = {"sklearn": "scikit-learn"}


def require(*modules: str, purpose: str, extra: str | None = None) -> None:
    """Check that libraries of extras are installed, without importing them.

    Args:
        modules: Names of modules, with or without a lowest version of two numbers
            (``sklearn>=1.6``). Those of libraries that no extra brings are not checked.
        purpose: What needs them; it begins the error's sentence.
        extra: The extra that brings those that are not listed in :data:`EXTRAS`.

    Raises:
        RightfitError: If one is missing, naming the extras to install, or too old.
    """
    libraries = {re.split("[.>]", module)[0]: module.partition(">=")[2] for module in modules}
    extra_by_library = {name: EXTRAS.get(name, extra) for name in libraries}
    missing = {
        name: extra
        for name, extra in extra_by_library.items()
        if extra is not None and importlib.util.find_spec(name) is None
    }
    if missing:
        extras = ",".join(dict.fromkeys(missing.values()))
        raise RightfitError(
            f"{purpose} needs {' and '.join(missing)}, which this environment lacks: "
            f"pip install 'rightfit[{extras}]'"
        )
    for name, lowest in libraries.items():
        distribution = _DISTRIBUTIONS.get(name, name)
        installed = find_version(distribution) if lowest else None
        if installed is not None and _read_numbers(installed) < _read_numbers(lowest):
            raise RightfitError(
                f"{purpose} needs {distribution} {lowest} or newer, but {installed} is installed: "
                f"pip install '{distribution}>={lowest}'"
            )


def _read_numbers(version: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", version)[:2]]


def is_of(value: object, library: str, name: str) -> bool:
    """Tell whether something is of a library's class, without importing the library.

    >>> is_of(1, "pandas", "DataFrame")
    False
    """
    return any(
        kind.__name__ == name and kind.__module__.partition(".")[0] == library
        for kind in type(value).__mro__
    )


def find_versions(modules: Iterable[str]) -> dict[str, str]:
    """Return the versions of the distributions that modules come from, as far as one is known.

    >>> sorted(find_versions(["numpy.linalg", "numpy", "json"]))
    ['numpy']
    """
    tops = dict.fromkeys(module.partition(".")[0] for module in modules)
    distributions = [_DISTRIBUTIONS.get(name, name) for name in tops]
    versions = {name: find_version(name) for name in distributions}
    return {name: version for name, version in versions.items() if version is not None}


def find_version(distribution: str) -> str | None:
    """Return the version of an installed distribution; ``None`` if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
