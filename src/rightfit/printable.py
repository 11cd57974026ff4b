"""Text from files and configuration, made fit for a terminal."""

from __future__ import annotations

import unicodedata


def clean_text(text: str) -> str:
    r"""Replace what would steer a terminal by a question mark: escapes, overrides of direction.

    >>> clean_text("forest\x1b[2J-001")
    'forest?[2J-001'
    >>> clean_text("two\nlines")
    'two\nlines'
    """
    return "".join(
        "?" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c
        for c in text
    )
