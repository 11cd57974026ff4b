from __future__ import annotations

import pytest

from rightfit._core.errors import RightfitError


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The rows are no array: they differ..", "The rows are no array: they differ."),
        ("It is damaged: gone.. Pack it again.", "It is damaged: gone. Pack it again."),
        ("Under 'a.b'.. Name others.", "Under 'a.b'. Name others."),
        ("The folder .. or a/.. and more... of it", "The folder .. or a/.. and more... of it"),
    ],
)
def test_a_message_that_ends_with_a_quoted_one_has_one_full_stop(
    message: str, expected: str
) -> None:
    assert str(RightfitError(message)) == expected
