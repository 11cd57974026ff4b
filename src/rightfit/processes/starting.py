"""How Rightfit starts Python processes of its own: they import what this process can, no more.

Python puts the working directory first where it is given ``-m``: a ``json.py`` beside a model from
elsewhere would run.
"""

from __future__ import annotations

import os
import sys


def run_module(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module, which imports nothing from the working directory."""
    return [sys.executable, "-P", "-m", name, *arguments]


def share_imports() -> dict[str, str]:
    """Return the variable that lets a process import what this one can, by whatever way.

    A notebook and an interactive session import from the working directory, so it does as well.
    """
    return {"PYTHONPATH": os.pathsep.join(place or os.curdir for place in sys.path)}
