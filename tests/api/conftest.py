from __future__ import annotations

import psutil
import pytest


@pytest.fixture(scope="module")
def children() -> set[psutil.Process]:
    """Processes that other tests have left in this one, such as measuring processes they share."""
    return set(psutil.Process().children())
