"""Rightfit's lines and Kedro's in one log: ours as they are written, its chatter left out."""

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


def log_as_written() -> None:
    """Have the log's handlers show each line of Rightfit as it is.

    Kedro's handler reads markup in every line: the column ``speed [m/s]`` would lose its unit, and
    ``flow [/min]`` would end the run.
    """
    for logger in (logging.getLogger(), logging.getLogger("rightfit")):
        for handler in logger.handlers:
            handler.addFilter(_without_markup)  # once, however often it is called


def _without_markup(record: logging.LogRecord) -> bool:
    if record.name.startswith("rightfit"):
        record.markup = False
    return True
