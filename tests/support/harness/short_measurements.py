"""Fixtures of searches and measurements that shall be short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from factories import measurements

from rightfit.params import defaults


@pytest.fixture(scope="module")
def children() -> set[psutil.Process]:
    """Processes that other tests have left in this one, such as measuring processes they share."""
    return set(psutil.Process().children())


@pytest.fixture(scope="module")
def short_measurements() -> Iterator[None]:
    """Let searches measure on one thread, in two processes each, where that is not the question."""
    read = defaults.read_default
    preset = measurements.SETTINGS | {"max_processes": 2}

    def read_short(block: str) -> dict[str, Any]:
        values = read(block)
        if block == "evaluation":
            presets = values["presets"] | {"quick": preset}
            values = values | {"n_threads": [1], "presets": presets}
        return values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defaults, "read_default", read_short)
        yield
