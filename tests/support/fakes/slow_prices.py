"""A model whose processes import nothing of the test that hands it over."""

from __future__ import annotations

import time
from typing import Any


def slow_price(rows: Any) -> Any:
    """Price a house in two milliseconds a row."""
    time.sleep(0.002 * len(rows))
    return 20.0 + 3 * rows["size"].to_numpy() + (rows["age"].to_numpy() > 5) + 0.5
