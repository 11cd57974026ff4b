"""The code a family's results depend on: its module, and what that imports from this project."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path

from rightfit.families.family import Family


def read_sources(family: Family) -> dict[str, str]:
    """Read the source of a family's module and of every module it is built on.

    Imports are followed to modules of the same top-level package, also from inside functions, so
    a family that is described with the help of another module changes with that module. Libraries
    are not followed.

    Args:
        family: A module, or what stands in for one, such as an ``EnsembleFamily``.

    Returns:
        Source texts by module name.
    """
    start: str = family.__name__  # type: ignore[attr-defined]
    sources = {start: inspect.getsource(family)}  # type: ignore[arg-type]
    unread = [start]
    while unread:
        name = unread.pop()
        for imported in _own_imports(sources[name], of=name):
            path = _find_source(imported)
            if path is not None and imported not in sources:
                sources[imported] = path.read_text(encoding="utf-8")
                unread.append(imported)
    return dict(sorted(sources.items()))


def _own_imports(source: str, *, of: str) -> Iterator[str]:
    """Yield the names that a module imports from its own top-level package, modules or not."""
    package = of.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            module = importlib.util.resolve_name(module, package) if node.level else module
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.partition(".")[0] == of.partition(".")[0])


def _find_source(name: str) -> Path | None:
    """Return the file of a module; ``None`` if the name is that of something in a module."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # what would be its package is a module
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
