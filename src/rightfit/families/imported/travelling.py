"""Write an object of this process so that a fresh process of this user can open it.

cloudpickle writes what lies in the caller's script or notebook by value, so that it need not be
importable; all else is imported there, so the modules that it is made of are noted.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rightfit.errors import RightfitError
from rightfit.families.imported.facts import Facts
from rightfit.families.imported.named_libraries import find_hidden
from rightfit.families.imported.objects import SKLEARN
from rightfit.families.sources import read_own_sources

_EVERYWHERE = ("numpy", "rightfit", "scipy")


@dataclass(frozen=True)
class Travelled:
    """A model that was written, and opened again.

    Args:
        model: The copy.
        imports: Modules that a process should import before it opens the file.
    """

    model: Any
    imports: tuple[str, ...]


def write_object(model: Any, path: Path | None, facts: Facts) -> Travelled:
    """Pickle a model.

    Args:
        model: The model.
        path: Where to; ``None``: only to see what it is made of.
        facts: What it says of itself.

    Raises:
        RightfitError: If it cannot travel.
    """
    import cloudpickle

    try:
        content = cloudpickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as err:  # whatever the parts of an object raise
        raise RightfitError(
            f"{facts.name} cannot travel to the process that measures it: {err}. Leave out what "
            "belongs to this process alone, such as open files, locks, generators and connections, "
            "or save the model to a file and give its path."
        ) from err
    reader = _Reader(io.BytesIO(content))
    copy = reader.load()
    if path is not None:
        path.write_bytes(content)
    return Travelled(copy, list_imports(content, reader.modules))


def list_imports(content: bytes, modules: Iterable[str]) -> tuple[str, ...]:
    """Return what to import before a pickle is opened, so that imports count as no loading.

    scikit-learn's models all import the same: they can share a measuring process.

    Args:
        content: The pickle. It and the sources of the caller's own modules are searched for the
            names of libraries that are hidden otherwise.
        modules: Modules that it names.
    """
    named = set(modules)
    uses_sklearn = any(name.partition(".")[0] == "sklearn" for name in named)
    shared = {*_EVERYWHERE, "sklearn", "__main__", *sys.stdlib_module_names}
    others = {name for name in named if name.partition(".")[0] not in shared}
    sources = [text.encode() for name in others for text in read_own_sources(name).values()]
    found = find_hidden(b"\n".join([content, *sources]))
    if "catboost" in {name.partition(".")[0] for name in others}:
        found.add("pandas")  # which CatBoost cannot do without
    return (*(SKLEARN if uses_sklearn else ()), *sorted({*others, *found}))


class _Reader(pickle.Unpickler):
    """Notes the modules that it is asked for, also by functions that were written by value."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.modules: set[str] = set()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        self.modules.add(module_name)
        found = super().find_class(module_name, global_name)
        if (module_name, global_name) != ("cloudpickle.cloudpickle", "subimport"):
            return found

        def import_noted(name: str) -> Any:
            self.modules.add(name)
            return found(name)

        return import_noted
