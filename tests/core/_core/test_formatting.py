from __future__ import annotations

import pytest

from rightfit._core.formatting import clean_text
from rightfit_kedro.hooks import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ü × – 漢", "plain ü × – 漢"),  # noqa: RUF001
        ("a\x1b]0;title\x07b", "a?]0;title?b"),
        ("a\x9b2Jb", "a?2Jb"),
        ("a\rb\bc\x7f", "a?b?c?"),
        ("abc\u202edef", "abc?def"),
        ("line\n\tline", "line\n\tline"),
    ],
)
def test_terminal_gets_text_and_no_commands(text: str, expected: str) -> None:
    assert clean_text(text) == expected


def test_messages_about_configuration_are_text() -> None:
    assert ConfigurationError("grid.\x1b[2Jmine").message == "grid.?[2Jmine"
