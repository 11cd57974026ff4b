"""The documentation avoids phrases that readers stumble over, and says what the field says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PHRASES = yaml.safe_load((DOCS / "phrases.yml").read_text(encoding="utf-8"))
PAGES = [
    page
    for page in (*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md")
    if "made" not in page.parts and "decisions" not in page.parts  # records keep their words
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_uses_no_phrase_to_avoid(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())

    used = {
        match[0]: f"say: {better}"
        for phrase, better in PHRASES.items()
        for match in re.finditer(phrase, text, re.IGNORECASE)
    }
    assert used == {}
