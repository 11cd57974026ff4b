from __future__ import annotations

import logging

import pytest

from rightfit._core.processes.repeated_warnings import counting_repeats

EXPORTS = logging.getLogger("rightfit.models.bundle_exports")


def test_warning_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="rightfit")  # earlier tests may have silenced it

    with counting_repeats():
        for candidate in ("knn-003", "knn-017", "stack-001", "knn-020"):
            EXPORTS.warning("%s is served natively only", candidate)
    EXPORTS.warning("knn-021 is served natively only")

    assert [record.message for record in caplog.records] == [
        "knn-003 is served natively only",
        "stack-001 is served natively only",
        "Came 3 times: knn-003 is served natively only",
        "knn-021 is served natively only",
    ]


def test_other_loggers_may_repeat_themselves(caplog: pytest.LogCaptureFixture) -> None:
    with counting_repeats():
        for _ in range(2):
            logging.getLogger("rightfit_search.searching").warning("again")

    assert [record.message for record in caplog.records] == ["again", "again"]
