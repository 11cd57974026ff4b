"""Warnings that a run would repeat for every candidate, serving configuration and process."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

LOGGERS = ("py.warnings", "rightfit.models.bundle_exports")
"""Loggers of libraries' warnings, and of exports that are refused."""

SHOWN = 100  # characters of a warning beside its count

logger = logging.getLogger(__name__)


@contextmanager
def counting_repeats() -> Iterator[None]:
    """Log each warning once, and at the end how often it came; numbers in it play no part."""
    counts: Counter[str] = Counter()
    firsts: dict[str, str] = {}

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        key = re.sub(r"\d+", "0", text)
        counts[key] += 1
        firsts.setdefault(key, text)
        return counts[key] == 1

    sources = [logging.getLogger(name) for name in LOGGERS]
    for source in sources:
        source.addFilter(is_new)
    try:
        yield
    finally:
        for source in sources:
            source.removeFilter(is_new)
        for key, text in firsts.items():
            if counts[key] > 1:
                logger.info(
                    "Came %d times: %s", counts[key], shorten(text, SHOWN, placeholder=" …")
                )
