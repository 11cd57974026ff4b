"""Kedro's lines on every start and every reading, which stand between a person and an answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

CHATTY = ("kedro.framework.project", "kedro.io.data_catalog")
"""Loggers that tell of starts and readings, on standard output like an answer."""


def is_warning(record: logging.LogRecord) -> bool:
    """Tell whether a line is a warning or worse."""
    return record.levelno >= logging.WARNING


@contextmanager
def hiding_chatter() -> Iterator[None]:
    """Drop Kedro's lines on starts and readings while the block runs."""
    named = [logging.getLogger(name) for name in CHATTY]
    loggers = [logger for logger in named if is_warning not in logger.filters]
    for logger in loggers:  # filters outlast Kedro's configuration of logging, levels do not
        logger.addFilter(is_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_warning)
