from __future__ import annotations

import io
import logging

import pytest
from kedro.logging import RichHandler
from rich.console import Console

from rightfit._core.kedro_logs import CHATTY, hiding_chatter, is_warning, log_as_written


@pytest.mark.parametrize("before", [[], [is_warning]])  # the second: in a verb
def test_what_is_dropped_after_the_block_is_what_was_before(
    before: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    loggers = [logging.getLogger(name) for name in CHATTY]
    for logger in loggers:
        monkeypatch.setattr(logger, "filters", [*before])

    with hiding_chatter():
        assert [logger.filters for logger in loggers] == [[is_warning]] * len(loggers)

    assert [logger.filters for logger in loggers] == [before] * len(loggers)


def test_names_with_brackets_are_logged_as_they_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.StringIO()
    handler = RichHandler(console=Console(file=shown, width=160), rich_tracebacks=False)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])

    log_as_written()
    logging.getLogger("rightfit.data").warning("left out: speed [m/s], flow [/min]")

    assert "left out: speed [m/s], flow [/min]" in shown.getvalue()
