"""Libraries that a pickle or a source names; measuring processes hide all others."""

from __future__ import annotations

import re

# Some of those that ``profiling/worker/process.py`` hides unless they are named.
_HIDDEN = re.compile(rb"\b(onnx|pandas|polars|pyarrow|torch)\b")


def find_hidden(content: bytes) -> set[str]:
    """Return the libraries that a content names and that are hidden otherwise.

    >>> find_hidden(b"import pandas as pd; pandas_categorical")
    {'pandas'}
    """
    return {name.decode() for name in _HIDDEN.findall(content)}
