"""The code a family's results depend on: its module, and what that is built on."""

from __future__ import annotations

import ast
import functools
import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

from rightfit._core.errors import RightfitError
from rightfit.models.references import split_reference

PACKAGES = ("rightfit", "rightfit_search", "rightfit_kedro", "rightfit_deploy")
"""The library's own: their sources count wherever one of them is imported."""
WITHOUT_EFFECT = (
    "rightfit._core.errors",
    "rightfit._core.extras",
)  # they word errors, and no result is theirs


def read_sources(module: str) -> dict[str, str]:
    """Read the source of a family's module and of every module it is built on.

    Imports are followed to modules of the same top-level package and of this library, also from
    inside functions, so a family that is described with the help of another module changes with
    that module. Other libraries are not followed.

    Returns:
        Source texts by module name.
    """
    followed = {module.partition(".")[0], *PACKAGES}
    sources: dict[str, str] = {}
    unread = [module]
    while unread:
        name = unread.pop()
        path = _find_source(name)
        if path is not None and name not in sources:
            sources[name] = path.read_text(encoding="utf-8")
            imported = _list_imports(sources[name], of=name)
            unread += [other for other in imported if other.partition(".")[0] in followed]
    return dict(sorted(sources.items()))


def read_family_sources(reference: str) -> dict[str, str]:
    """Read the sources of a family, and of the project's own code that it is made of."""
    module, made_of = split_reference(reference)
    read = read_sources(module)
    sources = {name: text for name, text in read.items() if name not in WITHOUT_EFFECT}
    for path in made_of:
        library = path.rpartition(".")[0]
        if library:  # an estimator or module of the project's own
            sources |= read_own_sources(library)
    return sources


def read_own_sources(module: str) -> dict[str, str]:
    """Read as :func:`read_sources` what is the project's or this library's; nothing of others.

    Raises:
        RightfitError: If it is what was typed into a program or a notebook.
    """
    if module == "__main__":
        raise RightfitError(
            "What a program or a notebook defines itself, __main__, is out of reach for the "
            "processes that train and measure: put it into a module, such as my_models.py, and "
            "name it my_models.NAME."
        )
    package = module.partition(".")[0]  # what lies in it is found by importing it
    if package in PACKAGES:
        return read_sources(module)
    spec = _find_spec(package)
    locations = (
        [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    )
    is_installed = any("site-packages" in Path(location).parts for location in locations)
    return {} if is_installed else read_sources(module)


@functools.cache
def _list_imports(source: str, *, of: str) -> tuple[str, ...]:
    """Return the names that a module imports, modules or not."""
    package = of.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            module = importlib.util.resolve_name(module, package) if node.level else module
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _find_source(name: str) -> Path | None:
    """Return the file of a module; ``None`` if the name is that of something in a module."""
    spec = _find_spec(name)
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def _find_spec(name: str) -> ModuleSpec | None:
    """Find a module without importing one: a name in a module would import that, and torch."""
    parent = name.rpartition(".")[0]
    if parent:
        of_parent = _find_spec(parent)
        if of_parent is None or of_parent.submodule_search_locations is None:
            return None
    return importlib.util.find_spec(name)
