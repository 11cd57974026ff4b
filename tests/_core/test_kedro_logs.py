from __future__ import annotations

import logging

import pytest

from rightfit._core.kedro_logs import CHATTY, hiding_chatter, is_warning


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
